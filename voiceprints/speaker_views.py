"""What a speaker's page in the console asks for when it is looked at."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants.console import closed, may_change, open_to_both, page, refuse_unless, refused
from voiceprints import curation, services
from voiceprints.consents import Given, consent_of
from voiceprints.errors import SpeakerNotEnrolled, SpeakerNotFound
from voiceprints.models import Speaker
from voiceprints.pages import own_speaker, part
from voiceprints.refusals import in_words
from voiceprints.speaker_forms import SpeakerConsentForm

NEIGHBOURS_SHOWN = 8


@require_safe
def nearest(request: HttpRequest, speaker_id: int) -> HttpResponse:
    """Who sounds most like the speaker, in the library or `everywhere` in the tenant."""
    speaker = own_speaker(request, speaker_id)
    everywhere = "everywhere" in request.GET
    libraries = speaker.tenant.libraries.all() if everywhere else [speaker.library]
    title, above = _("Who sounds most alike"), {"parent": speaker, "back": _address(speaker)}
    try:
        found = services.neighbours(speaker.tenant, speaker, libraries, limit=NEIGHBOURS_SHOWN)
    except SpeakerNotEnrolled as error:
        return part(request, "refusal", title, above | {"words": in_words(error)})
    shown = {"speaker": speaker, "everywhere": everywhere, "candidates": found}
    return part(request, "nearest", title, above | shown)


@open_to_both
def consent(request: HttpRequest, speaker_id: int) -> HttpResponse:
    """Told after the enrollment, or anew."""
    speaker = own_speaker(request, speaker_id)
    refuse_unless(may_change(request))
    back = _address(speaker)
    about = {"title": _("Consent of %(speaker)s") % {"speaker": speaker}, "parent": speaker, "back": back}
    if refusal := closed(speaker.tenant):
        return refused(request, refusal, about)
    told = consent_of(speaker)
    form = SpeakerConsentForm(told, request.POST or None)
    if form.is_valid():
        try:
            curation.change_speaker(speaker.tenant, speaker.pk, {}, versions=None, consent=Given(**form.cleaned_data))
        except SpeakerNotFound:
            raise Http404 from None
        messages.success(request, _("The consent is noted."))
        return redirect(back)
    replacing = _("It takes the place of the consent on record, and is deleted with the speaker.")
    said = replacing if told else _("It is deleted with the speaker.")
    return page(request, "form", about | {"explanation": said, "form": form, "button": _("Save")})


def _address(speaker: Speaker) -> str:
    return reverse("admin:voiceprints_speaker_change", args=[speaker.pk])
