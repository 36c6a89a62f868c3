"""Turn the speaker encoder of resemblyzer 0.1.4 into ge2e.onnx, and prove that the two agree.

    python -m venv /tmp/export
    /tmp/export/bin/pip install torch==2.13.0 onnx onnxruntime librosa scipy webrtcvad-wheels
    /tmp/export/bin/pip install --no-deps resemblyzer==0.1.4
    /tmp/export/bin/python -m audio.weights.export_ge2e

Run from the root of the repository. Exits with 1 if any embedding differs by more than the tolerance.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import scipy.ndimage
import torch

from audio.features import MEL_BANDS
from audio.windows import WINDOW_FRAMES, mel_windows

# resemblyzer imports a scipy submodule that no longer exists under that name.
sys.modules.setdefault("scipy.ndimage.morphology", scipy.ndimage)

from resemblyzer import VoiceEncoder  # noqa: E402

TARGET = Path(__file__).with_name("ge2e.onnx")
MIN_COSINE = 0.9999
RECORDINGS = 40
# 1.3 windows per second, in frames of 10 ms.
ORIGINAL_STEP_FRAMES = round(100 / 1.3)
SAMPLE_RATE = 16_000


class _Windows(torch.nn.Module):
    """Mel windows (batch, 160, 40) → L2-normalised embeddings (batch, 256)."""

    def __init__(self, encoder: VoiceEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.encoder.lstm(mels)
        raw = self.encoder.relu(self.encoder.linear(hidden[-1]))
        return raw / torch.norm(raw, dim=1, keepdim=True)


def main() -> int:
    encoder = VoiceEncoder("cpu", verbose=False).eval()
    export(encoder)
    worst = min(cosines(encoder))
    print(f"{TARGET.name} sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")
    print(f"lowest cosine between the original and the export over {RECORDINGS} recordings: {worst:.7f}")
    return 0 if worst >= MIN_COSINE else 1


def export(encoder: VoiceEncoder) -> None:
    torch.onnx.export(
        _Windows(encoder),
        (torch.rand(2, WINDOW_FRAMES, MEL_BANDS),),
        str(TARGET),
        input_names=["mels"],
        output_names=["embeddings"],
        dynamic_axes={"mels": {0: "batch"}, "embeddings": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def cosines(encoder: VoiceEncoder) -> list[float]:
    """Original features, windows and network against ours, on speech-like sound of 1 to 12 seconds."""
    session = onnxruntime.InferenceSession(str(TARGET), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(2018)
    return [_cosine(encoder, session, _voice(generator)) for _ in range(RECORDINGS)]


def _cosine(encoder: VoiceEncoder, session: onnxruntime.InferenceSession, samples: np.ndarray) -> float:
    original = encoder.embed_utterance(samples)
    partial = session.run(None, {"mels": mel_windows(samples, ORIGINAL_STEP_FRAMES)})[0]
    ours = partial.mean(axis=0)
    return float(original @ ours / np.linalg.norm(original) / np.linalg.norm(ours))


def _voice(generator: np.random.Generator) -> np.ndarray:
    """A buzz of wandering pitch through moving resonances, with pauses and a little noise."""
    count = int(generator.uniform(1, 12) * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    pitch = generator.uniform(80, 260) * (1 + 0.1 * np.sin(2 * np.pi * generator.uniform(0.5, 3) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    formants = generator.uniform([300, 900, 2200], [800, 1800, 3000])
    harmonics = [
        sum(np.exp(-(((pitch.mean() * h - f) / 250) ** 2)) for f in formants) * np.sin(h * phase) for h in range(1, 30)
    ]
    envelope = np.clip(np.sin(2 * np.pi * generator.uniform(1, 4) * time) + 0.4, 0, 1)
    sound = np.sum(harmonics, axis=0) * envelope + 0.01 * generator.standard_normal(count)
    return (0.1 * sound / np.abs(sound).max()).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
