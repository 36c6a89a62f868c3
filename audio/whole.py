"""ONNX files that leave their weights to files beside them, as newer exporters write them, made whole again.

An ONNX file is one protobuf message. Only the messages on the way to a tensor are read, by the field numbers of
onnx.proto, and all else is copied as it is: the onnx package, which knows more, is needed by no server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio.errors import UnusableModel

VARINT, EIGHT_BYTES, SIZED, FOUR_BYTES = 0, 1, 2, 5
FIXED_SIZES: Final = {EIGHT_BYTES: 8, FOUR_BYTES: 4}

# By message, the fields that lead to a tensor, and what is in them.
WAYS: Final[Mapping[str, Mapping[int, str]]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 9, 13, 14
KEY, VALUE = 1, 2

# Protobuf itself goes no further.
MOST_BYTES: Final = (1 << 31) - 1


class Malformed(ValueError):
    """No protobuf message."""


@dataclass(frozen=True)
class Field:
    """`content`: the bytes of one that is SIZED; `encoded`: all of it, with its number."""

    number: int
    kind: int
    content: memoryview
    encoded: memoryview


def whole(path: Path, target: Path) -> Path:
    """The file itself, or `target`, a copy with the weights that it leaves to other files of its folder.

    What is no ONNX file at all is left to whoever loads it. Raises UnusableModel, OSError.
    """
    try:
        model = memoryview(path.read_bytes())
        if not _leaves_weights(model, "Model"):
            return path
    except (Malformed, RecursionError):
        return path
    completed = _completed(model, "Model", Neighbours(path))
    if len(completed) > MOST_BYTES:
        raise UnusableModel(f"{path} has {len(completed)} bytes with its weights, more than an ONNX file can")
    target.write_bytes(completed)
    return target


@dataclass(frozen=True)
class Neighbours:
    """The files in the folder of a model's file, which hold its weights."""

    model: Path

    def weights(self, said: Mapping[str, str]) -> bytes:
        """What is written in them where a tensor says. Raises UnusableModel."""
        path = self._inside(said.get("location", ""))
        try:
            size = path.stat().st_size
            begin = int(said.get("offset", 0))
            end = begin + int(said.get("length", size - begin))
            if not 0 <= begin <= end <= size:
                raise UnusableModel(f"{path} has {size} bytes, and {self.model} looks for weights up to {end}")
            with path.open("rb") as file:
                file.seek(begin)
                return file.read(end - begin)
        except OSError as error:
            raise UnusableModel(
                f"{self.model} leaves weights to {path} ({(error.strerror or str(error)).lower()}): put that file "
                "beside it, or export the model into one file"
            ) from None
        except ValueError:
            raise UnusableModel(f"{self.model} does not say where in {path} its weights are") from None

    def _inside(self, location: str) -> Path:
        folder = self.model.parent.resolve()
        path = folder / location
        if not location or "\0" in location or not path.resolve().is_relative_to(folder):
            raise UnusableModel(f"{self.model} leaves weights to {location!r:.200}, which is not in its folder")
        return path


def _leaves_weights(message: memoryview, kind: str) -> bool:
    if kind == "Tensor":
        return any(field.number == EXTERNAL_DATA for field in _fields(message))
    ways = WAYS[kind]
    return any(_leaves_weights(field.content, ways[field.number]) for field in _fields(message) if field.number in ways)


def _completed(message: memoryview, kind: str, neighbours: Neighbours) -> bytes:
    if kind == "Tensor":
        return _completed_tensor(message, neighbours)
    ways = WAYS[kind]
    parts: list[bytes | memoryview] = []
    for field in _fields(message):
        if field.number in ways:
            parts += _sized(field.number, _completed(field.content, ways[field.number], neighbours))
        else:
            parts.append(field.encoded)
    return b"".join(parts)


def _completed_tensor(message: memoryview, neighbours: Neighbours) -> bytes:
    fields = list(_fields(message))
    said = dict(_entry(field.content) for field in fields if field.number == EXTERNAL_DATA)
    if not said:
        return bytes(message)
    kept = [one.encoded for one in fields if one.number not in {RAW_DATA, EXTERNAL_DATA, DATA_LOCATION}]
    return b"".join([*kept, *_sized(RAW_DATA, neighbours.weights(said))])


def _entry(message: memoryview) -> tuple[str, str]:
    found = {field.number: str(field.content, "utf-8", "replace") for field in _fields(message)}
    return found.get(KEY, ""), found.get(VALUE, "")


def _fields(message: memoryview) -> Iterator[Field]:
    """Raises Malformed."""
    at = 0
    while at < len(message):
        tag, begin = _varint(message, at)
        kind, end = tag & 7, begin
        if kind == SIZED:
            length, begin = _varint(message, begin)
            end = begin + length
        elif kind == VARINT:
            _, end = _varint(message, begin)
        elif kind in FIXED_SIZES:
            end = begin + FIXED_SIZES[kind]
        if (end == begin and kind != SIZED) or end > len(message):
            raise Malformed
        yield Field(tag >> 3, kind, message[begin:end], message[at:end])
        at = end


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number, and where the next thing begins. Raises Malformed."""
    number = 0
    for position, byte in enumerate(message[at : at + 10]):
        number |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return number, at + position + 1
    raise Malformed


def _sized(number: int, content: bytes) -> list[bytes]:
    return [_as_varint(number << 3 | SIZED), _as_varint(len(content)), content]


def _as_varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
