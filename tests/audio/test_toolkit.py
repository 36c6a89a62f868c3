"""Our filterbanks are those that WeSpeaker's toolkit computes."""

from __future__ import annotations

import numpy as np
import pytest

from audio.fbank import fbank, without_channel
from audio.results import Samples
from tests.audio.recordings import VOICES, noise, spoken, tone
from tests.extra import require_wespeaker

require_wespeaker()

from bench.checkpoints import torchaudio_features  # noqa: E402

pytestmark = pytest.mark.wespeaker


@pytest.mark.parametrize(
    "samples",
    [*(spoken(voice) for voice in VOICES[:3]), noise(3.21), tone(1.0), 1e-3 * noise(0.3), spoken()[:400]],
    ids=[*VOICES[:3], "noise", "tone", "quiet", "one window"],
)
def test_the_filterbanks_of_torchaudio_are_ours(samples: Samples) -> None:
    theirs = torchaudio_features(samples).numpy()

    np.testing.assert_allclose(without_channel(fbank(samples)), theirs, atol=2e-3)
