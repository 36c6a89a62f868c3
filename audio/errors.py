"""Why a recording could not be measured, or not with a model. None knows of HTTP or of a vendor."""

from __future__ import annotations

from typing import Any


class AudioError(Exception):
    """A recording that cannot be used, with its numbers: the keyword arguments it was raised with."""

    def __init__(self, **numbers: Any) -> None:
        self.numbers = numbers
        super().__init__(", ".join(f"{name}={value}" for name, value in numbers.items()))

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["numbers"][name]
        except KeyError:
            raise AttributeError(name) from None

    def to_wire(self) -> dict[str, Any]:
        return {"kind": type(self).__name__, "numbers": self.numbers}

    @staticmethod
    def from_wire(message: dict[str, Any]) -> AudioError:
        return KINDS[message["kind"]](**message["numbers"])


class Undecodable(AudioError):
    """No audio could be read: not a recording, a broken file, or a codec nobody knows. Carries `reason`."""


class Unrecognised(Undecodable):
    """Not a recording, as far as its beginning tells, or of a kind nobody here reads."""


class Damaged(Undecodable):
    """Begun as a recording that we know, and not readable further on."""


class UnexpectedContainer(AudioError):
    """A recording, but not in a container that the sender may use: `found`, `expected`."""


class UnexpectedLayout(AudioError):
    """Another sample rate, number of channels or of bits than the sender may use: `what`, `found`, `expected`."""


class TooLarge(AudioError):
    """More bytes than accepted: `size_bytes`, `limit_bytes`."""


class TooLong(AudioError):
    """Longer than accepted, by its header or by what was decoded: `seconds`, `limit_seconds`."""


class TooShort(AudioError):
    """Shorter than any recording worth hearing: `seconds`, `required_seconds`."""


class TooExpensive(AudioError):
    """Decoding used up its processor time: `cpu_seconds`, `limit_seconds`."""


class NotEnoughSpeech(AudioError):
    """Too little speech for an embedding: `speech_seconds`, `required_seconds`."""


class PoorQuality(AudioError):
    """Speech too damaged to carry an identity. Carries `reason` and the figure behind it."""


KINDS: dict[str, type[AudioError]] = {
    kind.__name__: kind
    for kind in (
        Undecodable,
        Unrecognised,
        Damaged,
        UnexpectedContainer,
        UnexpectedLayout,
        TooLarge,
        TooLong,
        TooShort,
        TooExpensive,
        NotEnoughSpeech,
        PoorQuality,
    )
}


class ModelError(Exception):
    """A speaker model that cannot be used here. The text names the file, and what to do about it."""


class ModelMissing(ModelError):
    """No model of this name is installed on this machine, or its weights cannot be read."""


class ModelExists(ModelError):
    """Another model of this name is."""


class UnusableModel(ModelError):
    """Not a speaker model that we run, or damaged."""


class WeightsChanged(ModelError):
    """A weight file is not the one whose sha256 is pinned."""


class ProviderUnavailable(ModelError):
    """ONNX Runtime cannot run anything on what was asked for."""
