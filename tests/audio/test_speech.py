"""Where there is speech, and that nothing else is taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from audio.results import Waveform
from audio.speech import Segment, joined, segments_of, speech_probabilities, without_long_pauses
from tests.audio.recordings import VOICES, noise, spoken, tone

RATE = 16_000


def speech_segments(waveform: Waveform) -> list[Segment]:
    return segments_of(speech_probabilities(waveform), len(waveform.samples))


def speech_seconds(samples) -> float:
    waveform = Waveform(samples)
    return joined(waveform, speech_segments(waveform)).duration_seconds


@pytest.mark.parametrize("voice", VOICES)
def test_most_of_a_spoken_sentence_is_speech(voice: str) -> None:
    samples = spoken(voice)

    assert speech_seconds(samples) > 0.75 * len(samples) / RATE


def dial_tones() -> np.ndarray:
    keys = [tone(0.25, low) + tone(0.25, high) for low, high in [(697, 1209), (770, 1336), (852, 1477), (941, 1633)]]
    return np.concatenate([np.pad(key, (0, 1600)) for key in keys * 4])


NOT_SPEECH = {
    "digital silence": np.zeros(5 * RATE, np.float32),
    "faint noise": noise(5, level=1e-4),
    "loud noise": noise(5, level=0.3),
    "a tone": tone(5),
    "a chord": tone(5, 220) + tone(5, 277) + tone(5, 330),
    "dial tones": dial_tones(),
    "clicks": np.tile(np.eye(1, 4000, dtype=np.float32)[0], 20),
    "a siren": np.sin(np.cumsum(0.2 + 0.1 * np.sin(np.arange(5 * RATE) / 8000))).astype(np.float32),
}


@pytest.mark.parametrize("sound", NOT_SPEECH)
def test_what_is_not_speech_is_not_taken_for_it(sound: str) -> None:
    assert speech_segments(Waveform(NOT_SPEECH[sound])) == []


def test_speech_is_found_where_it_is() -> None:
    pause = noise(2, level=1e-3)
    samples = np.concatenate([pause, spoken(), pause])

    segments = speech_segments(Waveform(samples))

    assert segments[0][0] == pytest.approx(2.25 * RATE, abs=0.3 * RATE)
    assert segments[-1][1] == pytest.approx(len(samples) - 2.25 * RATE, abs=0.3 * RATE)


def test_segments_are_ordered_apart_and_within_the_recording() -> None:
    samples = np.concatenate([spoken("susan"), noise(1, 1e-3), spoken("ken")])

    segments = speech_segments(Waveform(samples))

    positions = [position for segment in segments for position in segment]
    assert positions == sorted(positions)
    assert positions[0] >= 0
    assert positions[-1] <= len(samples)


def test_a_very_quiet_voice_is_heard() -> None:
    assert speech_seconds(spoken() * np.float32(0.003)) == pytest.approx(speech_seconds(spoken()), abs=0.3)


def test_a_long_recording_is_heard_as_its_parts_are() -> None:
    sentence = spoken()
    samples = np.concatenate([sentence] * 5)

    assert speech_seconds(samples) == pytest.approx(5 * speech_seconds(sentence), rel=0.1)


def test_every_frame_has_a_probability() -> None:
    probabilities = speech_probabilities(Waveform(noise(1.01)))

    assert probabilities.shape == (32,)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_an_empty_recording_has_no_speech() -> None:
    assert speech_segments(Waveform(np.zeros(0, np.float32))) == []


def test_only_long_pauses_are_left_out() -> None:
    samples = np.concatenate([noise(4, 1e-3), spoken(), noise(4, 1e-3)])
    waveform = Waveform(samples)
    segments = speech_segments(waveform)

    kept = without_long_pauses(waveform, segments).duration_seconds

    assert kept == pytest.approx((segments[-1][1] - segments[0][0]) / RATE + 1.0, abs=0.01)
