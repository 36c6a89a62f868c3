"""An evaluation in words and in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from audio.batch import Outcome
from voiceprints.cohorts import Cohort
from voiceprints.evaluation import (
    Interval,
    MeasuredPoint,
    ScoredTrials,
    det_curve,
    equal_error_interval,
    error_table,
)
from voiceprints.trials import Comparisons, TrialList, refused

TARGET_PRIORS: Final = (0.01, 0.001)


@dataclass(frozen=True)
class Figures:
    """What scores are worth."""

    equal_error_rate: float
    equal_error_interval: Interval
    equal_error_threshold: float
    min_dcf: dict[float, float]
    table: list[MeasuredPoint]

    @classmethod
    def of(cls, scored: ScoredTrials) -> Figures:
        curve = det_curve(scored)
        equal = curve.equal_error()
        costs = {prior: curve.min_dcf(prior) for prior in TARGET_PRIORS}
        return cls(equal.rate, equal_error_interval(scored), equal.threshold, costs, error_table(scored))

    def as_json(self) -> dict[str, Any]:
        return {
            "eer": self.equal_error_rate,
            "eer_interval": self.equal_error_interval,
            "eer_threshold": self.equal_error_threshold,
            "min_dcf": {f"{prior:g}": cost for prior, cost in self.min_dcf.items()},
            "error_rates": [
                {
                    "threshold": row.point.threshold,
                    "far": row.point.far,
                    "far_interval": row.far_interval,
                    "frr": row.point.frr,
                    "frr_interval": row.frr_interval,
                }
                for row in self.table
            ],
        }

    def as_lines(self) -> list[str]:
        costs = ", ".join(f"{cost:.3f} at a prior of {prior:g}" for prior, cost in self.min_dcf.items())
        equal = f"{self.equal_error_rate:.2%} {_shown(self.equal_error_interval)}"
        return [
            f"EER     {equal} at a threshold of {self.equal_error_threshold:.3f}",
            f"minDCF  {costs}",
            "",
            "accept from   false accepts            false rejects",
            *(
                f"{row.point.threshold:11.3f}   {row.point.far:6.2%} {_shown(row.far_interval):17} "
                f"{row.point.frr:6.2%} {_shown(row.frr_interval)}"
                # Few impostors show few rates, and each once is enough.
                for row in dict.fromkeys(self.table)
            ),
        ]


@dataclass(frozen=True)
class Evaluation:
    """A model on a list of trials."""

    model: str
    trials: TrialList
    outcomes: Mapping[str, Outcome]
    failed: int
    scored: ScoredTrials
    figures: Figures
    cohort: Cohort | None
    as_norm: Figures | None
    """With the scores normalised by the cohort, if there is one."""

    @classmethod
    def of(
        cls,
        trials: TrialList,
        outcomes: Mapping[str, Outcome],
        comparisons: Comparisons,
        *,
        model: str,
        cohort: Cohort | None,
    ) -> Evaluation:
        """Raises ClassMissing, CohortRefused."""
        scored = comparisons.scored(comparisons.cosines)
        as_norm = Figures.of(comparisons.scored(cohort.normalise(comparisons))) if cohort else None
        return cls(model, trials, outcomes, comparisons.failed, scored, Figures.of(scored), cohort, as_norm)

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "trials": self.trials.name,
            "trials_sha256": self.trials.sha256,
            "targets": self.scored.targets,
            "impostors": self.scored.impostors,
            "failed": self.failed,
            "recordings": len(self.trials.recordings),
            "speakers": self.trials.speaker_count,
            "refused": [
                {"recording": name, "reason": why.reason, "detail": why.detail}
                for name, why in refused(self.outcomes).items()
            ],
            **self.figures.as_json(),
            **({"as_norm": self.as_norm.as_json()} if self.as_norm else {}),
        }

    def as_text(self) -> str:
        drawn = (
            "trials drawn as if independent"
            if not self.trials.speaker_count
            else f"{self.trials.speaker_count} speakers drawn anew"
        )
        return "\n".join(
            [
                f"{self.model} on {self.trials.name}: {self.scored.targets} targets, {self.scored.impostors} impostors,"
                f" {self.failed} failed; {len(self.trials.recordings)} recordings",
                *_reasons(self.outcomes),
                "",
                *self.figures.as_lines(),
                *self._normalised_lines(),
                "",
                f"In brackets: 95 % confidence, {drawn}.",
            ]
        )

    def _normalised_lines(self) -> list[str]:
        if not self.as_norm or not self.cohort:
            return []
        return ["", f"Normalised by a cohort of {len(self.cohort.embeddings)} voices:", *self.as_norm.as_lines()]


def _reasons(outcomes: Mapping[str, Outcome]) -> list[str]:
    """How many recordings were refused for each reason, with one as an example."""
    unheard = refused(outcomes)
    counts = Counter(why.reason for why in unheard.values())
    example = {why.reason: f"{name}: {why.detail}" for name, why in reversed(unheard.items())}
    return [f"  {count} × {reason}, such as {example[reason]}" for reason, count in counts.most_common()]


def _shown(interval: Interval) -> str:
    low, high = interval
    return f"({low:.2%} – {high:.2%})"
