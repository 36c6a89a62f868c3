"""The speaker models this library knows: plain facts, importable without a model runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"
DEFAULT_MODEL: Final = "ge2e"


class UnknownModel(KeyError):
    """No model of this name is in the catalogue."""


@dataclass(frozen=True)
class SpeakerModel:
    name: str
    dimension: int
    file: str
    sha256: str
    licence: str
    source: str

    @property
    def path(self) -> Path:
        return WEIGHTS_FOLDER / self.file


GE2E: Final = SpeakerModel(
    name="ge2e",
    dimension=256,
    file="ge2e.onnx",
    sha256="ec8e395f446a86f8584258dd5076a233e65c5c2f9a299891e2ebfc56c1bba619",
    licence="Apache-2.0",
    source="resemblyzer 0.1.4, https://github.com/resemble-ai/Resemblyzer",
)

CATALOGUE: Final = {model.name: model for model in (GE2E,)}


def find_model(name: str) -> SpeakerModel:
    """Raises UnknownModel."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise UnknownModel(name) from None
