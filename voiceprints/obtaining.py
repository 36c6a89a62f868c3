"""Getting speaker models onto this machine: from where they are published, or out of a file. They are tried first."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from audio.encoders import open_encoder
from audio.errors import ModelError, ModelMissing, UnusableModel
from audio.fetching import Progress, fetch, resumable_bytes
from audio.onnx import sha256_of
from audio.published import PUBLISHED, PublishedModel, find_published
from audio.store import BUNDLED, PARTIAL, PRIVATE_FILE, PRIVATE_FOLDER, ModelCard
from audio.whole import whole
from voiceprints import installed
from voiceprints.engines import execution
from voiceprints.models import EmbeddingModel
from voiceprints.unpacking import unpack_checkpoint

KNOWN = "known.json"
ENGINE = "wespeaker"
WEIGHTS_SUFFIX = ".onnx"
UNFIT_IN_NAME = re.compile(r"[^A-Za-z0-9._+-]")

Known = dict[str, dict[str, Any]]
"""What was downloaded first, by the name of the model."""


class FileChanged(ModelError):
    """What was fetched is another file than the first time, or than the one that is known to be right."""


class NeedsConversion(ModelError):
    """A checkpoint was fetched and unpacked into `folder`, to be turned into a model called `name`."""

    def __init__(self, *, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        super().__init__(
            f"{name} is published as a PyTorch checkpoint: `make wespeaker` installs what turns it into a model, then "
            f"do this again; it lies unpacked in {folder}, too, for `manage.py models import {folder} --name {name}`"
        )


def published(name: str) -> PublishedModel:
    """Raises ModelMissing."""
    model = find_published(name)
    if model is None:
        raise ModelMissing(f"nobody publishes a model {name!r} that we know; there are {', '.join(PUBLISHED)}")
    return model


def obtain(name: str, progress: Progress, *, accept_changed: bool = False) -> ModelCard:
    """Fetch a published model unless it is here, try it, install it, and make it known to the database.

    Raises ModelError: FetchFailed, FileChanged, UnusableModel, NeedsConversion, or ModelExists while another process
    fetches the same.
    """
    model, store = published(name), installed.store()
    if _is_whole(model.name):
        card = store.find(model.name)
        installed.register(card)
        return card
    with store.busy_with(model.name):
        file = _partial_folder(store.folder) / model.file
        try:
            return _fetched(model, file, progress, accept_changed=accept_changed)
        finally:
            file.unlink(missing_ok=True)


def _fetched(model: PublishedModel, file: Path, progress: Progress, *, accept_changed: bool) -> ModelCard:
    known, address = _known(), model.address(settings.MODEL_MIRROR)
    fetch(address, file, progress)
    sha256 = sha256_of(file)
    _refuse_changed(model, sha256, known, accept_changed=accept_changed)
    if model.kind == "checkpoint":
        folder = _unpacked(file, model.name)
        _remember(model, sha256, address)
        raise NeedsConversion(name=model.name, folder=folder)
    card = _tried(file, ModelCard(model.name, model.engine, 0, sha256, 0, model.licence, model.language, address))
    installed.install(file, card)
    _remember(model, sha256, address)
    return card


def _is_whole(name: str) -> bool:
    """Installed, and not damaged since."""
    store = installed.store()
    try:
        return sha256_of(store.weights_of(name)) == store.find(name).sha256
    except (ModelError, FileNotFoundError):
        return False


def add(
    path: Path,
    name: str = "",
    *,
    engine: str = "",
    licence: str = "",
    language: str = "",
    source: str = "",
    **details: Any,
) -> ModelCard:
    """Install a model's file under a name of one's own, else the file's. Raises ModelError.

    What is not said is as the published model of this name has it.
    """
    if not path.is_file():
        raise ModelMissing(f"there is no file {path}")
    chosen = name or UNFIT_IN_NAME.sub("-", path.name.removesuffix(WEIGHTS_SUFFIX))
    if chosen == BUNDLED.name:
        raise UnusableModel(f"{chosen!r} is the model that comes with the platform; choose another --name")
    alike = find_published(chosen)
    licence, language = licence or (alike.licence if alike else ""), language or (alike.language if alike else "")
    described = source or f"file {path.name}"
    with tempfile.TemporaryDirectory() as drafts:
        file = whole(path, Path(drafts) / path.name)
        sha256 = sha256_of(file)
        engine = engine or _registered_engine(chosen, sha256) or (alike.engine if alike else ENGINE)
        card = _tried(file, ModelCard(chosen, engine, 0, sha256, 0, licence, language, described, details=details))
        installed.install(file, card)
    return card


def what_is_kept(name: str) -> str:
    """Of a fetch of a published model that was stopped, in words; "" where the next one begins anew."""
    model = published(name)
    file = settings.MODELS / PARTIAL / model.file
    folder = file.parent / model.name
    if folder.is_dir():
        return f"{model.name} lies unpacked in {folder}, for `manage.py models import {folder} --name {model.name}`"
    arrived = resumable_bytes(model.address(settings.MODEL_MIRROR), file)
    return f"{arrived} bytes have arrived and are kept, so fetch again to go on" if arrived else ""


def _tried(file: Path, card: ModelCard) -> ModelCard:
    """The card with what only the file knows, once it has embedded something. A file that cannot is of no use."""
    encoder = open_encoder(card.engine, card.name, file, card.sha256, execution())
    now = timezone.now().isoformat(timespec="seconds")
    return replace(card, dimension=encoder.dimension, size_bytes=file.stat().st_size, added=now)


def _partial_folder(folder: Path) -> Path:
    partial = folder / PARTIAL
    partial.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    return partial


def _refuse_changed(model: PublishedModel, sha256: str, known: Known, *, accept_changed: bool) -> None:
    """The first download of all machines is trusted, and later ones must be the same."""
    first = model.sha256 or _registered_sha256(model) or known.get(model.name, {}).get("sha256", sha256)
    if sha256 == first or (accept_changed and not model.sha256):
        return
    mend = "" if model.sha256 else "; if that is meant, `manage.py models fetch NAME --accept-changed` takes it"
    raise FileChanged(f"{model.name} has sha256 {sha256} now, and had {first} before{mend.replace('NAME', model.name)}")


def _registered_sha256(model: PublishedModel) -> str:
    """Of the file that some machine installed, "" where none did. What a checkpoint became is another file than it."""
    if model.kind == "checkpoint":
        return ""
    return EmbeddingModel.objects.filter(pk=model.name).values_list("sha256", flat=True).first() or ""


def _registered_engine(name: str, sha256: str) -> str:
    """By which other machines run this very file, "" where none does."""
    return EmbeddingModel.objects.filter(pk=name, sha256=sha256).values_list("engine", flat=True).first() or ""


def _known() -> Known:
    """Raises UnusableModel."""
    path = settings.MODELS / KNOWN
    try:
        known = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict) or not all(_is_entry(entry) for entry in known.values()):
        raise UnusableModel(f"{path} cannot be read; mend or remove it")
    return known


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("sha256"), str)


def _remember(model: PublishedModel, sha256: str, address: str) -> None:
    entry = {"sha256": sha256, "source": address, "fetched": timezone.now().isoformat(timespec="seconds")}
    draft = settings.MODELS / f"{PARTIAL}/{model.name}.{KNOWN}"
    with _changing_known():
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE), "w") as file:
            json.dump(_known() | {model.name: entry}, file, indent=2)
        draft.replace(settings.MODELS / KNOWN)


@contextmanager
def _changing_known() -> Iterator[None]:
    """One process at a time, so that none forgets what another has just written."""
    with open(os.open(settings.MODELS / f".{KNOWN}.lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpacked(archive: Path, name: str) -> Path:
    """The folder with the two files of a checkpoint. Raises UnusableModel."""
    folder = archive.parent / name
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    try:
        unpack_checkpoint(archive, folder)
    except (UnusableModel, OSError, KeyboardInterrupt):
        shutil.rmtree(folder)
        raise
    return folder
