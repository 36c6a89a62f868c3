"""Checkpoints of the wespeaker package, made on the spot: random weights, but real architectures and settings.

Needs the packages of requirements-wespeaker.txt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from audio.checkpoints import CONFIG_FILE, WEIGHTS_FILE
from audio.decode import decode
from audio.toolkit import get_speaker_model, kaldi, torch

SAMPLES: Final = Path(__file__).parent.parent / "voiceprints" / "samples"

ARCHITECTURES: Final = {
    "CAMPPlus": {"feat_dim": 80, "embed_dim": 512, "pooling_func": "TSTP"},
    "ECAPA_TDNN_GLOB_c512": {"feat_dim": 80, "embed_dim": 192, "pooling_func": "ASTP"},
    "ResNet34": {"feat_dim": 80, "embed_dim": 256, "pooling_func": "TSTP", "two_emb_layer": False},
}


def write_checkpoint(folder: Path, architecture: str, **changes: Any) -> Path:
    """A folder such as the toolkit's training leaves; `changes` replace settings of the configuration."""
    arguments = ARCHITECTURES[architecture]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(yaml.safe_dump(configuration(architecture, arguments) | changes))
    torch.save(random_network(architecture, arguments).state_dict(), folder / WEIGHTS_FILE)
    return folder


def configuration(architecture: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the toolkit's recipe for VoxCeleb writes, as far as it is about the model."""
    return {
        "model": architecture,
        "model_args": arguments,
        "projection_args": {"project_type": "arc_margin", "scale": 32.0, "easy_margin": False},
        "dataset_args": {
            "fbank_args": {"num_mel_bins": 80, "frame_shift": 10, "frame_length": 25, "dither": 1.0},
            "num_frms": 200,
            "speed_perturb": True,
            "aug_prob": 0.6,
        },
    }


def random_network(architecture: str, arguments: dict[str, Any]) -> torch.nn.Module:
    """Random weights, with a training head, that tell the sample voices apart as a trained network would.

    Left as they are drawn, they give every recording nearly the same embedding, and no test knows right from wrong.
    """
    torch.manual_seed(4)
    network = get_speaker_model(architecture)(**arguments)
    features = sample_features()
    with torch.no_grad():
        _normalise_by(network, features)
        if hasattr(network, "seg_1"):
            network.seg_1.bias -= network(features)[-1].mean(dim=0)
    network.projection = torch.nn.Linear(arguments["embed_dim"], 10)
    return network


def _normalise_by(network: torch.nn.Module, features: torch.Tensor) -> None:
    """As if the network had been trained on these features and nothing else."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(features)
    network.eval()


def sample_features(frames: int = 200) -> torch.Tensor:
    """The first two seconds of every sample voice, shape (voices, frames, 80)."""
    voices = [decode(file.read_bytes()).samples for file in sorted(SAMPLES.glob("*/1.opus"))]
    return torch.stack([torchaudio_features(voice)[:frames] for voice in voices])


def torchaudio_features(samples: np.ndarray) -> torch.Tensor:
    """What the wespeaker package computes, shape (T, 80)."""
    scaled = torch.from_numpy(samples)[None] * 2**15
    features = kaldi.fbank(scaled, num_mel_bins=80, sample_frequency=16_000, window_type="hamming")
    return features - features.mean(dim=0)
