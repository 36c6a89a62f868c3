"""The spectrogram is the one the encoder was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.features import ge2e_mels, mel_filterbank
from audio.windows import MAX_WINDOWS, mel_windows
from tests.audio.recordings import noise, spoken, tone

# librosa 0.11: melspectrogram(y=…, sr=16000, n_fft=400, hop_length=160, n_mels=40) of the noise below.
REFERENCE = np.load(Path(__file__).with_name("librosa_mels.npy"))


def test_mels_equal_those_of_librosa() -> None:
    samples = np.random.default_rng(2018).standard_normal(3200).astype(np.float32) * np.float32(0.1)

    np.testing.assert_allclose(ge2e_mels(samples), REFERENCE, rtol=1e-4)


def test_mels_of_a_long_recording_equal_those_of_its_parts() -> None:
    samples = noise(30)

    np.testing.assert_allclose(ge2e_mels(samples)[2000:2010], ge2e_mels(samples[160 * 1990 :])[10:20], rtol=1e-4)


def test_a_tone_falls_into_one_band() -> None:
    band = ge2e_mels(tone(1, hertz=1_000)).mean(axis=0)

    assert mel_filterbank()[band.argmax(), 25] == mel_filterbank()[:, 25].max()


def test_four_times_the_power_is_four_times_the_mel() -> None:
    samples = spoken()

    np.testing.assert_allclose(ge2e_mels(2 * samples), 4 * ge2e_mels(samples), rtol=1e-4)


@pytest.mark.parametrize(("seconds", "windows"), [(0.5, 1), (1.5, 1), (1.6, 2), (2.0, 3), (4.0, 8)])
def test_windows_begin_every_four_tenths_of_a_second(seconds: float, windows: int) -> None:
    assert mel_windows(noise(seconds)).shape == (windows, 160, 40)


def test_a_long_recording_is_heard_from_beginning_to_end_in_few_windows() -> None:
    samples = noise(300)

    windows = mel_windows(samples)

    assert len(windows) == MAX_WINDOWS
    np.testing.assert_allclose(windows[0], ge2e_mels(samples)[:160], rtol=1e-4)
    assert np.abs(windows[-1]).max() > 0
