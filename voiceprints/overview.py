"""What the console's home page says about a tenant, or about the whole platform."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest

from audio.store import BUNDLED
from tenants.charts import Chart
from tenants.console import is_platform_staff, membership_of, own_rows
from tenants.models import UsageDay
from tenants.services import default_model
from tenants.usage import Period, Usage, usage_of
from voiceprints import attention
from voiceprints.attention import Notice
from voiceprints.calibration import QUOTED_FALSE_ACCEPT_RATE, Calibration
from voiceprints.counting import number_of
from voiceprints.decisions import calibration_in_force
from voiceprints.models import EmbeddingModel, Library, Speaker, Utterance
from voiceprints.queues import Queues, queues_now
from voiceprints.usage_charts import acceptance_percent, charts_of

HOUR_SECONDS = 3600
NEWEST_SHOWN = 5
PERIODS: Final = (7, 30, 90)
"""In days, of which the reader chooses one."""
USUAL_PERIOD: Final = 30


@dataclass(frozen=True)
class Overview:
    libraries: int
    enrolled: int
    enrolling: int
    recordings: int
    audio_seconds: float
    stored_bytes: int
    newest: QuerySet[Speaker]
    model: EmbeddingModel
    """The tenant's; for platform staff the one that new tenants begin with."""
    calibration: Calibration
    notices: list[Notice]
    usage: Usage
    sees_queues: bool

    @cached_property
    def queues(self) -> Queues | None:
        """None when Redis does not answer."""
        return queues_now()

    @property
    def audio_hours(self) -> float:
        return self.audio_seconds / HOUR_SECONDS

    @property
    def days(self) -> int:
        return self.usage.period.length

    @property
    def periods(self) -> tuple[int, ...]:
        return PERIODS

    @cached_property
    def charts(self) -> list[Chart]:
        return charts_of(self.usage)

    @property
    def acceptance_percent(self) -> float | None:
        return acceptance_percent(self.usage)

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
    """As things are now: few queries, of which the sums over speakers and utterances take most of the time."""
    speakers = own_rows(request, Speaker.all_tenants.all())
    model, counts = _model_and_counts(request)
    calibration = calibration_in_force(model.name)
    enrollments = speakers.aggregate(
        enrolled=Count("pk", filter=Q(status=Speaker.Status.ENROLLED)),
        enrolling=Count("pk", filter=Q(status=Speaker.Status.ENROLLING)),
        unfinished=attention.unfinished(),
    )
    counts |= {"unfinished": enrollments.pop("unfinished"), "uncalibrated": int(calibration.provisional)}
    return Overview(
        libraries=counts["libraries"],
        **enrollments,
        **_kept(request),
        newest=speakers.select_related("library").order_by("-created", "-id")[:NEWEST_SHOWN],
        model=model,
        calibration=calibration,
        notices=attention.notices(counts),
        usage=usage_of(own_rows(request, UsageDay.all_tenants.all()), period_of(request)),
        sees_queues=is_platform_staff(request),
    )


def _model_and_counts(request: HttpRequest) -> tuple[EmbeddingModel, dict[str, int]]:
    """What is counted in small tables comes with the model, in one query."""
    rows = {"libraries": own_rows(request, Library.all_tenants.all()), **attention.rows_of_concern(request)}
    numbers = {name: number_of(counted) for name, counted in rows.items()}
    model = EmbeddingModel.objects.annotate(**numbers).get(pk=_model_of(request))
    return model, {name: getattr(model, name) for name in rows}


def _kept(request: HttpRequest) -> dict[str, Any]:
    return own_rows(request, Utterance.all_tenants.all()).aggregate(
        recordings=Count("pk"),
        audio_seconds=Sum("duration_seconds", default=0.0),
        stored_bytes=Sum("size_bytes", default=0),
    )


def _model_of(request: HttpRequest) -> str:
    membership = membership_of(request)
    return membership.tenant.model if membership else default_model()


def period_of(request: HttpRequest) -> Period:
    chosen = request.GET.get("days", "")
    return Period.until_today(int(chosen) if chosen in map(str, PERIODS) else USUAL_PERIOD)
