"""A second speaker model for tests of changing from one to the other, made on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio.onnx import sha256_of
from audio.store import ModelCard
from tests.audio.networks import write_network
from voiceprints import installed

TINY = "tiny"
DIMENSION = 32


@pytest.fixture
def tiny(db: None, tmp_path: Path) -> str:
    """Installed, under the name that it returns."""
    install_tiny(tmp_path)
    return TINY


def install_tiny(folder: Path) -> None:
    path = write_network(folder / "tiny.onnx", dimension=DIMENSION)
    card = ModelCard(TINY, "wespeaker", DIMENSION, sha256_of(path), path.stat().st_size)
    installed.install(path, card)
