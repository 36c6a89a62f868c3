"""The sample voices of the project are recordings one can enroll and tell apart."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from audio.analysis import analyze
from audio.results import Analysis, Embedding
from tests.audio.recordings import SAMPLES, VOICES, sample

SENTENCES = (1, 2, 3, 4)
MAX_BYTES = 1_500_000
OTHERS_BELOW = 0.73


@functools.cache
def heard(voice: str, number: int) -> Analysis:
    return analyze(sample(voice, number))


def embeddings(voice: str) -> list[Embedding]:
    return [heard(voice, number).embedding for number in SENTENCES]


def test_there_are_enough_voices_in_little_space() -> None:
    assert len(VOICES) >= 6
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*.opus")) < MAX_BYTES


@pytest.mark.parametrize("voice", VOICES)
def test_a_sentence_is_long_enough_and_clean(voice: str) -> None:
    for number in SENTENCES:
        quality = heard(voice, number).quality
        assert 4 < quality.duration_seconds < 8
        assert quality.warnings == ()


@pytest.mark.parametrize("voice", VOICES)
def test_a_voice_is_accepted_as_itself_and_as_nobody_else(voice: str) -> None:
    others = [embedding for other in VOICES if other != voice for embedding in embeddings(other)]
    own = np.array(embeddings(voice))

    assert (own @ own.T).min() > 0.9
    assert (own @ np.array(others).T).max() < OTHERS_BELOW


def test_every_sentence_finds_its_voice_from_one_enrolled_sentence() -> None:
    enrolled = np.array([embeddings(voice)[0] for voice in VOICES])

    found = [VOICES[int(np.argmax(enrolled @ probe))] for voice in VOICES for probe in embeddings(voice)[1:]]

    assert found == [voice for voice in VOICES for _ in SENTENCES[1:]]
