"""Error rates against values worked out by hand, in the comments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from voiceprints.evaluation import (
    ClassMissing,
    ScoredTrials,
    cllr,
    det_curve,
    equal_error_interval,
    error_table,
    wilson_interval,
)


def scored(targets, impostors, speakers=None):
    scores = np.array([*targets, *impostors], dtype=np.float64)
    same = np.array([True] * len(targets) + [False] * len(impostors))
    return ScoredTrials(scores, same, None if speakers is None else np.array(speakers))


# From the lowest threshold up: at 1 all eight are accepted; at 2 three of four impostors and all targets; at 3 two
# impostors, all targets; at 4 two impostors, three targets; at 5 one and three; at 6 one and two; at 7 none and two …
INTERLEAVED = scored([3, 5, 7, 8], [1, 2, 4, 6])


def test_the_curve_counts_what_is_accepted_at_or_above_each_threshold():
    curve = det_curve(INTERLEAVED)

    assert curve.thresholds[:-1].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert curve.far.tolist() == [1, 0.75, 0.5, 0.5, 0.25, 0.25, 0, 0, 0]
    assert curve.frr.tolist() == [0, 0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 1]


def test_the_last_threshold_rejects_even_the_best_and_is_finite():
    assert 8 < det_curve(INTERLEAVED).thresholds[-1] < 8.0001


def test_the_equal_error_rate_is_where_the_curve_meets_itself():
    assert det_curve(INTERLEAVED).equal_error().rate == 0.25
    assert det_curve(INTERLEAVED).equal_error().threshold == 5


def test_between_two_points_the_equal_error_rate_is_interpolated():
    # At 2: FAR 1/2, FRR 1/3. At 3: FAR 0, FRR 1/3. The gaps are 1/6 and 1/3, so a third of the way: 1/2 - 1/6 = 1/3.
    equal = det_curve(scored([1, 3, 4], [0, 2])).equal_error()

    assert equal.rate == pytest.approx(1 / 3)
    assert equal.threshold == pytest.approx(2 + 1 / 3)


def test_scores_without_any_difference_are_worth_half():
    assert det_curve(scored([0.5] * 3, [0.5] * 7)).equal_error().rate == pytest.approx(0.5)


def test_equal_scores_of_both_kinds_share_their_fate():
    # Half of either is tied at 1: accepted together (FAR 1/2, FRR 0) or rejected together (FAR 0, FRR 1/2).
    curve = det_curve(scored([1, 2], [1, 0]))

    assert curve.far.tolist() == [1, 0.5, 0, 0]
    assert curve.frr.tolist() == [0, 0, 0.5, 1]
    assert curve.equal_error().rate == pytest.approx(0.25)


def test_kinds_that_do_not_overlap_have_no_error():
    equal = det_curve(scored([0.8, 0.9], [0.1, 0.2])).equal_error()

    assert equal.rate == 0
    assert 0.2 < equal.threshold <= 0.8


def test_reversed_scores_are_wrong_throughout():
    assert det_curve(scored([0.1, 0.2], [0.8, 0.9])).equal_error().rate == 1


def test_the_least_detection_cost_is_that_of_the_cheapest_threshold():
    # With a prior of 0.5 it is the least FAR + FRR: 0.5 at 3, at 5 and at 7.
    assert det_curve(INTERLEAVED).min_dcf(0.5) == pytest.approx(0.5)
    # With one of 0.01 false accepts cost 99 times as much: reject all impostors, at 7, for FRR 0.5.
    assert det_curve(INTERLEAVED).min_dcf(0.01) == pytest.approx(0.5)
    # With one of 0.9 accept all targets, at 3: (0.1 × 0.5) / 0.1.
    assert det_curve(INTERLEAVED).min_dcf(0.9) == pytest.approx(0.5)


def test_a_rare_false_accept_may_be_cheaper_than_many_false_rejects():
    # At 2 one of 1000 impostors and all targets: (0.99 × 0.001) / 0.01. At 3: half of the targets rejected, 0.5.
    curve = det_curve(scored([2, 3], [2] + [0] * 999))

    assert curve.min_dcf(0.01) == pytest.approx(0.099)
    # With a prior of 0.001 the same costs (0.999 × 0.001) / 0.001 = 0.999, so rejecting it is cheaper.
    assert curve.min_dcf(0.001) == pytest.approx(0.5)


def test_no_threshold_is_worse_than_deciding_without_listening():
    assert det_curve(scored([0, 0], [1, 1])).min_dcf(0.01) == pytest.approx(1)
    assert det_curve(scored([0, 0], [1, 1])).min_dcf(0.99) == pytest.approx(1)


def test_the_threshold_at_a_false_accept_rate_is_the_lowest_that_keeps_it():
    curve = det_curve(INTERLEAVED)

    assert curve.at_far(0.3).threshold == 5
    assert curve.at_far(0.25).threshold == 5
    assert (curve.at_far(0.24).far, curve.at_far(0.24).frr) == (0, 0.5)
    assert curve.at_far(1).threshold == 1


def test_the_rates_of_a_threshold_between_two_scores_are_those_of_the_next_score():
    assert det_curve(INTERLEAVED).rates_at(4.5) == (0.25, 0.25)
    assert det_curve(INTERLEAVED).rates_at(-100) == (1, 0)
    assert det_curve(INTERLEAVED).rates_at(100) == (0, 1)


def test_likelihood_ratios_that_say_nothing_cost_one_bit():
    assert cllr(scored([0, 0], [0])) == pytest.approx(1)


def test_the_cost_of_likelihood_ratios_by_hand():
    # Odds of 3 for the one target, log2(1 + 1/3); of 1/7 for the one impostor, log2(1 + 1/7); halved.
    expected = (math.log2(4 / 3) + math.log2(8 / 7)) / 2

    assert cllr(scored([math.log(3)], [-math.log(7)])) == pytest.approx(expected)


def test_sure_and_wrong_costs_more_than_knowing_nothing():
    assert cllr(scored([-5], [5])) > 7
    assert cllr(scored([2000], [-2000])) == 0


def test_wilson_by_hand():
    # 0 of 100: the upper end is z²/(n + z²) = 3.8415/103.8415.
    assert wilson_interval(0, 100) == pytest.approx((0, 0.036994), abs=1e-6)
    # Half of 10, ± z/√(n + z²)/2 = 1.96/√13.8415/2.
    assert wilson_interval(0.5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-6)


def test_the_table_says_what_each_false_accept_rate_costs():
    rows = error_table(INTERLEAVED, (0.25, 0))

    assert [row.point.threshold for row in rows] == [5, 7]
    assert [row.far_interval for row in rows] == [wilson_interval(0.25, 4), wilson_interval(0, 4)]
    assert rows[1].frr_interval == wilson_interval(0.5, 4)


def test_trials_of_few_speakers_promise_less_than_as_many_of_strangers():
    # Of ten speakers five fail in all of their ten trials and five in none.
    own = [[speaker, speaker] for speaker in range(10) for _ in range(10)]
    pairs = [[one, other] for one in range(10) for other in range(one)]
    targets, impostors = [1] * 50 + [9] * 50, [5] * len(pairs)

    low, high = error_table(scored(targets, impostors), (0,))[0].frr_interval
    low_of_ten, high_of_ten = error_table(scored(targets, impostors, own + pairs), (0,))[0].frr_interval

    assert low - low_of_ten > 0.1
    assert high_of_ten - high > 0.1


def test_the_interval_of_the_equal_error_rate_holds_it():
    generator = np.random.default_rng(3)
    speakers = [[n % 20, n % 20] for n in range(200)] + [[n % 20, (n + 1 + n // 20) % 20] for n in range(200)]
    trials = scored(generator.normal(1, 1, 200), generator.normal(-1, 1, 200), speakers)
    low, high = equal_error_interval(trials)

    assert low < det_curve(trials).equal_error().rate < high
    assert high - low < 0.15


def test_the_same_trials_give_the_same_intervals():
    assert equal_error_interval(INTERLEAVED) == equal_error_interval(INTERLEAVED)


@pytest.mark.parametrize(("targets", "impostors"), [([1, 2], []), ([], [1]), ([], [])])
def test_one_kind_of_trials_alone_is_refused_with_the_counts(targets, impostors):
    with pytest.raises(ClassMissing) as refused:
        scored(targets, impostors)
    assert (refused.value.targets, refused.value.impostors) == (len(targets), len(impostors))


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="no finite number"):
        scored([math.nan], [1])
