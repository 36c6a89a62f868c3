"""What a recording looks like."""

from __future__ import annotations

import numpy as np

from audio.flac import encode_flac
from audio.picture import BANDS, COLUMNS, drawn
from audio.results import Waveform
from tests.audio.recordings import spoken, tone


def levels(samples: np.ndarray) -> np.ndarray:
    seen = drawn(encode_flac(Waveform(samples)))
    return np.frombuffer(seen.levels, np.uint8).reshape(seen.bands, COLUMNS)


def test_a_tone_is_a_line_at_its_frequency():
    loudest = levels(tone(2, 1000.0)).argmax(axis=0)
    height = BANDS - 1 - 1000 / 8000 * BANDS
    assert np.abs(loudest[10:-10] - height).max() <= 1


def test_what_is_louder_swings_further_and_the_loudest_fills_the_height():
    seen = drawn(encode_flac(Waveform(np.concatenate([0.2 * tone(1), tone(1)]))))
    lows, highs = (np.frombuffer(part, np.int8).astype(int) for part in (seen.lows, seen.highs))
    assert len(lows) == len(highs) == COLUMNS
    assert highs.max() == 127
    assert abs(highs[50:250].mean() - 0.2 * highs[350:550].mean()) < 3
    assert (lows <= highs).all()


def test_what_sounds_for_a_moment_is_seen_in_the_longest_recording():
    samples = np.zeros(300 * 16_000, np.float32)
    beginning = 100 * 8000 + 300
    samples[beginning : beginning + 1600] = tone(0.1)
    assert (levels(samples).argmax(axis=1) == 100).sum() > 0


def test_speech_and_silence_are_told_apart():
    voice = spoken()
    seen = levels(np.concatenate([voice, np.zeros_like(voice)]))
    assert seen[:, : COLUMNS // 2].mean() > 10 * seen[:, COLUMNS // 2 + 5 :].mean()


def test_the_shortest_recording_has_a_picture():
    assert levels(tone(0.2)).shape == (BANDS, COLUMNS)
