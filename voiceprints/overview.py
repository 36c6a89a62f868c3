"""What the console's home page says about a tenant, or about the whole platform."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest

from audio.store import BUNDLED
from tenants.console import membership_of, own_rows
from tenants.services import default_model
from voiceprints.calibration import QUOTED_FALSE_ACCEPT_RATE, Calibration
from voiceprints.decisions import calibration_in_force
from voiceprints.models import EmbeddingModel, Library, Speaker, Utterance

HOUR_SECONDS = 3600
NEWEST_SHOWN = 5


@dataclass(frozen=True)
class Overview:
    libraries: int
    enrolled: int
    enrolling: int
    recordings: int
    audio_seconds: float
    newest: QuerySet[Speaker]
    model: EmbeddingModel
    """The tenant's; for platform staff the one that new tenants begin with."""
    calibration: Calibration

    @property
    def audio_hours(self) -> float:
        return self.audio_seconds / HOUR_SECONDS

    @property
    def model_is_bundled(self) -> bool:
        return self.model.name == BUNDLED.name

    @property
    def equal_error_percent(self) -> float | None:
        """None for a model that nobody measured."""
        known = self.calibration.provenance
        return 100 * known.eer if known else None

    @property
    def false_reject_percent(self) -> float | None:
        """Where one stranger in a hundred gets in."""
        rate = self.calibration.frr_at(QUOTED_FALSE_ACCEPT_RATE)
        return None if rate is None else 100 * rate


def overview_for(request: HttpRequest) -> Overview:
    speakers = own_rows(request, Speaker.all_tenants.all())
    enrolled = Count("pk", filter=Q(status=Speaker.Status.ENROLLED))
    enrolling = Count("pk", filter=Q(status=Speaker.Status.ENROLLING))
    kept = own_rows(request, Utterance.all_tenants.all()).aggregate(
        recordings=Count("pk"), audio_seconds=Sum("duration_seconds", default=0.0)
    )
    model = _model_of(request)
    return Overview(
        libraries=own_rows(request, Library.all_tenants.all()).count(),
        **speakers.aggregate(enrolled=enrolled, enrolling=enrolling),
        **kept,
        newest=speakers.select_related("library").order_by("-created", "-id")[:NEWEST_SHOWN],
        model=EmbeddingModel.objects.get(pk=model),
        calibration=calibration_in_force(model),
    )


def _model_of(request: HttpRequest) -> str:
    membership = membership_of(request)
    return membership.tenant.model if membership else default_model()
