"""What a false accept rate asks for and what was measured of it, told in people.

The rate is what the calibration aims at. What a tenant's own recordings show beside it may be another one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from django.utils.formats import localize
from django.utils.translation import gettext as _

from voiceprints.evaluation import Interval, MeasuredPoint

BASES: Final = (1000, 10_000, 100_000)
LEAST_WANTED: Final = 10
"""So that a few more or fewer show."""


@dataclass(frozen=True)
class Count:
    """A measured rate as so many of `base`; its interval is rounded outwards, which claims no more than is known."""

    base: int
    count: int
    low: int
    high: int

    def words(self) -> dict[str, str]:
        return {name: str(localize(value)) for name, value in vars(self).items()}


def base_of(far: float) -> int:
    """The smallest crowd in which a rate asks for ten strangers or more."""
    return next((base for base in BASES if round(far * base, 6) >= LEAST_WANTED), BASES[-1])


def count_of(rate: float, interval: Interval, base: int) -> Count:
    low, high = interval
    return Count(base, round(rate * base), math.floor(low * base), math.ceil(high * base))


def wanted(far: float) -> str:
    base = base_of(far)
    said = {"base": localize(base), "count": localize(round(far * base))}
    return _("Wanted: of %(base)s strangers %(count)s may get in.") % said


def let_in(measured: MeasuredPoint | None, far: float) -> str:
    if measured is None:
        return _("On this tenant's recordings nobody measured it yet.")
    return (
        _("Measured: of %(base)s strangers %(count)s (%(low)s to %(high)s) got in.") % _strangers(measured, far).words()
    )


def turned_away(measured: MeasuredPoint) -> str:
    found = count_of(measured.point.frr, measured.frr_interval, BASES[0])
    said = _("Measured: of %(base)s recordings of the right speaker %(count)s (%(low)s to %(high)s) were turned away.")
    return said % found.words()


def turned_away_elsewhere(frr: float | None) -> str:
    """On the recordings that the calibration was learned from, where it was measured there."""
    if frr is None:
        return _("Nobody measured how many recordings of the right speaker it turns away.")
    said = {"base": localize(BASES[0]), "count": localize(round(frr * BASES[0]))}
    return (
        _("Where the threshold was learned, of %(base)s recordings of the right speaker %(count)s were turned away.")
        % said
    )


def excess(measured: MeasuredPoint | None, far: float) -> str:
    """ "" where it may be chance."""
    if measured is None or _strangers(measured, far).low <= round(far * base_of(far), 6):
        return ""
    return _("More strangers got in than wanted, and chance hardly explains it.")


def shortfall(measured: MeasuredPoint | None, far: float) -> str:
    """ "" where it may be chance."""
    if measured is None or _strangers(measured, far).high >= round(far * base_of(far), 6):
        return ""
    return _(
        "Fewer strangers got in than wanted, and chance hardly explains it: "
        "more recordings of the right speaker are turned away than need be."
    )


def _strangers(measured: MeasuredPoint, far: float) -> Count:
    return count_of(measured.point.far, measured.far_interval, base_of(far))
