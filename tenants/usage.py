"""What was used: rows of `UsageDay` added up for a person, and as CSV for a table or an invoice."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet, Sum
from django.utils import timezone

from tenants.context import acting_as, acting_as_platform
from tenants.latency import STEPS, percentile_ms
from tenants.models import Operation, Tenant, UsageDay

Outcome = UsageDay.Outcome

ORDER: Final = ("day", "operation", "dialect", "outcome", "reason")
ANSWERED: Final = {Outcome.OK, Outcome.ACCEPTED, Outcome.REJECTED}
CSV_COLUMNS: Final = (
    "tenant",
    "day",
    "operation",
    "interface",
    "outcome",
    "reason",
    "count",
    "p50_ms",
    "p95_ms",
)


@dataclass(frozen=True)
class Period:
    """From one day to another, both counted."""

    first: date
    last: date

    @classmethod
    def until_today(cls, days: int) -> Period:
        today = timezone.localdate()
        return cls(today - timedelta(days=days - 1), today)

    @property
    def length(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range(self.length)]

    def of(self, rows: QuerySet[UsageDay]) -> QuerySet[UsageDay]:
        return rows.filter(day__range=(self.first, self.last))


class Kind(NamedTuple):
    """Of a request."""

    day: date
    operation: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class OperationUsage:
    operation: Operation
    answered: int
    refused: int
    failed: int
    latency: Sequence[int]

    @property
    def count(self) -> int:
        return self.answered + self.refused + self.failed

    @property
    def p50_ms(self) -> float | None:
        return percentile_ms(self.latency, 50)

    @property
    def p95_ms(self) -> float | None:
        return percentile_ms(self.latency, 95)


@dataclass(frozen=True)
class Usage:
    """Of a period, of one tenant or of all together."""

    period: Period
    counts: Counter[Kind]
    latencies: dict[tuple[date, str], Sequence[int]]
    """By day and operation."""

    def per_day(self, operations: Iterable[Operation], outcomes: Iterable[str] = Outcome.values) -> list[int]:
        wanted, ended = set(operations), set(outcomes)
        found: Counter[date] = Counter()
        for kind, count in self.counts.items():
            if kind.operation in wanted and kind.outcome in ended:
                found[kind.day] += count
        return [found[day] for day in self.period.days]

    def percentiles_per_day(self, operations: Sequence[Operation], percent: float) -> list[float | None]:
        return [
            percentile_ms(added(self.latencies.get((day, operation), ()) for operation in operations), percent)
            for day in self.period.days
        ]

    @cached_property
    def operations(self) -> list[OperationUsage]:
        """Those that were asked for."""
        by_outcome: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for kind, count in self.counts.items():
            by_outcome[kind.operation][kind.outcome] += count
        return [self._operation(one, by_outcome[one]) for one in Operation if one in by_outcome]

    @cached_property
    def reasons(self) -> list[tuple[str, int]]:
        """Why something was refused or failed, the most frequent first."""
        found: Counter[str] = Counter()
        for kind, count in self.counts.items():
            if kind.reason:
                found[kind.reason] += count
        return found.most_common()

    def _operation(self, operation: Operation, outcomes: Counter[str]) -> OperationUsage:
        latency = added(steps for (_, name), steps in self.latencies.items() if name == operation)
        answered = sum(outcomes[outcome] for outcome in ANSWERED)
        return OperationUsage(operation, answered, outcomes[Outcome.REFUSED], outcomes[Outcome.FAILED], latency)


def added(latencies: Iterable[Sequence[int]]) -> list[int]:
    total = [0] * STEPS
    for latency in latencies:
        for step, count in enumerate(latency):
            total[step] += count
    return total


def usage_of(rows: QuerySet[UsageDay], period: Period) -> Usage:
    """One query, however much there is."""
    steps = {f"step_{step}": Sum(f"latency__{step}") for step in range(STEPS)}
    kinds = period.of(rows).order_by().values_list(*Kind._fields)
    counts: Counter[Kind] = Counter()
    latencies: defaultdict[tuple[date, str], list[Sequence[int]]] = defaultdict(list)
    for day, operation, outcome, reason, count, *latency in kinds.annotate(Sum("count"), **steps):
        counts[Kind(day, operation, outcome, reason)] = count
        latencies[day, operation].append(latency)
    return Usage(period, counts, {day_of: added(each) for day_of, each in latencies.items()})


def as_csv(tenant: Tenant | None, period: Period) -> Iterator[str]:
    """A line for each row of the tenant, or of all; times of requests only, of jobs there are none.

    A portion and a transaction for each day, so that nobody who reads slowly keeps one open.
    """
    yield _lines([CSV_COLUMNS])
    for day in period.days:
        with acting_as(tenant) if tenant else acting_as_platform():
            rows = UsageDay.all_tenants.filter(day=day, **{"tenant": tenant} if tenant else {})
            found = list(rows.order_by("tenant__slug", *ORDER).values_list("tenant__slug", *ORDER, "count", "latency"))
        yield _lines(
            [*said, *(_rounded(percentile_ms(latency, percent)) for percent in (50, 95))] for *said, latency in found
        )


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _rounded(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.0f}"
