"""Denoising removes noise, keeps time, and helps the encoder to recognise a voice in noise."""

from __future__ import annotations

import numpy as np
import pytest

from audio.analysis import analyze
from audio.denoise import denoised
from audio.levels import level_dbfs
from audio.results import Samples, Waveform
from tests.audio.recordings import correlation, encoded, noise, sample, spoken


def test_noise_becomes_fainter() -> None:
    hiss = noise(3, level=0.05)

    cleaned = denoised(Waveform(hiss)).samples

    assert level_dbfs(cleaned[8_000:]) < level_dbfs(hiss[8_000:]) - 10


def test_clean_speech_stays_in_its_place() -> None:
    speech = spoken()

    assert correlation(loudness(denoised(Waveform(speech)).samples), loudness(speech)) > 0.95


def loudness(samples: Samples) -> Samples:
    """Magnitude of every 10 ms: the processor shifts phases, so waves are not compared."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    return np.sqrt(np.square(frames).mean(axis=1))


@pytest.mark.parametrize("count", [0, 1, 479, 16_000, 16_001])
def test_the_length_stays_the_same(count: int) -> None:
    assert len(denoised(Waveform(noise(2)[:count])).samples) == count


def test_two_recordings_are_cleaned_independently() -> None:
    first = denoised(Waveform(spoken())).samples
    denoised(Waveform(noise(2, level=0.5)))

    np.testing.assert_array_equal(denoised(Waveform(spoken())).samples, first)


@pytest.mark.parametrize("voice", ["susan", "callum"])
def test_a_voice_in_noise_is_more_like_itself_when_cleaned(voice: str) -> None:
    speech = spoken(voice)
    noisy = encoded(speech + noise(len(speech) / 16_000, level=0.3 * float(speech.std())))
    enrolled = analyze(sample(voice, 2)).embedding

    as_is, cleaned = (analyze(noisy, denoise=choice).embedding @ enrolled for choice in (False, True))

    assert cleaned > as_is


def test_what_is_kept_is_the_recording_as_it_came() -> None:
    noisy = encoded(spoken() + noise(len(spoken()) / 16_000, level=0.02))

    assert analyze(noisy, denoise=True).flac == analyze(noisy).flac
