"""From a raw cosine, and how much speech there was on both sides, to the evidence that both sides are one speaker.

The evidence is a log-likelihood ratio (LLR), natural logarithm: how much likelier the cosine is of one speaker than of
two, whatever the odds were before. Pure numpy; the logistic regression of Brümmer et al., 2007.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voiceprints.evaluation import ClassMissing, Figures, Labels, ScoredTrials, cllr, det_curve

# Speech beyond makes a voiceprint no better; below there is nothing anybody would have measured.
MOST_SPEECH_SECONDS: Final = 10.0
LEAST_SPEECH_SECONDS: Final = 0.5

FALSE_ACCEPT_RATES: Final = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
# A rate is taken as measured when so many impostors at least should have got in.
LEAST_FALSE_ACCEPTS: Final = 5
LEAST_TRIALS_OF_A_KIND: Final = 30

# Keeps the weights finite where a cosine separates all trials, and changes nothing to speak of where it does not.
RIDGE: Final = 1e-6
MOST_STEPS: Final = 100
HALVINGS: Final = 20
QUOTED_FALSE_ACCEPT_RATE: Final = 0.01
# Outside lies no cosine, and a threshold of 1 would leave nothing to accept.
EXTREME_THRESHOLD: Final = 0.9999


class CalibrationRefused(ValueError):
    """Trials that no calibration can be learned from, or a record that is none."""


def speech_feature(seconds: float) -> float:
    """What a side's speech adds to the regression: its logarithm, between two bounds."""
    return math.log(min(max(seconds, LEAST_SPEECH_SECONDS), MOST_SPEECH_SECONDS))


@dataclass(frozen=True)
class Weights:
    """LLR = offset + cosine × the cosine + speech × (the features of both sides' speech)."""

    offset: float
    cosine: float
    speech: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(weight) for weight in (self.offset, self.cosine, self.speech)):
            raise CalibrationRefused("a weight is no finite number")
        if self.cosine <= 0:
            raise CalibrationRefused(f"a higher cosine would count against one speaker: weight {self.cosine:g}")

    def llr(self, cosine: float, enrolled_seconds: float, probe_seconds: float) -> float:
        said = speech_feature(enrolled_seconds) + speech_feature(probe_seconds)
        return self.offset + self.cosine * cosine + self.speech * said

    def bar_at(self, llr: float, probe_seconds: float) -> Bar:
        """The cosines that amount to this evidence."""
        base = (llr - self.offset - self.speech * speech_feature(probe_seconds)) / self.cosine
        return Bar(base, -self.speech / self.cosine)


@dataclass(frozen=True)
class Bar:
    """The threshold of comparing one probe, as a straight line over the logarithm of the other side's speech."""

    base: float
    per_log_second: float

    def threshold(self, enrolled_seconds: float) -> float:
        exact = self.base + self.per_log_second * speech_feature(enrolled_seconds)
        return min(max(exact, -EXTREME_THRESHOLD), EXTREME_THRESHOLD)


@dataclass(frozen=True)
class OperatingPoint:
    """The evidence that keeps false accepts at a rate, and the false rejects it costs; `frr` None where unmeasured."""

    far: float
    llr: float
    frr: float | None
    measured: bool


@dataclass(frozen=True)
class Quality:
    """What scores are worth: the figures that a calibration is judged by, as fractions; `cllr` in bits."""

    eer: float
    cllr: float
    frr: float
    """At a false accept rate of 1 %."""


@dataclass(frozen=True)
class Quoted:
    """How often a model errs, as fractions, the same wherever it is told; `frr` at a false accept rate of 1 %."""

    eer: float
    frr: float | None
    held_out: bool

    @property
    def eer_percent(self) -> float:
        return 100 * self.eer

    @property
    def frr_percent(self) -> float | None:
        return None if self.frr is None else 100 * self.frr


