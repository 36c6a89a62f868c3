"""What a speaker's page in the console asks for when it is looked at."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from voiceprints import services
from voiceprints.errors import SpeakerNotEnrolled
from voiceprints.pages import own_speaker, part
from voiceprints.refusals import in_words

NEIGHBOURS_SHOWN = 8


@require_safe
def nearest(request: HttpRequest, speaker_id: int) -> HttpResponse:
    """Who sounds most like the speaker, in the library or `everywhere` in the tenant."""
    speaker = own_speaker(request, speaker_id)
    everywhere = "everywhere" in request.GET
    libraries = speaker.tenant.libraries.all() if everywhere else [speaker.library]
    title, context = _("Who sounds most alike"), {"speaker": speaker, "everywhere": everywhere}
    try:
        found = services.neighbours(speaker.tenant, speaker, libraries, limit=NEIGHBOURS_SHOWN)
    except SpeakerNotEnrolled as error:
        return part(request, "refusal", title, {"words": in_words(error)})
    return part(request, "nearest", title, context | {"candidates": found})
