"""Models are installed whole or not at all, for their owner alone, and are what their cards say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audio.catalogue import GE2E
from audio.errors import ModelExists, ModelMissing, UnusableModel, WeightsChanged
from audio.onnx import sha256_of
from audio.store import BUNDLED, ModelCard, ModelStore
from tests.audio.networks import write_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "home" / "models")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_network(tmp_path / "weights.onnx")


def card_of(weights: Path, name: str = "mine", **more: object) -> ModelCard:
    return ModelCard(name, "wespeaker", 32, sha256_of(weights), weights.stat().st_size, **more)


def test_the_bundled_model_is_always_there(store: ModelStore) -> None:
    assert store.names() == ["ge2e"]
    assert store.find("ge2e") == BUNDLED
    assert store.weights_of("ge2e").stat().st_size == BUNDLED.size_bytes
    assert sha256_of(store.weights_of("ge2e")) == BUNDLED.sha256 == GE2E.sha256


def test_what_was_installed_is_found_with_its_card(store: ModelStore, weights: Path) -> None:
    card = card_of(weights, licence="CC BY 4.0", language="中文", source="here", details={"parity": 0.99999})

    store.install(weights, card)

    assert store.names() == ["ge2e", "mine"]
    assert store.find("mine") == card
    assert store.weights_of("mine").read_bytes() == weights.read_bytes()


def test_it_is_its_owners_alone(store: ModelStore, weights: Path) -> None:
    store.install(weights, card_of(weights))

    folder = store.folder / "mine"
    assert {store.folder.stat().st_mode & 0o777, folder.stat().st_mode & 0o777} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_file_that_is_not_the_one_of_its_card_is_not_installed(store: ModelStore, weights: Path) -> None:
    card = card_of(weights)
    weights.write_bytes(weights.read_bytes() + b"\0")

    with pytest.raises(WeightsChanged, match=card.sha256):
        store.install(weights, card)

    assert store.names() == ["ge2e"]
    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_another_file_does_not_take_the_place_of_one_that_is_installed(
    store: ModelStore, weights: Path, tmp_path: Path
) -> None:
    store.install(weights, card_of(weights))
    other = write_network(tmp_path / "other.onnx", seed=2)

    with pytest.raises(ModelExists, match=sha256_of(weights)):
        store.install(other, card_of(other))

    assert store.find("mine").sha256 == sha256_of(weights)


@pytest.mark.parametrize("part", ["model.onnx", "card.json"])
def test_what_was_damaged_is_mended_by_installing_it_again(store: ModelStore, weights: Path, part: str) -> None:
    store.install(weights, card_of(weights))
    (store.folder / "mine" / part).write_bytes(b"damaged")

    store.install(weights, card_of(weights))

    assert store.find("mine") == card_of(weights)
    assert store.weights_of("mine").read_bytes() == weights.read_bytes()


SPOILT_CARDS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"mine"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"name": "mine"}',
    {"name": "another"},
    {"name": None},
    {"engine": ["wespeaker"]},
    {"engine": "\ud800"},
    {"dimension": "32"},
    {"dimension": True},
    {"dimension": 0},
    {"dimension": 10**30},
    {"sha256": None},
    {"sha256": "tomorrow"},
    {"size_bytes": 1.5},
    {"licence": {}},
    {"details": "none"},
]


@pytest.mark.parametrize("spoilt", SPOILT_CARDS, ids=lambda spoilt: str(spoilt)[:40])
def test_a_card_that_cannot_be_meant_is_named_in_one_line(store: ModelStore, weights: Path, spoilt: object) -> None:
    store.install(weights, card_of(weights))
    path = store.folder / "mine" / "card.json"
    said = spoilt if isinstance(spoilt, bytes) else json.dumps(json.loads(path.read_text()) | spoilt).encode()
    path.write_bytes(said)

    with pytest.raises(UnusableModel, match=r"mine/card\.json cannot be read .*install the model again$") as refused:
        store.find("mine")
    assert len(str(refused.value).splitlines()) == 1


def test_a_card_of_a_later_version_is_read(store: ModelStore, weights: Path) -> None:
    store.install(weights, card_of(weights))
    path = store.folder / "mine" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "green"}))

    assert store.find("mine") == card_of(weights)


def test_a_missing_model_says_how_to_get_it(store: ModelStore) -> None:
    with pytest.raises(ModelMissing, match="models fetch resnet34"):
        store.find("resnet34")


def test_a_removed_model_is_gone(store: ModelStore, weights: Path) -> None:
    store.install(weights, card_of(weights))

    store.remove("mine")

    assert store.names() == ["ge2e"]
    assert [path.name for path in store.folder.iterdir()] == [".lock"]


@pytest.mark.parametrize("name", ["ge2e", "nobody"])
def test_what_is_not_in_the_folder_cannot_be_removed(store: ModelStore, name: str) -> None:
    with pytest.raises(ModelMissing):
        store.remove(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../ge2e", "a/b", ".hidden", "a b", "a\n", "-x", "声纹", "x" * 101])
def test_a_name_that_is_no_folder_of_its_own_is_refused(store: ModelStore, weights: Path, name: str) -> None:
    with pytest.raises(UnusableModel, match="cannot be a model's name"):
        store.install(weights, card_of(weights, name))
    with pytest.raises(UnusableModel, match="cannot be a model's name"):
        store.find(name)


DIES_HALFWAY = """
import os, sys
from pathlib import Path
from audio import store

def die(*_): os._exit(9)

setattr(store, sys.argv[3], die)
weights = Path(sys.argv[2])
from audio.onnx import sha256_of
card = store.ModelCard("mine", "wespeaker", 32, sha256_of(weights), 1)
store.ModelStore(Path(sys.argv[1])).install(weights, card)
"""


@pytest.mark.parametrize("step", ["_refuse_another_file", "_write_down", "to_disk"])
def test_a_process_that_dies_while_it_installs_leaves_nothing_that_counts(
    store: ModelStore, weights: Path, step: str
) -> None:
    died = subprocess.run([sys.executable, "-c", DIES_HALFWAY, store.folder, weights, step], cwd=ROOT, check=False)
    assert died.returncode == 9
    assert store.names() == ["ge2e"]
    assert len(list(store.folder.glob(".mine.*"))) == 1

    store.install(weights, card_of(weights))

    assert list(store.folder.glob(".mine.*")) == []
    assert store.find("mine") == card_of(weights)


def test_one_process_at_a_time_is_busy_with_a_model(store: ModelStore) -> None:
    with (
        store.busy_with("mine"),
        store.busy_with("another"),
        pytest.raises(ModelExists, match="another process is fetching mine"),
        store.busy_with("mine"),
    ):
        pytest.fail("two at once")
    with store.busy_with("mine"):
        pass
