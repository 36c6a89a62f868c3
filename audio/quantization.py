"""Smaller forms of a model, and what they cost in accuracy. Needs the packages of requirements-wespeaker.txt."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from audio.errors import UnusableModel
from audio.fbank import Window, fbank, without_channel
from audio.onnx import load_session, sha256_of
from audio.parity import FRAMES_PER_SECOND, Parity, compared
from audio.results import Samples

Precision = Literal["int8", "float16"]
PRECISIONS: Final[tuple[Precision, ...]] = ("int8", "float16")
REQUIRED_COSINE: Final = 0.999
SHORTEST_FRAMES: Final = FRAMES_PER_SECOND
QUANTIZED_OPERATIONS: Final = ["Conv", "Gemm", "MatMul"]

Features = NDArray[np.float32]


class AccuracyLost(UnusableModel):
    """The smaller form embeds otherwise than the original."""

    def __init__(self, parity: Parity, required_cosine: float) -> None:
        self.parity, self.required_cosine = parity, required_cosine
        super().__init__(f"its embeddings are not those of the original: {parity}; required {required_cosine}")


def quantize(source: Path, target: Path, precision: Precision, voices: Sequence[Samples], window: Window) -> Parity:
    """Write the smaller form of a WeSpeaker runtime model, calibrated on `voices`, and compare it on pieces of them.

    Raises AccuracyLost, UnusableModel.
    """
    heard = [without_channel(fbank(samples, window))[np.newaxis] for samples in voices]
    if precision == "int8":
        _to_int8(source, target, heard)
    else:
        onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
    parity = compared_on(source, target, heard)
    if not parity.lowest_cosine >= REQUIRED_COSINE:
        raise AccuracyLost(parity, REQUIRED_COSINE)
    return parity


def compared_on(source: Path, target: Path, heard: Sequence[Features]) -> Parity:
    original, smaller = (load_session(path, sha256_of(path)) for path in (source, target))
    given = original.get_inputs()[0].name
    return compared(
        (features, original.run(None, {given: features})[0], smaller.run(None, {given: features})[0])
        for features in _pieces(heard)
    )


def _pieces(heard: Sequence[Features]) -> Iterator[Features]:
    """Each recording whole, and a piece of it of a random length from a second on."""
    generator = np.random.default_rng(8)
    for features in heard:
        yield features
        yield features[:, : generator.integers(SHORTEST_FRAMES, features.shape[1])]


def _to_int8(source: Path, target: Path, heard: Sequence[Features]) -> None:
    """Activations of eight bits and weights of seven: QDQ, each channel with a scale of its own.

    With eight, processors without VNNI saturate in adding up, and one file embeds differently from machine to machine.
    """
    with tempfile.TemporaryDirectory() as folder, _quietly():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Calibration(onnx.load(source).graph.input[0].name, heard),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=QUANTIZED_OPERATIONS,
        )


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, heard: Sequence[Features]) -> None:
        self._batches = iter([{name: features} for features in heard])

    def get_next(self) -> Any:
        return next(self._batches, None)


class _quietly:  # noqa: N801 - read as a word
    """Its advice to prepare the model comes although the model was prepared."""

    def __enter__(self) -> None:
        self._level = logging.root.level
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
