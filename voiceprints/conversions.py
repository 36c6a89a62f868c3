"""Models made on this machine: out of a WeSpeaker checkpoint, or smaller ones out of those that are installed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from audio.checkpoints import Unconvertible, read_checkpoint
from audio.decode import decode
from audio.encoders import ENGINES, WespeakerEncoder
from audio.errors import ModelError, UnusableModel
from audio.fetching import Progress
from audio.onnx import sha256_of
from audio.parity import Parity
from audio.results import Samples
from audio.store import ModelCard
from voiceprints import installed, obtaining
from voiceprints.obtaining import NeedsConversion
from voiceprints.unpacking import unpack_checkpoint

SAMPLES = Path(__file__).parent / "samples"
SUFFIXES = {"int8": "int8", "float16": "fp16"}


class ExtraMissing(ModelError):
    """What converts models is not installed, and no server needs it."""

    def __init__(self, package: str | None) -> None:
        self.package = package
        super().__init__(f"the package {package} is not installed: `make wespeaker` installs what converts models")


@dataclass(frozen=True)
class Made:
    """A model that was installed; `parity` with what it was made of, None where its file was published."""

    card: ModelCard
    parity: Parity | None = None


def obtain(name: str, progress: Progress, *, accept_changed: bool = False) -> Made:
    """Fetch a published model, and convert one that is published as a checkpoint.

    Raises ModelError, and of these NeedsConversion where that cannot be done here.
    """
    try:
        return Made(obtaining.obtain(name, progress, accept_changed=accept_changed))
    except NeedsConversion as fetched:
        return _converted(fetched)


def _converted(fetched: NeedsConversion) -> Made:
    try:
        made = import_checkpoint(fetched.folder, fetched.name)
    except ExtraMissing as missing:
        raise fetched from missing
    except ModelError:
        shutil.rmtree(fetched.folder)
        raise
    shutil.rmtree(fetched.folder)
    return made


def import_checkpoint(source: Path, name: str, *, engine: str = "", licence: str = "", language: str = "") -> Made:
    """Turn a checkpoint, a folder or an archive of one, into a model, prove that they agree, and install it.

    `engine` is that of the published model of this name unless given. Raises ModelError, VoiceprintError.
    """
    conversion = _extra("conversion")
    with _checkpoint_folder(source) as folder, tempfile.TemporaryDirectory() as drafts:
        checkpoint, draft = read_checkpoint(folder), Path(drafts) / "model.onnx"
        parity = conversion.convert(checkpoint, draft)
        card = obtaining.add(
            draft,
            name,
            engine=engine,
            licence=licence,
            language=language,
            source=f"checkpoint {source.name}",
            architecture=checkpoint.architecture,
            checkpoint_sha256=sha256_of(checkpoint.weights),
            parity=asdict(parity),
            made_with={package: metadata.version(package) for package in ("torch", "wespeaker-unofficial")},
        )
    return Made(card, parity)


def quantize(name: str, precision: str) -> Made:
    """Install a smaller form of a model beside it, as NAME-int8 or NAME-fp16, if it embeds nearly the same.

    Raises ModelError, of which AccuracyLost has the figures.
    """
    quantization = _extra("quantization")
    original, weights = installed.store().find(name), installed.store().weights_of(name)
    engine = ENGINES[original.engine]
    if not (isinstance(engine, type) and issubclass(engine, WespeakerEncoder)):
        raise UnusableModel(f"{name} is no WeSpeaker runtime model, and only those can be made smaller")
    with tempfile.TemporaryDirectory() as drafts:
        draft = Path(drafts) / "model.onnx"
        parity = quantization.quantize(weights, draft, precision, _sample_voices(), engine.window)
        card = obtaining.add(
            draft,
            f"{name}-{SUFFIXES[precision]}",
            engine=original.engine,
            licence=original.licence,
            language=original.language,
            source=f"{name} in {precision}",
            original_sha256=original.sha256,
            parity=asdict(parity),
        )
    return Made(card, parity)


def _extra(module: str) -> Any:
    """Imported when it is asked for: it needs packages that most installations do not have. Raises ExtraMissing."""
    try:
        return import_module(f"audio.{module}")
    except ModuleNotFoundError as error:
        raise ExtraMissing(error.name) from None


@contextmanager
def _checkpoint_folder(source: Path) -> Iterator[Path]:
    """The folder itself, or one with the two files of a checkpoint out of an archive."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise Unconvertible(f"there is neither a folder nor an archive {source}")
    with tempfile.TemporaryDirectory() as folder:
        unpack_checkpoint(source, Path(folder))
        yield Path(folder)


def _sample_voices() -> list[Samples]:
    return [decode(file.read_bytes()).samples for file in sorted(SAMPLES.glob("*/[12].opus"))]
