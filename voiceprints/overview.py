"""What the console's home page says about a tenant, or about the whole platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from audio.store import BUNDLED
from tenants.charts import Chart
from tenants.console import may_change
from tenants.metering import STORED_EVERY_SECONDS
from tenants.models import Tenant, UsageDay
from tenants.usage import Period, Usage, usage_of
from voiceprints import attention, wording
from voiceprints.attention import Notice
from voiceprints.calibration import Calibration
from voiceprints.counting import number_of
from voiceprints.library_choice import name_of
from voiceprints.models import EmbeddingModel, Library, Speaker
from voiceprints.queues import Queues, queues_now
from voiceprints.shown import Shown, shown_to
from voiceprints.tenant_sums import Asking, Kept, busiest, kept_by_tenant
from voiceprints.usage_charts import acceptance_percent, charts_of
from voiceprints.usage_reasons import in_words

NEWEST_SHOWN = 5
TENANTS_SHOWN = 10
PERIODS: Final = (7, 30, 90)
"""In days, of which the reader chooses one."""
USUAL_PERIOD: Final = 30


@dataclass(frozen=True)
class Overview:
    shown: Shown
    libraries: int
    closed_tenants: int
    """Whose figures are among those of the platform: what they keep is kept until it is erased."""
    kept: dict[int, Kept]
    """By tenant."""
    newest: QuerySet[Speaker]
    model: EmbeddingModel
    """The tenant's; for platform staff the one that new tenants begin with."""
    calibration: Calibration
    notices: list[Notice]
    usage: Usage
    moment: datetime
    """As of which all this is."""

    @cached_property
    def queues(self) -> Queues | None:
        """None when Redis does not answer."""
        return queues_now()

    @property
    def of_platform(self) -> bool:
        """And not of one tenant."""
        return self.shown.tenant is None

    @cached_property
    def sums(self) -> Kept:
        return sum(self.kept.values(), Kept())

    @cached_property
    def tenants(self) -> list[Asking]:
        return busiest(self.usage.period, self.kept, limit=TENANTS_SHOWN)

    @cached_property
    def newcomers(self) -> list[tuple[Speaker, str]]:
        """The newest speakers, and what their libraries are called."""
        return [(speaker, name_of(speaker.library, self.shown.request)) for speaker in self.newest]

    @property
    def may_begin(self) -> bool:
        """The reader may enroll somebody, and nobody has yet."""
        return may_change(self.shown.request) and not (self.sums.enrolled or self.sums.enrolling)

    @property
    def lacks_tenant(self) -> bool:
        """There is none at all, and so nobody who could have a library."""
        return self.of_platform and not Tenant.objects.exists()

    @property
    def audio(self) -> str:
        return wording.audio(self.sums.audio_seconds)

    @property
    def uncounted_seconds(self) -> float:
        """How long before `moment` a request may have come that is not counted yet."""
        return STORED_EVERY_SECONDS

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
    def reasons(self) -> list[tuple[str, str, int]]:
        """Why something was refused or failed: by the name that the log says, in words, and how often."""
        return [(reason, in_words(reason), count) for reason, count in self.usage.reasons]

    @property
    def acceptance_percent(self) -> float | None:
        return acceptance_percent(self.usage)

    @property
    def model_is_bundled(self) -> bool:
        return self.model.name == BUNDLED.name

    @property
    def calibrating(self) -> str:
        """The command that measures the model."""
        return f"calibrate TRIALS --root FOLDER --model {self.model.name}"


def overview_for(request: HttpRequest) -> Overview:
    """As things are now, in few queries that read little."""
    shown = shown_to(request)
    model, counts = _model_and_counts(shown)
    speakers = shown.rows(Speaker.all_tenants.without_probes())
    return Overview(
        shown=shown,
        libraries=counts["libraries"],
        closed_tenants=counts["closed_tenants"],
        kept=kept_by_tenant(shown),
        newest=speakers.select_related("library__tenant").order_by("-id")[:NEWEST_SHOWN],
        model=model,
        calibration=shown.calibration,
        notices=attention.notices(counts),
        usage=usage_of(shown.rows(UsageDay.all_tenants.all()), period_of(request)),
        moment=timezone.now(),
    )


def _model_and_counts(shown: Shown) -> tuple[EmbeddingModel, dict[str, int]]:
    """What is counted in small tables comes with the model, in one query."""
    closed = shown.of_platform(Tenant.objects.filter(active=False))
    counted = {"libraries": shown.rows(Library.all_tenants.all()), "closed_tenants": closed}
    found = counted | attention.concerns(shown)
    numbers = {name: number_of(rows) for name, rows in found.items() if isinstance(rows, QuerySet)}
    model = EmbeddingModel.objects.annotate(**numbers).get(pk=shown.model)
    counts = {name: getattr(model, name) for name in numbers}
    return model, counts | {name: count for name, count in found.items() if isinstance(count, int)}


def period_of(request: HttpRequest) -> Period:
    chosen = request.GET.get("days", "")
    return Period.until_today(int(chosen) if chosen in map(str, PERIODS) else USUAL_PERIOD)
