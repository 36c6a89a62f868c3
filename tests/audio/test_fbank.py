"""Our filterbanks are Kaldi's."""

from __future__ import annotations

import kaldi_native_fbank
import numpy as np
import pytest

from audio.fbank import Window, fbank
from audio.results import SAMPLE_RATE, Samples
from tests.audio.recordings import VOICES, noise, spoken, tone

SOUNDS = {
    **{voice: spoken(voice) for voice in VOICES[:3]},
    "noise": noise(3.21),
    # Without any noise, rounding is all there is in most bands, and everybody rounds differently.
    "tone": tone(1.0) + noise(1.0, 1e-4),
    "quiet": 1e-3 * noise(0.3),
    "silence": np.zeros(SAMPLE_RATE, np.float32),
    "silence and speech": np.concatenate([np.zeros(SAMPLE_RATE, np.float32), spoken()]),
    "one window": spoken()[:400],
}


def kaldi_fbank(samples: Samples, window: Window) -> np.ndarray:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE
    options.frame_opts.window_type = window
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = 80
    options.use_energy = False
    extractor = kaldi_native_fbank.OnlineFbank(options)
    extractor.accept_waveform(SAMPLE_RATE, samples * np.float32(2**15))
    extractor.input_finished()
    return np.array([extractor.get_frame(number) for number in range(extractor.num_frames_ready)])


@pytest.mark.parametrize("window", ["hamming", "povey"])
@pytest.mark.parametrize("sound", SOUNDS)
def test_the_filterbanks_of_kaldi_are_ours(sound: str, window: Window) -> None:
    np.testing.assert_allclose(fbank(SOUNDS[sound], window), kaldi_fbank(SOUNDS[sound], window), atol=2e-3)
