"""The catalogue states what the whole pipeline really achieves on real speech."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from audio.analysis import analyze
from audio.catalogue import GE2E
from audio.results import Embedding
from bench.accuracy import error_curves
from tests.shared_data import shared

Scores = tuple[np.ndarray, np.ndarray]


@functools.cache
def embedding(folder: str, name: str) -> Embedding:
    return analyze(shared(*folder.split("/"), name).read_bytes()).embedding


@functools.cache
def evaluated() -> Scores:
    """Scores of the evaluation trials, and which of them are of one speaker."""
    trials = [line.split() for line in shared("eval", "trials.txt").read_text().splitlines()]
    scores = [embedding("eval/speech", enrolled) @ embedding("eval/speech", test) for _, enrolled, test in trials]
    return np.array(scores), np.array([label == "1" for label, _, _ in trials])


def test_the_equal_error_rate_is_the_catalogued_one() -> None:
    thresholds, false_accepts, false_rejects = error_curves(*evaluated())
    equal = int(np.argmin(np.abs(false_accepts - false_rejects)))

    assert (false_accepts[equal] + false_rejects[equal]) / 2 == pytest.approx(GE2E.equal_error_rate, abs=0.002)
    assert thresholds[equal] == pytest.approx(GE2E.equal_error_threshold, abs=0.005)


def test_the_catalogued_threshold_gives_the_catalogued_error_rates() -> None:
    scores, same = evaluated()
    accepted = scores >= GE2E.accept_threshold

    assert accepted[~same].mean() == pytest.approx(GE2E.false_accept_rate, abs=0.002)
    assert (~accepted[same]).mean() == pytest.approx(GE2E.false_reject_rate, abs=0.005)


def test_every_probe_finds_its_speaker_among_twenty_of_three_sentences_each() -> None:
    enrolled = {}
    for line in shared("enroll3.txt").read_text().splitlines():
        speaker, *names = line.split()
        enrolled[speaker] = np.sum([embedding("speech", name) for name in names], axis=0)
    gallery = np.array([voiceprint / np.linalg.norm(voiceprint) for voiceprint in enrolled.values()])
    probes = [line.split() for line in shared("test3.txt").read_text().splitlines()]

    found = [list(enrolled)[int(np.argmax(gallery @ embedding("speech", name)))] for _, name in probes]

    assert found == [speaker for speaker, _ in probes]


def test_every_real_utterance_has_enough_speech() -> None:
    for path in shared("speech").rglob("*.flac"):
        assert embedding("speech", f"{path.parent.name}/{path.name}").shape == (GE2E.dimension,)
