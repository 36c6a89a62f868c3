"""Calibration against scores whose likelihood ratio is known, because they were drawn so."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from voiceprints.calibration import (
    Calibration,
    CalibrationRefused,
    OperatingPoint,
    Trials,
    Weights,
    fit,
    operating_points,
    probability,
    provisional,
    quality,
)
from voiceprints.evaluation import ScoredTrials, cllr

# Gaussian cosines, one spread for both kinds: LLR = (0.8 - 0.5) / 0.1² × (cosine - 0.65) = 30 × cosine - 19.5.
TARGET, IMPOSTOR, SPREAD = 0.8, 0.5, 0.1


def drawn(targets=4000, impostors=4000, *, per_log_second=0.0, speakers=40, seed=1) -> Trials:
    """Cosines of both kinds rise by `per_log_second` with the logarithm of each side's speech."""
    generator = np.random.default_rng(seed)
    count = targets + impostors
    same = np.arange(count) < targets
    seconds = generator.uniform(1, 9, (2, count))
    cosines = np.where(same, TARGET, IMPOSTOR) + generator.normal(0, SPREAD, count)
    one = generator.integers(speakers, size=count)
    other = np.where(same, one, (one + generator.integers(1, speakers, size=count)) % speakers)
    pairs = np.stack([one, other], axis=1)
    return Trials(cosines + per_log_second * np.log(seconds).sum(axis=0), seconds[0], seconds[1], same, pairs)


def without_speakers(trials: Trials) -> Trials:
    return Trials(trials.cosines, trials.enrolled_seconds, trials.probe_seconds, trials.same, None)


def calibration(weights: Weights, *points: tuple[float, float]) -> Calibration:
    return Calibration("m", weights, tuple(OperatingPoint(far, llr, 0.1, measured=True) for far, llr in points), None)


def test_the_weights_are_those_of_the_true_likelihood_ratio():
    weights = fit(without_speakers(drawn())).weights

    assert weights.cosine == pytest.approx(30, rel=0.05)
    assert weights.llr(0.65, 3, 3) == pytest.approx(0, abs=0.2)
    assert weights.speech == 0


def test_how_many_trials_there_are_of_a_kind_does_not_matter():
    weights = fit(without_speakers(drawn(targets=400, impostors=12_000))).weights

    assert weights.llr(0.65, 3, 3) == pytest.approx(0, abs=0.4)


def test_what_speech_adds_to_a_cosine_is_taken_away_again():
    learned = fit(drawn(per_log_second=0.1))

    # LLR = 30 × (cosine - 0.1 × the logarithms) - 19.5.
    assert learned.weights.speech == pytest.approx(-30 * 0.1, rel=0.1)
    assert learned.with_speech.cllr < learned.cosine_alone.cllr
    assert learned.with_speech.eer < learned.cosine_alone.eer


def test_evidence_is_better_than_a_cosine_that_means_something_else_at_every_length():
    trials = drawn(per_log_second=0.1)
    both, alone = trials.fitted(speech=True), trials.fitted(speech=False)

    assert cllr(trials.scored(trials.llrs(both))) < 0.8 * cllr(trials.scored(trials.llrs(alone)))


def test_speech_is_left_out_where_no_speakers_can_be_held_out():
    learned = fit(without_speakers(drawn(per_log_second=0.1)))

    assert learned.weights.speech == 0
    assert learned.with_speech is None


def test_ten_seconds_of_speech_are_as_good_as_any_more():
    weights = Weights(-30, 50, -2)

    assert weights.llr(0.8, 10, 3) == weights.llr(0.8, 600, 3)
    assert weights.llr(0.8, 0.1, 3) == weights.llr(0.8, 0.5, 3)
    assert weights.llr(0.8, 10, 3) < weights.llr(0.8, 5, 3)


@pytest.mark.parametrize("far", [0.1, 0.03, 0.01, 0.0001])
@pytest.mark.parametrize(("enrolled", "probe"), [(1.1, 1.1), (9, 2), (40, 40)])
def test_the_threshold_of_a_comparison_accepts_just_what_its_evidence_accepts(far, enrolled, probe):
    trials = drawn(per_log_second=0.02)
    learned = fit(trials)
    calibrated = Calibration("m", learned.weights, learned.points, None)
    threshold = calibrated.threshold(far, enrolled, probe)

    for cosine in (threshold - 1e-9, threshold + 1e-9, 0.1, 0.99):
        assert (cosine >= threshold) == (learned.weights.llr(cosine, enrolled, probe) >= calibrated.llr_at(far))


