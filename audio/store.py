"""The speaker models of one machine: a folder of each, with its weights and a card that says what they are.

Nothing here loads a model, so a web process may look.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from audio.catalogue import GE2E
from audio.errors import ModelExists, ModelMissing, UnusableModel, WeightsChanged

# Each process keeps so many loaded: several tenants' models, or two while a tenant changes from one to the other.
ENCODERS_KEPT: Final = 3
WEIGHTS: Final = "model.onnx"
CARD: Final = "card.json"
PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
CHUNK_BYTES: Final = 1 << 20
# It names a folder and a row, and is typed on command lines.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
# No more fit into a column of vectors.
MOST_DIMENSIONS: Final = 16_000


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model's weights. `engine` says how they are run; `source` where they came from, in words.

    `added` is a moment in ISO 8601, UTC; `details` is what whoever made the file wants to be remembered, as plain JSON.
    """

    name: str
    engine: str
    dimension: int
    sha256: str
    size_bytes: int
    licence: str = ""
    language: str = ""
    source: str = ""
    added: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """What another version knows beside is left out. Raises ValueError or TypeError for no card."""
        said = json.loads(text)
        if not isinstance(said, dict):
            raise TypeError("no table")
        known = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        _refuse_other_kinds(known)
        card = cls(**known)
        if not (1 <= card.dimension <= MOST_DIMENSIONS and SHA256.fullmatch(card.sha256)):
            raise ValueError(f"dimension {card.dimension!r:.40}, sha256 {card.sha256!r:.70}")
        return card


KIND_OF: Final = {"dimension": int, "size_bytes": int, "details": dict}
"""Of the fields of a card that are no text."""


def _refuse_other_kinds(known: Mapping[str, Any]) -> None:
    """Raises TypeError, ValueError."""
    for name, value in known.items():
        if type(value) is not KIND_OF.get(name, str):
            raise TypeError(f"{name} is {value!r:.40}")
    # Halves of characters, which JSON lets through, can be shown and stored nowhere.
    json.dumps(known, ensure_ascii=False).encode()


BUNDLED: Final = ModelCard(
    name=GE2E.name,
    engine="ge2e",
    dimension=GE2E.dimension,
    sha256=GE2E.sha256,
    size_bytes=5_700_138,
    licence=GE2E.licence,
    language="en",
    source=GE2E.source,
)


class ModelStore:
    """Models under `folder`, beside the bundled one, which is always there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Of all that are installed, the bundled one first."""
        found = sorted(path.parent.name for path in self.folder.glob(f"*/{CARD}"))
        return [BUNDLED.name, *(name for name in found if NAME.fullmatch(name))]

    def find(self, name: str) -> ModelCard:
        """Raises ModelMissing, UnusableModel."""
        if name == BUNDLED.name:
            return BUNDLED
        path = self._folder_of(name) / CARD
        try:
            card = ModelCard.from_json(path.read_text("utf-8"))
        except FileNotFoundError:
            raise ModelMissing(
                f"model {name!r} is not installed on this machine, {path} is missing: `manage.py models fetch {name}` "
                "installs it, or `models add` if the file is your own"
            ) from None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise UnusableModel(f"{path} cannot be read ({error}); install the model again") from None
        if card.name != name:
            raise UnusableModel(f"{path} cannot be read (the name is {card.name!r:.40}); install the model again")
        return card

    def has(self, name: str) -> bool:
        return name == BUNDLED.name or (self._folder_of(name) / CARD).exists()

    def weights_of(self, name: str) -> Path:
        """Where they lie, if it is installed."""
        return GE2E.path if name == BUNDLED.name else self._folder_of(name) / WEIGHTS

    def install(self, weights: Path, card: ModelCard) -> None:
        """Copy the weights in, all or nothing, also when the machine loses its power meanwhile.

        The same weights under the same name change nothing but the card. Raises ModelExists for others, WeightsChanged
        when the file is not the one of the card, and OSError.
        """
        refuse_unfit_name(card.name)
        with self._changing():
            self._refuse_another(card)
            draft = self.folder / f".{card.name}.{secrets.token_hex(4)}"
            draft.mkdir(mode=PRIVATE_FOLDER)
            try:
                _refuse_another_file(_copied(weights, draft / WEIGHTS), card)
                _write_down(draft / CARD, json.dumps(asdict(card), indent=2, ensure_ascii=False))
                to_disk(draft)
                self._put(draft, card.name)
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Raises ModelMissing; nobody removes the bundled one, which is no part of the folder."""
        with self._changing():
            if not self.has(name) or name == BUNDLED.name:
                raise ModelMissing(f"model {name!r} is not installed in {self.folder}")
            self._set_aside(name)

    @contextmanager
    def busy_with(self, name: str) -> Iterator[None]:
        """For one process at a time. Raises ModelExists when another is at it."""
        refuse_unfit_name(name)
        self._prepare()
        with open(os.open(self.folder / f".{name}.lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ModelExists(f"another process is fetching {name} just now; wait for it") from None
            yield

    def _folder_of(self, name: str) -> Path:
        refuse_unfit_name(name)
        return self.folder / name

    def _prepare(self) -> None:
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self.folder.chmod(PRIVATE_FOLDER)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time; what another left behind when it died goes first."""
        self._prepare()
        with open(os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for path in self.folder.glob(".*"):
                if path.is_dir() and path.name != PARTIAL:
                    shutil.rmtree(path, ignore_errors=True)
            yield

    def _refuse_another(self, card: ModelCard) -> None:
        try:
            there = self.find(card.name)
        except (ModelMissing, UnusableModel):
            return
        if there.sha256 != card.sha256:
            raise ModelExists(
                f"another model is installed as {card.name!r}, with sha256 {there.sha256}; choose another name, or "
                "remove it first"
            )

    def _put(self, draft: Path, name: str) -> None:
        """What is mended, because it was damaged, is there at each moment."""
        target = self.folder / name
        if target.exists():
            for part in (WEIGHTS, CARD):
                (draft / part).replace(target / part)
            to_disk(target)
        else:
            draft.rename(target)
        to_disk(self.folder)

    def _set_aside(self, name: str) -> None:
        aside = self.folder / f".{name}.{secrets.token_hex(4)}"
        (self.folder / name).rename(aside)
        to_disk(self.folder)
        shutil.rmtree(aside)


PARTIAL: Final = ".partial"
"""The folder in that of the models where downloads lie that are not complete yet."""


def refuse_unfit_name(name: str) -> None:
    """Raises UnusableModel."""
    if not NAME.fullmatch(name):
        raise UnusableModel(
            f"{name!r} cannot be a model's name: 1 to 100 letters, digits and . _ + -, beginning with a letter or digit"
        )


def _copied(source: Path, target: Path) -> str:
    """The sha256 of what was copied."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, _private(target) as writing:
        while chunk := reading.read(CHUNK_BYTES):
            digest.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


def _refuse_another_file(sha256: str, card: ModelCard) -> None:
    if sha256 != card.sha256:
        raise WeightsChanged(f"the file of {card.name} has sha256 {sha256}, and not {card.sha256}")


def _write_down(path: Path, text: str) -> None:
    with _private(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _private(path: Path) -> Any:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE), "wb")


def to_disk(folder: Path) -> None:
    """What was made or renamed in it is still there after a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
