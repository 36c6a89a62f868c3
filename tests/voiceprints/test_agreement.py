"""Utterances held against those before them."""

import numpy as np

from voiceprints.agreement import agreements
from voiceprints.calibration import provisional
from voiceprints.decisions import Decision
from voiceprints.scoring import cosine, normalised, voiceprint_of

DECISION = Decision(provisional("any"), 0.01)


def utterances(count):
    generator = np.random.default_rng(1)
    return [(normalised(generator.standard_normal(64)), float(generator.uniform(1, 9))) for _ in range(count)]


def test_each_new_utterance_is_held_against_the_voiceprint_of_all_before_it():
    said = utterances(6)

    found = agreements(DECISION, said[:2], said[2:])

    for number, scored in enumerate(found, start=2):
        before = voiceprint_of([embedding for embedding, _ in said[:number]])
        assert abs(scored.score - cosine(before, said[number][0])) < 1e-6
        assert scored.threshold == DECISION.threshold(sum(s for _, s in said[:number]), said[number][1])


def test_the_first_of_all_agrees_with_none():
    assert [scored is None for scored in agreements(DECISION, [], utterances(3))] == [True, False, False]
