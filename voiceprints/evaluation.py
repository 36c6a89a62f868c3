"""How well scores tell same-speaker trials (targets) from different-speaker trials (impostors). Pure numpy.

The words are the field's: FAR, the share of impostors accepted; FRR, the share of targets rejected. A trial is accepted
when its score lies at or above the threshold, so equal scores always share their fate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Figures = NDArray[np.float64]
Labels = NDArray[np.bool_]
Interval = tuple[float, float]

TABLE_FALSE_ACCEPT_RATES: Final = (0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
BOOTSTRAP_ROUNDS: Final = 1000
# So many thresholds, each between as many trials, place a rate of another crowd to a fraction of its interval.
BOOTSTRAP_THRESHOLDS: Final = 500
CONFIDENCE: Final = 0.95
# The normal quantile that leaves 2.5 % on either side.
Z: Final = 1.959963984540054


class ClassMissing(ValueError):
    """Error rates need both kinds of trials: there are `targets` of one and `impostors` of the other."""

    def __init__(self, *, targets: int, impostors: int) -> None:
        self.targets, self.impostors = targets, impostors
        super().__init__(f"{targets} same-speaker and {impostors} different-speaker trials: both kinds are needed")


@dataclass(frozen=True)
class ScoredTrials:
    """Scores of shape (n,), and which trials are of one speaker.

    `speakers`, shape (n, 2), numbers the two speakers of each trial from 0, where they are known. Raises ClassMissing,
    and ValueError for a score that is no number.
    """

    scores: Figures
    same: Labels
    speakers: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.scores).all():
            raise ValueError("a score is no finite number")
        if self.targets == 0 or self.impostors == 0:
            raise ClassMissing(targets=self.targets, impostors=self.impostors)

    @property
    def targets(self) -> int:
        return int(self.same.sum())

    @property
    def impostors(self) -> int:
        return int(len(self.same) - self.same.sum())


@dataclass(frozen=True)
class OperatingPoint:
    """What accepting at or above a threshold costs."""

    threshold: float
    far: float
    frr: float


@dataclass(frozen=True)
class EqualError:
    rate: float
    threshold: float


@dataclass(frozen=True)
class DetCurve:
    """FAR and FRR at every threshold that makes a difference, ascending; the last rejects everything.

    Of many crowds both have shape (crowds, thresholds), and what is asked of all at once has as many rows.
    """

    thresholds: Figures
    far: Figures
    frr: Figures

    def equal_error(self) -> EqualError:
        """Where FAR and FRR meet, on the straight line between the two points that enclose the meeting."""
        before, part, rate = self._meeting()
        threshold = self.thresholds[before] + part * (self.thresholds[before + 1] - self.thresholds[before])
        return EqualError(float(rate), float(threshold))

    def equal_error_rates(self) -> Figures:
        """Of each crowd."""
        _, _, rates = self._meeting()
        return rates

    def _meeting(self) -> tuple[NDArray[np.int64], Figures, Figures]:
        """The point before it, how far it lies on the way to the next, and the rate there."""
        after = np.argmax(self.frr >= self.far, axis=-1)
        before = after - 1
        far_before, far_after = _each(self.far, before), _each(self.far, after)
        gap_before, gap_after = far_before - _each(self.frr, before), _each(self.frr, after) - far_after
        part = gap_before / (gap_before + gap_after)
        return before, part, far_before + part * (far_after - far_before)

    def min_dcf(self, target_prior: float) -> float:
        """The least detection cost, both errors costing 1, over that of deciding without listening (NIST SRE 2016)."""
        costs = target_prior * self.frr + (1 - target_prior) * self.far
        return float(costs.min() / min(target_prior, 1 - target_prior))

    def at_far(self, far: float) -> OperatingPoint:
        """The lowest threshold that lets no greater share of the impostors in."""
        return self._point(int(np.argmax(self.far <= far)))

    def at(self, threshold: float) -> OperatingPoint:
        """What accepting at or above any threshold costs."""
        far, frr = self.rates_at(threshold)
        return OperatingPoint(threshold, float(far), float(frr))

    def rates_at(self, threshold: float) -> tuple[Figures, Figures]:
        """The same of each crowd: FAR and FRR."""
        index = min(int(np.searchsorted(self.thresholds, threshold)), len(self.thresholds) - 1)
        return self.far[..., index], self.frr[..., index]

    def _point(self, index: int) -> OperatingPoint:
        return OperatingPoint(float(self.thresholds[index]), float(self.far[index]), float(self.frr[index]))


@dataclass(frozen=True)
class MeasuredPoint:
    """An operating point, with the intervals in which its rates lie with a confidence of 95 %."""

    point: OperatingPoint
    far_interval: Interval
    frr_interval: Interval


def det_curve(trials: ScoredTrials) -> DetCurve:
    thresholds, places = np.unique(trials.scores, return_inverse=True)
    targets = np.bincount(places[trials.same], minlength=len(thresholds))
    impostors = np.bincount(places[~trials.same], minlength=len(thresholds))
    return _cumulated(thresholds, targets, impostors)


def cllr(llrs: ScoredTrials) -> float:
    """The cost of log-likelihood ratios (natural logarithm) in bits: 0 is perfect, 1 as good as knowing nothing.

    Brümmer and du Preez, Application-independent evaluation of speaker detection, 2006.
    """
    targets, impostors = llrs.scores[llrs.same], llrs.scores[~llrs.same]
    nats = np.logaddexp(0, -targets).mean() + np.logaddexp(0, impostors).mean()
    return float(nats / (2 * np.log(2)))


@dataclass(frozen=True)
class Measured:
    """The equal error, the interval in which its rate lies with a confidence of 95 %, and one operating point."""

    equal: EqualError
    equal_interval: Interval
    at_far: MeasuredPoint


def measure(trials: ScoredTrials, false_accept_rate: float) -> Measured:
    """What `equal_error_interval` and `error_table` say, of the same crowds."""
    curve = det_curve(trials)
    equal, point = curve.equal_error(), curve.at_far(false_accept_rate)
    again = _resampled(trials, [point], lambda others: [others.equal_error_rates(), *others.rates_at(point.threshold)])
    return Measured(
        equal,
        _interval(equal.rate, min(trials.targets, trials.impostors), again[0]),
        MeasuredPoint(
            point,
            _interval(point.far, trials.impostors, again[1]),
            _interval(point.frr, trials.targets, again[2]),
        ),
    )


def error_table(
    trials: ScoredTrials, false_accept_rates: tuple[float, ...] = TABLE_FALSE_ACCEPT_RATES
) -> list[MeasuredPoint]:
    """What each false accept rate costs on these trials."""
    curve = det_curve(trials)
    points = [curve.at_far(far) for far in false_accept_rates]
    again = _resampled(trials, points, lambda others: [others.rates_at(point.threshold) for point in points])
    return [
        MeasuredPoint(
            point,
            _interval(point.far, trials.impostors, again[number, 0]),
            _interval(point.frr, trials.targets, again[number, 1]),
        )
        for number, point in enumerate(points)
    ]


def points_at(trials: ScoredTrials, thresholds: Sequence[float]) -> list[MeasuredPoint]:
    """What accepting at or above each threshold costs. Quick: no other crowds are drawn.

    Trials that share a speaker are alike, by how much their errors vary together (Aronow, Samii and Assenova, 2015).
    Wilson's interval is for as many independent trials as would vary as much (Korn and Graubard, 1998).
    """
    curve = det_curve(trials)
    impostors, targets = _Alike.of(trials, ~trials.same, among=2), _Alike.of(trials, trials.same, among=1)
    return [
        MeasuredPoint(
            point,
            wilson_interval(point.far, impostors.independent(impostors.scores >= point.threshold)),
            wilson_interval(point.frr, targets.independent(targets.scores < point.threshold)),
        )
        for point in map(curve.at, thresholds)
    ]


@dataclass(frozen=True)
class _Alike:
    """Trials of one kind: their scores, and whose they are, shape (n, 1 or 2), unless unknown."""

    scores: Figures
    speakers: NDArray[np.int64] | None

    @classmethod
    def of(cls, trials: ScoredTrials, chosen: Labels, *, among: int) -> _Alike:
        """`among`: how many speakers a trial of this kind is about."""
        return cls(trials.scores[chosen], None if trials.speakers is None else trials.speakers[chosen][:, :among])

    def independent(self, errors: Labels) -> float:
        """How many trials of strangers to each other would say as much.

        Where all trials ended alike nothing varies, and there are no more than speakers.
        """
        if self.speakers is None:
            return float(len(errors))
        rate = errors.mean()
        if rate in {0.0, 1.0}:
            return float(np.count_nonzero(np.bincount(self.speakers.ravel())))
        left, highest = errors - rate, int(self.speakers.max()) + 1
        sums = sum(np.bincount(column, left, highest) for column in self.speakers.T)
        together = float((np.asarray(sums) ** 2).sum() - (self.speakers.shape[1] - 1) * (left**2).sum())
        return float(min(len(errors), max(1.0, rate * (1 - rate) * len(errors) ** 2 / max(together, 1e-12))))


def equal_error_interval(trials: ScoredTrials) -> Interval:
    """In which the equal error rate lies with a confidence of 95 %."""
    rate = det_curve(trials).equal_error().rate
    fewer = min(trials.targets, trials.impostors)
    return _interval(rate, fewer, _resampled(trials, [], DetCurve.equal_error_rates))


def wilson_interval(rate: float, count: float) -> Interval:
    """For `count` independent trials (Wilson, 1927), which says something even about a rate of 0."""
    shrink = 1 + Z**2 / count
    centre = (rate + Z**2 / (2 * count)) / shrink
    reach = Z * np.sqrt(rate * (1 - rate) / count + Z**2 / (4 * count**2)) / shrink
    return max(0.0, float(centre - reach)), min(1.0, float(centre + reach))


def _each(curves: Figures, places: NDArray[np.int64]) -> Figures:
    """Of each curve what stands at its place."""
    return np.asarray(np.take_along_axis(curves, places[..., np.newaxis], axis=-1)[..., 0])


def _cumulated(thresholds: Figures, targets: NDArray[Any], impostors: NDArray[Any]) -> DetCurve:
    """Of how many there are from each of the ascending thresholds to the next; of several crowds, a row for each."""
    rejected_targets, rejected_impostors = _from_nothing(targets), _from_nothing(impostors)
    return DetCurve(
        thresholds=np.append(thresholds, np.nextafter(thresholds[-1], np.inf)),
        far=(rejected_impostors[..., -1:] - rejected_impostors) / rejected_impostors[..., -1:],
        frr=rejected_targets / rejected_targets[..., -1:],
    )


def _from_nothing(counts: NDArray[Any]) -> Figures:
    sums = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
    np.cumsum(counts, axis=-1, out=sums[..., 1:])
    return sums


def _resampled(
    trials: ScoredTrials, points: Sequence[OperatingPoint], figures: Callable[[DetCurve], ArrayLike]
) -> Figures:
    """Figures of other crowds that could have been recorded: speakers drawn with replacement, a crowd per column.

    Trials of one speaker are alike, so drawing trials would promise more than is known. A pair counts as often as its
    two speakers were drawn together. No columns where the speakers are unknown; crowds without both kinds are left out.
    The rates at the thresholds of these points are exact.
    """
    if trials.speakers is None:
        return np.empty((*np.shape(figures(det_curve(trials))), 0))
    return np.asarray(figures(_other_crowds(trials, trials.speakers, points)))


def _other_crowds(trials: ScoredTrials, speakers: NDArray[np.int64], points: Sequence[OperatingPoint]) -> DetCurve:
    """Counted for all crowds at once, between a few thresholds: that is hundreds of times less work."""
    thresholds = _few_thresholds(trials.scores, [point.threshold for point in points])
    places = np.searchsorted(thresholds, trials.scores, side="right") - 1
    drawn = _drawn(int(speakers.max()) + 1)
    targets = _targets_between(places[trials.same], speakers[trials.same, 0], drawn, len(thresholds))
    impostors = _impostors_between(places[~trials.same], speakers[~trials.same], drawn, len(thresholds))
    both = targets.any(axis=0) & impostors.any(axis=0)
    return _cumulated(thresholds, targets[:, both].T, impostors[:, both].T)


def _few_thresholds(scores: Figures, wanted: Sequence[float]) -> Figures:
    """Ascending, the lowest not above any score. All that make a difference, if those are few."""
    thresholds = np.unique(scores)
    if len(thresholds) > BOOTSTRAP_THRESHOLDS:
        kept = np.linspace(0, len(thresholds) - 1, BOOTSTRAP_THRESHOLDS).astype(np.int64)
        thresholds = np.union1d(thresholds[kept], wanted)
    return thresholds


def _drawn(count: int) -> NDArray[np.float32]:
    """How often each of so many speakers is in each crowd, shape (speakers, crowds)."""
    places = np.random.default_rng(0).integers(count, size=(BOOTSTRAP_ROUNDS, count))
    places += count * np.arange(BOOTSTRAP_ROUNDS)[:, np.newaxis]
    crowds = np.bincount(places.ravel(), minlength=BOOTSTRAP_ROUNDS * count).reshape(BOOTSTRAP_ROUNDS, count)
    return crowds.astype(np.float32).T.copy()


def _targets_between(
    places: NDArray[np.int64], speakers: NDArray[np.int64], drawn: NDArray[np.float32], count: int
) -> Figures:
    """Targets from each threshold to the next, shape (thresholds, crowds)."""
    of_speakers = np.bincount(places * len(drawn) + speakers, minlength=count * len(drawn)).reshape(count, len(drawn))
    return np.asarray(of_speakers.astype(np.float32) @ drawn, dtype=np.float64)


def _impostors_between(
    places: NDArray[np.int64], speakers: NDArray[np.int64], drawn: NDArray[np.float32], count: int
) -> Figures:
    """Impostors from each threshold to the next, shape (thresholds, crowds)."""
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(count + 1))
    between = np.zeros((count, drawn.shape[1]))
    for place, (start, end) in enumerate(pairwise(starts)):
        one, other = speakers[order[start:end]].T
        between[place] = np.einsum("pc,pc->c", drawn[one], drawn[other])
    return between


def _interval(rate: float, count: int, resampled: Figures) -> Interval:
    """The wider at each end of Wilson's and, where speakers are known, the bootstrap's, which knows nothing of 0."""
    low, high = wilson_interval(rate, count)
    if not len(resampled):
        return low, high
    outside = (1 - CONFIDENCE) / 2
    drawn_low, drawn_high = np.quantile(resampled, [outside, 1 - outside])
    return min(low, float(drawn_low)), max(high, float(drawn_high))
