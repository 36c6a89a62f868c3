"""A vendor's scores out of ours."""

from __future__ import annotations

from dataclasses import dataclass

from voiceprints.results import Scored


@dataclass(frozen=True)
class ScoreScale:
    """A vendor's scores: ours, bent so that the decision point its clients know lies where our threshold lies.

    Rounding never carries a score over that point. `inclusive` vendors accept the point itself, the others what is
    greater.
    """

    lowest: float
    decision: float
    highest: float
    inclusive: bool = True
    decimals: int = 2

    def of(self, scored: Scored) -> float:
        rounded = round(self._exact(scored.calibrated), self.decimals)
        step = 10.0**-self.decimals
        if scored.accepted:
            return round(max(rounded, self.decision if self.inclusive else self.decision + step), self.decimals)
        return round(min(rounded, self.decision - step if self.inclusive else self.decision), self.decimals)

    def _exact(self, calibrated: float) -> float:
        if calibrated < 0.5:
            return self.lowest + (self.decision - self.lowest) * 2 * calibrated
        return self.decision + (self.highest - self.decision) * (2 * calibrated - 1)