@dataclass(frozen=True)
class Provenance:
    """Where a calibration comes from. `cosine_alone` and `with_speech` were measured on speakers held out."""

    data: str
    """What the recordings are, in words."""
    trials: str
    trials_sha256: str
    targets: int
    impostors: int
    failed: int
    speakers: int | None
    date: str
    version: str
    eer: float
    """Of the evidence, on the very trials that were learned from."""
    eer_of_cosine: float
    cllr: float
    cosine_alone: Quality | None
    with_speech: Quality | None
    weights_sha256: str = ""
    """Of the model's file, "" where nobody noted it."""


@dataclass(frozen=True)
class Calibration:
    """How one model's cosines are read. Without a provenance it is provisional: nobody measured anything.

    `points` go from lax to strict, by falling `far` and rising `llr`.
    """

    model: str
    weights: Weights
    points: tuple[OperatingPoint, ...]
    provenance: Provenance | None

    def __post_init__(self) -> None:
        if not self.points:
            raise CalibrationRefused("no operating points")
        for laxer, stricter in zip(self.points, self.points[1:], strict=False):
            if not (laxer.far > stricter.far > 0 and laxer.llr <= stricter.llr):
                raise CalibrationRefused("the operating points are in no order")

    @property
    def provisional(self) -> bool:
        return self.provenance is None

    @property
    def held_out(self) -> Quality | None:
        """How it does on speakers that it was not learned from, by what it looks at; None where that is not known."""
        if self.provenance is None:
            return None
        return self.provenance.with_speech if self.weights.speech else self.provenance.cosine_alone

    @property
    def quoted(self) -> Quoted | None:
        """What is told in few words: of speakers held out where there were enough, else of the trials themselves."""
        known, held_out = self.provenance, self.held_out
        if known is None:
            return None
        if held_out:
            return Quoted(held_out.eer, held_out.frr, held_out=True)
        return Quoted(known.eer, self.frr_at(QUOTED_FALSE_ACCEPT_RATE), held_out=False)

    def is_of(self, weights_sha256: str) -> bool:
        """As far as both are known: another file under the same name has other cosines."""
        measured = self.provenance.weights_sha256 if self.provenance else ""
        return not measured or not weights_sha256 or measured == weights_sha256

    def llr_at(self, far: float) -> float:
        """The evidence to ask for, so that no more than this share of impostors gets in.

        Between two points on the straight line over the logarithm of the rate, beyond them as `_beyond` says.
        """
        laxest, strictest = self.points[0], self.points[-1]
        if far <= strictest.far:
            return _beyond(strictest, far)
        if far >= laxest.far:
            return laxest.llr
        fars, llrs = [-math.log(point.far) for point in self.points], [point.llr for point in self.points]
        return float(np.interp(-math.log(far), fars, llrs))

    def bar(self, far: float, probe_seconds: float) -> Bar:
        """The raw cosines from which on comparisons with one probe are accepted at this rate."""
        return self.weights.bar_at(self.llr_at(far), probe_seconds)

    def threshold(self, far: float, enrolled_seconds: float, probe_seconds: float) -> float:
        """The raw cosine from which on one comparison is accepted at this rate."""
        return self.bar(far, probe_seconds).threshold(enrolled_seconds)

    def frr_at(self, far: float) -> float | None:
        """What the next stricter rate that was measured costs; None where none was."""
        return next((point.frr for point in self.points if point.far <= far * (1 + 1e-9)), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "weights": asdict(self.weights),
            "operating_points": [asdict(point) for point in self.points],
            "provenance": asdict(self.provenance) if self.provenance else None,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Calibration:
        """Raises CalibrationRefused."""
        try:
            return cls(
                model=str(record["model"]),
                weights=Weights(**record["weights"]),
                points=tuple(OperatingPoint(**point) for point in record["operating_points"]),
                provenance=_provenance(record["provenance"]),
            )
        except (KeyError, TypeError) as error:
            raise CalibrationRefused(f"no calibration: {error}") from None


@dataclass(frozen=True)
class Trials:
    """What a calibration is learned from: a row per trial; `speakers`, shape (n, 2), where they are known."""

    cosines: Figures
    enrolled_seconds: Figures
    probe_seconds: Figures
    same: Labels
    speakers: NDArray[np.int64] | None

    def scored(self, scores: Figures) -> ScoredTrials:
        """Raises ClassMissing."""
        return ScoredTrials(scores, self.same, self.speakers)

    def of(self, chosen: Labels) -> Trials:
        return Trials(
            self.cosines[chosen], self.enrolled_seconds[chosen], self.probe_seconds[chosen], self.same[chosen], None
        )

    def llrs(self, weights: Weights) -> Figures:
        return np.asarray(self._inputs(speech=True) @ np.array([weights.offset, weights.cosine, weights.speech]))

    def fitted(self, *, speech: bool) -> Weights:
        """Raises CalibrationRefused."""
        found = _logistic_regression(self._inputs(speech=speech), self.same)
        return Weights(*(float(weight) for weight in found), *([] if speech else [0.0]))

    def _inputs(self, *, speech: bool) -> Figures:
        columns = [np.ones(len(self.same)), self.cosines]
        return np.stack([*columns, self._speech] if speech else columns, axis=1)

    @cached_property
    def _speech(self) -> Figures:
        bounds = LEAST_SPEECH_SECONDS, MOST_SPEECH_SECONDS
        return np.asarray(
            np.log(np.clip(self.enrolled_seconds, *bounds)) + np.log(np.clip(self.probe_seconds, *bounds))
        )


@dataclass(frozen=True)
class Fit:
    """Weights learned from trials, and what held-out speakers said of both ways to learn them.

    `cosine_alone` and `with_speech` are None where speakers are unknown or too few.
    """

    weights: Weights
    points: tuple[OperatingPoint, ...]
    cosine_alone: Quality | None
    with_speech: Quality | None


def fit(trials: Trials) -> Fit:
    """The speech of both sides counts only if it made the evidence about held-out speakers better.

    Raises CalibrationRefused for too few trials, or cosines that say nothing.
    """
    counts = int(trials.same.sum()), int((~trials.same).sum())
    if min(counts) < LEAST_TRIALS_OF_A_KIND:
        raise CalibrationRefused(
            f"{counts[0]} same-speaker and {counts[1]} different-speaker trials: "
            f"at least {LEAST_TRIALS_OF_A_KIND} of each are needed"
        )
    alone, speech = held_out(trials, speech=False), held_out(trials, speech=True)
    helps = alone is not None and speech is not None and speech.cllr < alone.cllr
    weights = trials.fitted(speech=helps)
    return Fit(weights, operating_points(trials.scored(trials.llrs(weights))), alone, speech)


def held_out(trials: Trials, *, speech: bool) -> Quality | None:
    """Learned from half of the speakers and measured on the others, the mean of many such halvings."""
    if trials.speakers is None:
        return None
    count = int(trials.speakers.max()) + 1
    generator = np.random.default_rng(0)
    found: list[Quality] = []
    for _ in range(HALVINGS):
        half = np.zeros(count, dtype=np.bool_)
        half[generator.permutation(count)[: count // 2]] = True
        for learning in (half, ~half):
            found.extend(_judged(trials, learning[trials.speakers], speech=speech))
    return _mean(found) if found else None


def operating_points(llrs: ScoredTrials) -> tuple[OperatingPoint, ...]:
    """For each of the usual rates; for those too small to be seen in so few impostors, as `_beyond` says."""
    curve = det_curve(llrs)
    points: list[OperatingPoint] = []
    for far in FALSE_ACCEPT_RATES:
        if far * llrs.impostors >= LEAST_FALSE_ACCEPTS:
            found = curve.at_far(far)
            points.append(OperatingPoint(far, found.threshold, found.frr, measured=True))
        else:
            llr = _beyond(points[-1], far) if points else -math.log(far)
            points.append(OperatingPoint(far, llr, curve.at(llr).frr, measured=False))
    return tuple(points)


def quality(llrs: ScoredTrials) -> Quality:
    curve = det_curve(llrs)
    return Quality(curve.equal_error().rate, cllr(llrs), curve.at_far(QUOTED_FALSE_ACCEPT_RATE).frr)


def figures_of(fit: Fit, trials: Trials) -> dict[str, Any]:
    """Those of a provenance that the very trials tell which were learned from. Raises ClassMissing."""
    of_cosine = quality(trials.scored(trials.cosines))
    of_evidence = quality(trials.scored(trials.llrs(fit.weights)))
    return {
        "targets": int(trials.same.sum()),
        "impostors": int((~trials.same).sum()),
        "eer": of_evidence.eer,
        "eer_of_cosine": of_cosine.eer,
        "cllr": of_evidence.cllr,
        "cosine_alone": fit.cosine_alone,
        "with_speech": fit.with_speech,
    }


def probability(llr: float, prior: float) -> float:
    """That both sides are one speaker, when it was this likely before anybody listened."""
    return 1 / (1 + math.exp(-llr) * (1 - prior) / prior)


def provisional(model: str) -> Calibration:
    """For a model that nobody calibrated, on the safe side for those whose impostors average near 0.

    It accepts from a cosine of 0.5 on at a rate of 1 %.
    """
    points = tuple(
        OperatingPoint(far, 2 + math.log(QUOTED_FALSE_ACCEPT_RATE / far), None, measured=False)
        for far in FALSE_ACCEPT_RATES
    )
    return Calibration(model, Weights(offset=-8.0, cosine=20.0, speech=0.0), points, provenance=None)


def _beyond(point: OperatingPoint, far: float) -> float:
    """A rate that is e times smaller asks for one more unit of evidence.

    Where targets are as frequent at one LLR as at the next, impostors must be e times rarer there: that is what a
    likelihood ratio says. It held within 2 % down to 0.0001 where it could be measured, see docs/models.md.
    """
    return point.llr + math.log(point.far / far)


def _judged(trials: Trials, learning: Labels, *, speech: bool) -> list[Quality]:
    """`learning`, shape (n, 2), says whose of a trial's speakers are learned from. Nothing where a half is too poor."""
    one, other = learning[:, 0], learning[:, 1]
    learned, judged = trials.of(one & other), trials.of(~one & ~other)
    try:
        weights = learned.fitted(speech=speech)
        return [quality(judged.scored(judged.llrs(weights)))]
    except (ClassMissing, CalibrationRefused):
        return []


def _mean(found: Sequence[Quality]) -> Quality:
    figures = np.array([[one.eer, one.cllr, one.frr] for one in found]).mean(axis=0)
    return Quality(*(float(figure) for figure in figures))


def _provenance(record: Mapping[str, Any] | None) -> Provenance | None:
    if record is None:
        return None
    judged = {
        name: Quality(**record[name]) if record[name] is not None else None for name in ("cosine_alone", "with_speech")
    }
    return Provenance(**{**record, **judged})


def _logistic_regression(inputs: Figures, same: Labels) -> Figures:
    """Newton's method; both kinds of trials weigh the same, so the log-odds are log-likelihood ratios.

    The first column of `inputs` is 1. Raises CalibrationRefused when one kind is missing or nothing converges.
    """
    if same.all() or not same.any():
        raise CalibrationRefused("one kind of trials is missing")
    middle, spread = inputs.mean(axis=0), inputs.std(axis=0)
    middle[0], spread[0] = 0.0, 1.0
    spread[spread == 0] = 1.0
    standard = (inputs - middle) / spread
    weigh = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    ridge = RIDGE * np.diag([0.0, *[1.0] * (inputs.shape[1] - 1)])
    sign = np.where(same, 1.0, -1.0)

    def cost(weights: Figures) -> float:
        return float(weigh @ np.logaddexp(0, -sign * (standard @ weights)) + weights @ ridge @ weights / 2)

    weights = np.zeros(inputs.shape[1])
    for _ in range(MOST_STEPS):
        chance = 1 / (1 + np.exp(-standard @ weights))
        slope = standard.T @ (weigh * (chance - same)) + ridge @ weights
        curvature = (standard * (weigh * chance * (1 - chance))[:, None]).T @ standard + ridge
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]
        while np.abs(step).max() > 1e-10 and cost(weights - step) > cost(weights):
            step = step / 2
        weights = weights - step
        if np.abs(step).max() <= 1e-10:
            break
    else:
        raise CalibrationRefused("no weights fit the trials")
    unscaled = weights / spread
    unscaled[0] -= (unscaled * middle).sum()
    return np.asarray(unscaled)
