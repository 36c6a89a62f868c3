"""From a WeSpeaker checkpoint to the ONNX form of its runtime: `feats` (B, T, 80) → `embs` (B, D).

Needs the packages of requirements-wespeaker.txt, so nothing imports it but what converts.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from audio.checkpoints import Checkpoint, Unconvertible
from audio.fbank import FBANK_BANDS
from audio.onnx import load_session, sha256_of
from audio.parity import FRAMES_PER_SECOND, Embeddings, Features, Parity, compared
from audio.toolkit import get_speaker_model, torch

OPSET: Final = 17
TRACED_FRAMES: Final = 200
REQUIRED_COSINE: Final = 0.9999
PARITY_LENGTHS: Final = 20
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 15.0
# About what log mel energies without their mean vary by.
FEATURE_DEVIATION: Final = 3.0
# Training heads, which tell the speakers of the training set apart and are of no use to others.
PROJECTION: Final = "projection"


class PartsDiffer(Unconvertible):
    """The converted model does not embed as the original does."""

    def __init__(self, parity: Parity, required_cosine: float) -> None:
        self.parity, self.required_cosine = parity, required_cosine
        super().__init__(f"its embeddings are not those of the checkpoint: {parity}; required {required_cosine}")


def convert(checkpoint: Checkpoint, target: Path) -> Parity:
    """Write the ONNX file, and say how well it agrees with PyTorch. Raises Unconvertible, PartsDiffer."""
    network = load_network(checkpoint)
    _export(network, target)
    parity = _parity(network, target)
    if not parity.lowest_cosine >= REQUIRED_COSINE:
        raise PartsDiffer(parity, REQUIRED_COSINE)
    return parity


def load_network(checkpoint: Checkpoint) -> Any:
    """The PyTorch module, which gives embeddings and nothing else. Raises Unconvertible."""
    try:
        network = get_speaker_model(checkpoint.architecture)(**checkpoint.arguments)
    # The package ends the process when it does not know a name.
    except (SystemExit, AttributeError, TypeError, ValueError) as error:
        raise Unconvertible(f"the wespeaker package cannot build {checkpoint.architecture}: {error}") from error
    _load_weights(network, checkpoint.weights)
    network.register_forward_hook(lambda module, given, result: result[-1] if isinstance(result, tuple) else result)
    return network.eval()


def _load_weights(network: Any, file: Path) -> None:
    """Raises Unconvertible unless the file has tensors alone, and each one that the network has."""
    try:
        # The package's own load_checkpoint would run code that a checkpoint brings along.
        stored = torch.load(file, map_location="cpu", weights_only=True)
        tensors = stored.get("state_dict", stored)
        needed = {name: tensor for name, tensor in tensors.items() if not name.startswith(PROJECTION)}
        network.load_state_dict(needed)
    except pickle.UnpicklingError as error:
        raise Unconvertible(f"{file.name} holds other things than tensors, or is broken") from error
    except (RuntimeError, EOFError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unconvertible(f"{file.name} does not fit the model: {str(error)[:500]}") from error


def _export(network: Any, target: Path) -> None:
    with warnings.catch_warnings():
        # The exporter that follows traces, which these models need for lengths that vary, announces its end.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, TRACED_FRAMES, FBANK_BANDS),),
            str(target),
            input_names=["feats"],
            output_names=["embs"],
            dynamic_axes={"feats": {0: "B", 1: "T"}, "embs": {0: "B"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _parity(network: Any, target: Path) -> Parity:
    session = load_session(target, sha256_of(target))
    return compared((f, _embedded(network, f), session.run(["embs"], {"feats": f})[0]) for f in random_features())


def _embedded(network: Any, features: Features) -> Embeddings:
    with torch.inference_mode():
        embeddings: Embeddings = network(torch.from_numpy(features)).numpy()
    return embeddings


def random_features() -> Iterator[Features]:
    """Of random lengths, the shortest and the longest among them, shape (1, T, 80), and of two recordings at once."""
    generator = np.random.default_rng(17)
    between = generator.uniform(SHORTEST_SECONDS, LONGEST_SECONDS, PARITY_LENGTHS - 2)
    for batch, seconds in ((2, SHORTEST_SECONDS), (1, LONGEST_SECONDS), *((1, seconds) for seconds in between)):
        shape = (batch, int(seconds * FRAMES_PER_SECOND), FBANK_BANDS)
        yield (FEATURE_DEVIATION * generator.standard_normal(shape)).astype(np.float32)
