"""The console's pages on which somebody speaks: enrolling, and adding or replacing what a speaker said.

None runs in one transaction: rows are looked at in `own_view`, and the services open their own around the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from audio.errors import AudioError
from tenants.console import (
    closed,
    may_change,
    open_to_both,
    opens_own_transactions,
    own_view,
    page,
    refuse_unless,
    refused,
)
from tenants.models import Operation, Tenant
from tenants.sentences import in_a_row
from voiceprints import consents, services
from voiceprints.consents import Given
from voiceprints.console_use import counted
from voiceprints.doubts import doubts_about
from voiceprints.errors import VoiceprintError
from voiceprints.models import Speaker
from voiceprints.pages import own_library, own_speaker
from voiceprints.refusals import in_words
from voiceprints.results import Enrollment, LibraryKey
from voiceprints.speaking_forms import AdditionForm, EnrollmentForm, OneRecordingForm, SpeakingForm
from voiceprints.wording import recording

Do = Callable[[dict[str, Any]], Enrollment]


@opens_own_transactions
@open_to_both
def enroll(request: HttpRequest, library_id: int) -> HttpResponse:
    """Somebody new in a library that is there."""
    with own_view(request):
        library = own_library(request, library_id)
        refuse_unless(may_change(request))
        back = reverse("admin:voiceprints_library_change", args=[library.pk])
        title = _("Enroll a speaker in %(library)s") % {"library": library}
        if request.method != "POST":
            about = {"title": title, "parent": library, "back": back}
            wanted = {"consent_required": consents.is_asked_for(library.tenant)}
            return _form_page(request, library.tenant, "enroll", about, wanted)

    @counted(library.tenant, Operation.ENROLL)
    def enrolled(said: dict[str, Any]) -> Enrollment:
        key = LibraryKey(library.org_id, library.tag_id)
        about = {"info": said["info"], "consent": Given(said["consent"]) if said["consent"] else None}
        return services.enroll(library.tenant, key, said["external_id"], said["audio"], **about, create_library=False)

    return _spoken(request, library.tenant, EnrollmentForm(request.POST, request.FILES), enrolled, request.path)


@opens_own_transactions
@require_POST
def add(request: HttpRequest, speaker_id: int) -> HttpResponse:
    with own_view(request):
        speaker = own_speaker(request, speaker_id)
        refuse_unless(may_change(request))

    @counted(speaker.tenant, Operation.UPDATE)
    def added(said: dict[str, Any]) -> Enrollment:
        key = LibraryKey(speaker.library.org_id, speaker.library.tag_id)
        return services.update(speaker.tenant, key, speaker.external_id, said["audio"], merge=True, info=said["info"])

    return _spoken(request, speaker.tenant, AdditionForm(request.POST, request.FILES), added, _address(speaker))


@opens_own_transactions
@open_to_both
def replace(request: HttpRequest, speaker_id: int, utterance_id: int) -> HttpResponse:
    with own_view(request):
        speaker = own_speaker(request, speaker_id)
        utterance = speaker.utterances.numbered().filter(pk=utterance_id).first()
        if utterance is None:
            raise Http404
        refuse_unless(may_change(request))
        if request.method != "POST":
            about = {"title": _("Replace a recording of %(speaker)s") % {"speaker": speaker}, "parent": speaker}
            about |= {"back": _address(speaker)}
            return _form_page(request, speaker.tenant, "replace", about, {"recording": recording(utterance)})

    @counted(speaker.tenant, Operation.UPDATE)
    def replaced(said: dict[str, Any]) -> Enrollment:
        return services.replace_utterance(speaker.tenant, utterance_id, said["audio"][0])

    return _spoken(request, speaker.tenant, OneRecordingForm(request.POST, request.FILES), replaced, request.path)


def _form_page(
    request: HttpRequest, tenant: Tenant, template: str, about: dict[str, Any], shown: dict[str, Any]
) -> HttpResponse:
    if refusal := closed(tenant):
        return refused(request, refusal, about)
    return page(request, template, about | shown)


def _spoken(request: HttpRequest, tenant: Tenant, form: SpeakingForm, do: Do, back: str) -> HttpResponse:
    if refusal := closed(tenant):
        return _refused(request, refusal, back)
    if not form.is_valid():
        return _refused(request, form.refusal, back)
    try:
        enrollment = do(form.cleaned_data)
    except (AudioError, VoiceprintError) as error:
        return _refused(request, in_words(error), back)
    _tell(request, enrollment)
    return redirect(_address(enrollment.speaker))


def _tell(request: HttpRequest, enrollment: Enrollment) -> None:
    doubts = doubts_about(enrollment.speaker.tenant, enrollment)
    tell = messages.warning if doubts else messages.success
    tell(request, in_a_row([_stored(enrollment), *doubts]))


def _stored(enrollment: Enrollment) -> str:
    count = len(enrollment.utterances)
    return ngettext("%d recording was stored.", "%d recordings were stored.", count) % count


def _refused(request: HttpRequest, words: str, back: str) -> HttpResponse:
    """In the place beside the form, which keeps what was recorded; without scripts on the page anew."""
    if "HX-Request" in request.headers:
        return render(request, "console/refusal.html", {"words": words})
    messages.error(request, words)
    return redirect(back)


def _address(speaker: Speaker) -> str:
    return reverse("admin:voiceprints_speaker_change", args=[speaker.pk])
