"""How much was used, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from tenants.charts import Chart, Colour, Kind, Series
from tenants.models import Operation, UsageDay
from tenants.usage import ANSWERED, Usage

RECOGNITION: Final = (Operation.VERIFY, Operation.IDENTIFY)
TIMED: Final = (Operation.ENROLL, *RECOGNITION)


def charts_of(usage: Usage) -> list[Chart]:
    return [_answered(usage), _verdicts(usage), _times(usage)]


def acceptance_percent(usage: Usage) -> float | None:
    """Of those who were compared with somebody; None when nobody was."""
    accepted, rejected = (sum(usage.per_day(RECOGNITION, [verdict])) for verdict in _VERDICTS)
    return 100 * accepted / (accepted + rejected) if accepted + rejected else None


_VERDICTS: Final = (UsageDay.Outcome.ACCEPTED, UsageDay.Outcome.REJECTED)


def _answered(usage: Usage) -> Chart:
    lines = (
        (_("Enrollments"), Operation.ENROLL, Colour.GREEN),
        (_("Verifications"), Operation.VERIFY, Colour.BLUE),
        (_("Identifications"), Operation.IDENTIFY, Colour.ORANGE),
    )
    series = [Series(label, usage.per_day([one], ANSWERED), colour) for label, one, colour in lines]
    return _by_day(usage, "answered", _("Enrolled, verified, identified"), series, kind=Kind.BAR)


def _verdicts(usage: Usage) -> Chart:
    lines = ((_("accepted"), Colour.BLUE), (_("rejected"), Colour.ORANGE))
    series = [
        Series(label, usage.per_day(RECOGNITION, [verdict]), colour)
        for (label, colour), verdict in zip(lines, _VERDICTS, strict=True)
    ]
    return _by_day(usage, "verdicts", _("Accepted and rejected"), series, kind=Kind.BAR)


def _times(usage: Usage) -> Chart:
    lines = ((_("half of them"), 50, Colour.BLUE), (_("95 of 100"), 95, Colour.ORANGE))
    series = [
        Series(label, _rounded(usage.percentiles_per_day(TIMED, percent)), colour) for label, percent, colour in lines
    ]
    return _by_day(usage, "times", _("Answered within"), series, kind=Kind.LINE, unit="ms")


def _by_day(usage: Usage, name: str, title: str, series: list[Series], *, kind: Kind, unit: str = "") -> Chart:
    days = [date_format(day, "MONTH_DAY_FORMAT") for day in usage.period.days]
    return Chart(name, title, _("Day"), days, series, kind, stacked=kind is Kind.BAR, unit=unit, digits=0)


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value) for value in values]
