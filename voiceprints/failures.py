"""Why something failed, as plain values that a job keeps, and as the error again for whoever has to say it."""

from __future__ import annotations

from typing import Any

from audio.errors import KINDS, AudioError
from voiceprints import errors
from voiceprints.errors import EngineFailed, VoiceprintError, printable


def to_wire(error: Exception) -> dict[str, Any]:
    numbers = error.numbers if isinstance(error, AudioError) else vars(error)
    return {"kind": type(error).__name__, "numbers": {name: _storable(value) for name, value in numbers.items()}}


def from_wire(message: dict[str, Any]) -> Exception:
    """The same error. One that this version no longer knows becomes EngineFailed."""
    if message["kind"] in KINDS:
        return AudioError.from_wire(message)
    kind = getattr(errors, message["kind"], None)
    if isinstance(kind, type) and issubclass(kind, VoiceprintError):
        return kind(**message["numbers"])
    return EngineFailed(message["kind"])


def _storable(value: Any) -> Any:
    """What a decoder says of a hostile recording may hold anything."""
    return printable(value) if isinstance(value, str) else value
