"""Console-only views."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from tenants.console import may_listen, own_rows, refuse_unless
from voiceprints.errors import RecordingNotFound, StorageFailed
from voiceprints.models import Utterance
from voiceprints.serving import handed_out


@require_safe
def recording(request: HttpRequest, utterance_id: int) -> HttpResponseBase:
    """The sound itself, for whoever may hear it. Another tenant's recording is as unknown as one that never was."""
    known = own_rows(request, Utterance.all_tenants.select_related("tenant", "speaker__library"))
    utterance = known.filter(pk=utterance_id).first()
    if utterance is None:
        raise Http404
    refuse_unless(may_listen(request))
    try:
        return handed_out(request, utterance)
    except RecordingNotFound:
        raise Http404 from None
    except StorageFailed:
        return HttpResponse(status=503)
