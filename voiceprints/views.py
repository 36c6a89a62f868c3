"""Console-only views."""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from audio.errors import AudioError
from audio.results import Picture
from tenants.console import may_listen, opens_own_transactions, own_rows, own_view, refuse_unless
from voiceprints.errors import OUR_FAULT, RecordingNotFound, StorageFailed, TooBusy
from voiceprints.models import Utterance
from voiceprints.pictures import picture_of
from voiceprints.serving import handed_out


@require_safe
def recording(request: HttpRequest, utterance_id: int) -> HttpResponseBase:
    """The sound itself, for whoever may hear it. Another tenant's recording is as unknown as one that never was."""
    utterance = _audible(request, utterance_id)
    try:
        return handed_out(request, utterance)
    except RecordingNotFound:
        raise Http404 from None
    except StorageFailed:
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)


@opens_own_transactions
@require_safe
def picture(request: HttpRequest, utterance_id: int) -> HttpResponse:
    """What a recording looks like, for whoever may hear it."""
    with own_view(request):
        utterance = _audible(request, utterance_id)
    try:
        return JsonResponse(_told(picture_of(utterance)))
    except (RecordingNotFound, AudioError):
        raise Http404 from None
    except (TooBusy, *OUR_FAULT):
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)


def _audible(request: HttpRequest, utterance_id: int) -> Utterance:
    known = own_rows(request, Utterance.all_tenants.select_related("tenant", "speaker__library"))
    utterance: Utterance | None = known.filter(pk=utterance_id).first()
    if utterance is None:
        raise Http404
    refuse_unless(may_listen(request))
    return utterance


def _told(seen: Picture) -> dict[str, Any]:
    parts = {"lows": seen.lows, "highs": seen.highs, "levels": seen.levels}
    return {"bands": seen.bands, **{name: b64encode(part).decode() for name, part in parts.items()}}