def test_a_rate_keeps_its_promise_on_other_trials():
    learned = fit(drawn(per_log_second=0.02))
    calibrated = Calibration("m", learned.weights, learned.points, None)
    fresh = drawn(targets=100, impostors=40_000, per_log_second=0.02, seed=2)
    sides = zip(fresh.enrolled_seconds, fresh.probe_seconds, strict=True)
    thresholds = np.array([calibrated.threshold(0.01, *seconds) for seconds in sides])

    assert (fresh.cosines >= thresholds)[~fresh.same].mean() == pytest.approx(0.01, abs=0.004)


def test_rates_too_small_to_be_seen_ask_for_one_unit_of_evidence_per_e():
    generator = np.random.default_rng(1)
    scores = np.concatenate([generator.normal(4, 2, 1000), generator.normal(-4, 2, 1000)])
    points = {point.far: point for point in operating_points(ScoredTrials(scores, np.arange(2000) < 1000))}

    assert points[0.01].measured
    assert not points[0.001].measured
    assert points[0.001].llr == pytest.approx(points[0.005].llr + math.log(5))


def test_between_two_rates_evidence_goes_by_their_logarithm():
    calibrated = calibration(Weights(0, 10, 0), (0.1, 1.0), (0.001, 3.0))

    assert calibrated.llr_at(0.01) == pytest.approx(2)
    assert calibrated.llr_at(0.2) == 1
    assert calibrated.llr_at(0.0001) == pytest.approx(3 + math.log(10))


def test_no_rate_asks_for_more_than_the_same_recording_can_give():
    assert calibration(Weights(0, 1, 0), (0.1, 50.0)).threshold(0.1, 1, 1) < 1
    assert calibration(Weights(0, 1, 0), (0.1, -50.0)).threshold(0.1, 1, 1) > -1


def test_cosines_that_mean_the_opposite_are_refused():
    trials = drawn()
    with pytest.raises(CalibrationRefused, match="would count against"):
        fit(Trials(-trials.cosines, trials.enrolled_seconds, trials.probe_seconds, trials.same, None))


def test_too_few_trials_are_refused_with_their_number():
    with pytest.raises(CalibrationRefused, match="29 same-speaker and 4000 different-speaker trials"):
        fit(drawn(targets=29))


def test_cosines_that_separate_everything_still_give_finite_weights():
    same = np.arange(200) < 100
    cosines, seconds = np.where(same, 0.9, 0.1), np.full(200, 3.0)
    learned = fit(Trials(cosines, seconds, seconds, same, None))

    assert 0 < learned.weights.cosine < 1000
    assert 0.1 < learned.weights.bar_at(0, 3).threshold(3) < 0.9


def test_a_calibration_survives_json():
    learned = fit(drawn())
    calibrated = Calibration("m", learned.weights, learned.points, None)

    assert Calibration.from_json(json.loads(json.dumps(calibrated.to_json()))) == calibrated


@pytest.mark.parametrize(
    "damage",
    [
        {"weights": {"offset": 0, "cosine": 0, "speech": 0}},
        {"weights": {"offset": 0, "cosine": math.nan, "speech": 0}},
        {"weights": {"offset": 0}},
        {"operating_points": []},
        {"operating_points": [{"far": 0.1, "llr": 1, "frr": 0, "measured": True}] * 2},
        {"provenance": {"trials": "t"}},
    ],
)
def test_a_damaged_record_is_refused(damage):
    with pytest.raises(CalibrationRefused):
        Calibration.from_json(provisional("m").to_json() | damage)


def test_a_model_nobody_calibrated_is_provisional_and_cautious():
    unmeasured = provisional("m")

    assert unmeasured.provisional
    assert unmeasured.threshold(0.01, 3, 3) == pytest.approx(0.5)
    assert unmeasured.frr_at(0.01) is None


def test_the_false_rejects_quoted_are_those_of_the_rate_or_a_stricter_one():
    points = (OperatingPoint(0.1, 1, 0.02, measured=True), OperatingPoint(0.01, 2, 0.07, measured=True))
    calibrated = Calibration("m", Weights(0, 10, 0), points, None)

    assert calibrated.frr_at(0.1) == 0.02
    assert calibrated.frr_at(0.05) == 0.07
    assert calibrated.frr_at(0.001) is None


def test_probability_by_hand():
    # Evidence of 3:1 makes even odds 3:1, and odds of 1:99 3:99.
    assert probability(math.log(3), 0.5) == pytest.approx(0.75)
    assert probability(math.log(3), 0.01) == pytest.approx(3 / 102)


def test_the_true_likelihood_ratio_is_judged_well():
    trials = drawn()
    true = quality(trials.scored(30 * trials.cosines - 19.5))

    # Φ(-1.5) of either kind on the wrong side.
    assert true.eer == pytest.approx(0.0668, abs=0.008)
    assert true.cllr < quality(trials.scored(20 * trials.cosines - 13)).cllr
    assert true.cllr < quality(trials.scored(30 * trials.cosines - 18)).cllr
