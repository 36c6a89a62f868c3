"""Smaller forms of a model are made only where they embed nearly the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.extra import require_wespeaker

require_wespeaker()

from audio.encoders import open_encoder  # noqa: E402
from audio.onnx import sha256_of  # noqa: E402
from audio.quantization import AccuracyLost, quantize  # noqa: E402
from audio.results import Waveform  # noqa: E402
from tests.audio.recordings import VOICES, spoken  # noqa: E402

pytestmark = pytest.mark.wespeaker

SOUNDS = [spoken(voice) for voice in VOICES]


@pytest.fixture
def convolutions(tmp_path: Path) -> Path:
    """Two layers over time and their mean: sums of many small things, which eight bits keep."""
    return written(tmp_path / "convolutions.onnx", spread=1.0)


@pytest.fixture
def delicate(tmp_path: Path) -> Path:
    """The same, but what makes the embedding is the last thousandth of each figure."""
    return written(tmp_path / "delicate.onnx", spread=1e-3)


def written(path: Path, spread: float) -> Path:
    generator = np.random.default_rng(7)
    first = generator.standard_normal((64, 80, 3)).astype(np.float32)
    second = generator.standard_normal((32, 64, 1)).astype(np.float32)
    steps = [
        helper.make_node("Transpose", ["feats"], ["bands"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["bands", "first"], ["wide"]),
        helper.make_node("Mul", ["wide", "spread"], ["narrow"]),
        helper.make_node("Add", ["narrow", "one"], ["shifted"]),
        helper.make_node("Relu", ["shifted"], ["hidden"]),
        helper.make_node("Conv", ["hidden", "second"], ["last"]),
        helper.make_node("ReduceMean", ["last"], ["mean"], axes=[2], keepdims=0),
        helper.make_node("Sub", ["mean", "common"], ["embs"]),
    ]
    weights = {
        "first": first,
        "second": second,
        "spread": np.float32(spread),
        "one": np.float32(1),
        "common": second.sum(axis=(1, 2)) * np.float32(spread < 1),
    }
    graph = helper.make_graph(
        steps,
        "convolutions",
        [helper.make_tensor_value_info("feats", onnx.TensorProto.FLOAT, ["B", "T", 80])],
        [helper.make_tensor_value_info("embs", onnx.TensorProto.FLOAT, ["B", 32])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def embedded(path: Path) -> np.ndarray:
    return open_encoder("wespeaker", "any", path, sha256_of(path)).embed(Waveform(spoken("klaus", 3)))


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_a_smaller_form_embeds_nearly_the_same(convolutions: Path, tmp_path: Path, precision: str) -> None:
    parity = quantize(convolutions, tmp_path / "smaller.onnx", precision, SOUNDS, "hamming")

    assert 0.999 <= parity.lowest_cosine < 1
    assert parity.lengths == 2 * len(VOICES)
    assert embedded(convolutions) @ embedded(tmp_path / "smaller.onnx") >= 0.999
    assert (tmp_path / "smaller.onnx").stat().st_size < 0.6 * convolutions.stat().st_size


def test_one_that_loses_accuracy_is_refused_with_its_figures(delicate: Path, tmp_path: Path) -> None:
    with pytest.raises(AccuracyLost, match=r"lowest cosine -?0\.\d+ .* required 0\.999") as refused:
        quantize(delicate, tmp_path / "smaller.onnx", "int8", SOUNDS, "hamming")

    assert refused.value.parity.lowest_cosine < 0.999
