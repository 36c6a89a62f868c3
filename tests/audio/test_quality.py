"""The figures of a recording mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from audio.quality import measure
from audio.results import Samples, SpeechQuality, Waveform
from audio.speech import segments_of, speech_probabilities
from tests.audio.recordings import VOICES, noise, spoken

GOOD = SpeechQuality(
    duration_seconds=5, speech_seconds=4, snr_db=30, level_dbfs=-25, clipped_ratio=0.0, dropout_ratio=0.0
)


def quality(samples: Samples) -> SpeechQuality:
    waveform = Waveform(samples)
    probabilities = speech_probabilities(waveform)
    return measure(waveform, probabilities, segments_of(probabilities, len(samples)))


def in_noise(snr_db: float, voice: str = "susan") -> Samples:
    """Speech as loud as the noise times the ratio, the speech measured without its pauses."""
    clean = np.tile(spoken(voice), 2)
    speech_power = 10 ** (quality(clean).level_dbfs / 10)
    hiss = noise(len(clean) / 16_000, level=1.0)
    return clean + hiss * np.float32(np.sqrt(speech_power / 10 ** (snr_db / 10)))


@pytest.mark.parametrize("snr_db", [0, 5, 10, 20, 30])
def test_the_signal_to_noise_ratio_is_the_one_that_was_mixed(snr_db: float) -> None:
    assert quality(in_noise(snr_db)).snr_db == pytest.approx(snr_db, abs=2.5)


@pytest.mark.parametrize("snr_db", [5, 20])
def test_the_signal_to_noise_ratio_needs_no_pause(snr_db: float) -> None:
    assert quality(fluent(in_noise(snr_db))).snr_db == pytest.approx(snr_db, abs=6)


def fluent(samples: Samples) -> Samples:
    """Only the frames that are speech."""
    whole = len(samples) // 512
    probabilities = speech_probabilities(Waveform(samples[: whole * 512]))
    return samples[: whole * 512].reshape(whole, 512)[probabilities > 0.5].reshape(-1)


@pytest.mark.parametrize("voice", VOICES)
def test_a_clean_recording_has_no_warnings(voice: str) -> None:
    assert quality(spoken(voice)).warnings == ()


@pytest.mark.parametrize("gain_db", [-20, -10, 0])
def test_the_level_follows_the_gain(gain_db: float) -> None:
    louder = spoken() * np.float32(10 ** (gain_db / 20))

    assert quality(louder).level_dbfs == pytest.approx(quality(spoken()).level_dbfs + gain_db, abs=0.2)


def test_the_level_is_that_of_the_speech_whatever_the_pauses() -> None:
    padded = np.pad(spoken(), 3 * 16_000)

    assert quality(padded).level_dbfs == pytest.approx(quality(spoken()).level_dbfs, abs=0.5)


@pytest.mark.parametrize("gain", [4, 10])
def test_clipping_is_seen(gain: float) -> None:
    clipped = np.clip(spoken() * gain, -0.5, 0.5)

    assert "clipped" in quality(clipped).warnings


def test_clipping_is_seen_after_the_recording_was_turned_down() -> None:
    clipped = 0.05 * np.clip(spoken() * 10, -1, 1)

    assert "clipped" in quality(clipped).warnings


def test_lost_packets_are_seen() -> None:
    samples = spoken()
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320).copy()
    frames[::7] = 0

    assert quality(frames.reshape(-1)).dropout_ratio == pytest.approx(1 / 7, abs=0.03)


def test_silence_has_figures_too() -> None:
    silent = quality(np.zeros(16_000, np.float32))

    assert silent.speech_seconds == 0
    assert all(np.isfinite(figure) for figure in silent.as_dict().values())


@pytest.mark.parametrize(
    ("figure", "value", "warning"),
    [
        ("snr_db", 3.0, "noisy"),
        ("level_dbfs", -65.0, "low_level"),
        ("clipped_ratio", 0.1, "clipped"),
        ("dropout_ratio", 0.1, "dropouts"),
    ],
)
def test_a_bad_figure_gives_its_warning(figure: str, value: float, warning: str) -> None:
    assert SpeechQuality(**GOOD.as_dict() | {figure: value}).warnings == (warning,)
