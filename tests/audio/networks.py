"""Small speaker networks in the form of WeSpeaker's runtime models, made on the spot: no weights lie about for them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from audio.fbank import FBANK_BANDS, fbank, without_channel
from audio.results import Samples
from tests.audio.recordings import VOICES, spoken

HIDDEN = 96
FLOATS = onnx.TensorProto.FLOAT


def write_network(
    path: Path,
    *,
    dimension: int = 32,
    seed: int = 1,
    bands: int = FBANK_BANDS,
    frames: str | int = "T",
    names: tuple[str, str] = ("feats", "embs"),
) -> Path:
    """Statistics over time of a random layer, turned by a random matrix that depends on `seed`.

    It tells the sample voices apart: what all of them have in common is taken away, which leaves what differs.
    """
    first, common, second = _weights(dimension, seed, bands)
    weights = {"first": first, "common": common, "second": second, "tiny": np.float32(1e-6)}
    feats, embs = names
    steps = [
        helper.make_node("MatMul", [feats, "first"], ["projected"]),
        helper.make_node("Relu", ["projected"], ["hidden"]),
        helper.make_node("ReduceMean", ["hidden"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Add", ["mean", "tiny"], ["positive"]),
        helper.make_node("Log", ["positive"], ["statistics"]),
        helper.make_node("Sub", ["statistics", "common"], ["own"]),
        helper.make_node("MatMul", ["own", "second"], [embs]),
    ]
    graph = helper.make_graph(
        steps,
        "statistics",
        [helper.make_tensor_value_info(feats, FLOATS, ["B", frames, bands])],
        [helper.make_tensor_value_info(embs, FLOATS, ["B", dimension])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@cache
def _weights(dimension: int, seed: int, bands: int) -> tuple[NDArray[np.float32], ...]:
    generator = np.random.default_rng(seed)
    first = generator.standard_normal((bands, HIDDEN)).astype(np.float32)
    second = generator.standard_normal((HIDDEN, dimension)).astype(np.float32)
    statistics = [_statistics(spoken(voice, number), first) for voice in VOICES for number in (3, 4)]
    return first, np.mean(statistics, axis=0).astype(np.float32), second


def _statistics(samples: Samples, first: NDArray[np.float32]) -> NDArray[np.float32]:
    features = np.resize(without_channel(fbank(samples)), (len(samples) // 160, len(first)))
    return np.log(np.maximum(features @ first, 0).mean(axis=0) + 1e-6)
