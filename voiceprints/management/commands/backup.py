"""Everything in one encrypted file, while the platform runs; docs/backup.md."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from voiceprints import backups
from voiceprints.backup_format import FILE, Contents, Section
from voiceprints.encrypted_files import Key, Target, new_key
from voiceprints.management.saying import refuse_folder_of
from voiceprints.management.sealed import PIPE, add_key, key_of, one_line, reading
from voiceprints.management.stopping import StoppableCommand
from voiceprints.management.stuck import never_stuck
from voiceprints.naming import naming, written

PRIVATE_FILE: Final = 0o600
STANDARD_OUTPUT: Final = "standard output"


class Command(StoppableCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="what", required=True)
        make = deeds.add_parser("make", help="into a file, a folder (the file is named after the date), or - to pipe")
        verify = deeds.add_parser("verify", help="read it to its end; exit status 1 unless all of it is genuine")
        verify.add_argument("--manifest", type=Path, help="write down here what is in it: files with their sha256")
        secrets = deeds.add_parser("secrets", help="print the secrets of the installation that are in it")
        for deed in (make, verify, secrets):
            deed.add_argument("file", type=Path)
            add_key(deed)
        deeds.add_parser("new-key", help="write a key file").add_argument("file", type=Path)

    def handle(self, *args: Any, what: str, file: Path, **options: Any) -> str | None:
        if what == "new-key":
            return written_key(file)
        key = key_of(options["key_file"], options["passphrase_file"], new=what == "make")
        if what == "make":
            return made(file, key)
        if what == "verify":
            return verified(file, key, options["manifest"])
        with reading(file) as source:
            return "\n".join(f"{name}={value}" for name, value in backups.secrets_of(source, key).items())


def written_key(file: Path) -> str:
    with one_line(file), os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as opened:
        opened.write(new_key())
    return f"{file}: keep a copy where the backups are not; without it nobody can read them"


def made(file: Path, key: Key) -> str | None:
    """What is piped goes alone to the standard output."""
    with one_line(), never_stuck() as step, tqdm(unit="recording", disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            step()
            bar.total = total
            bar.update(done - bar.n)

        if file == PIPE:
            with piped() as target:
                contents = backups.back_up(Stepping(target, step), key, show)
            tell_missing(contents)
            return None
        where = file / f"openvpr-{timezone.now():%Y%m%dT%H%M%SZ}.backup" if file.is_dir() else file
        with whole_or_not(where) as target:
            contents = backups.back_up(Stepping(target, step), key, show)
    tell_missing(contents)
    return json.dumps({"file": str(where), **asdict(contents), "rows": sum(contents.rows.values())})


def tell_missing(contents: Contents) -> None:
    if contents.missing:
        sys.stderr.write(f"recordings missing in the storage, and so in the backup: {contents.missing}\n")


@dataclass(frozen=True)
class Stepping:
    """What was written is a step forward."""

    target: Target
    step: Callable[[], object]

    def write(self, content: bytes, /) -> None:
        self.target.write(content)
        self.step()


@contextmanager
def piped() -> Iterator[IO[bytes]]:
    """The standard output. When the block fails, what is left in its buffer waits for no reader."""
    try:
        with naming(STANDARD_OUTPUT):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
    except BaseException:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def whole_or_not(file: Path) -> Iterator[IO[bytes]]:
    """It appears once the block is done. Only of a process that is killed something is left, called `.part`."""
    refuse_folder_of(file)
    if file.exists():
        raise CommandError(f"{file} exists already")
    begin, end = f"{file.name}.", ".part"
    part = tempfile.NamedTemporaryFile(dir=file.parent, prefix=begin, suffix=end, delete=False)  # noqa: SIM115
    unfinished = Path(part.name)
    with written(cast(IO[bytes], part), file) as target:
        try:
            yield target
            target.flush()
            os.fsync(target.fileno())
            unfinished.rename(file)
        except BaseException:
            unfinished.unlink()
            raise


def verified(file: Path, key: Key, manifest: Path | None) -> str:
    with reading(file) as source, written(manifest.open("x"), manifest) if manifest else nullcontext() as listed:

        def tell(section: Section) -> None:
            if listed and section.kind == FILE:
                listed.write(line_of(section))

        backup = backups.verify(source, key, tell)
        said = {"version": backup.head.version, "created": backup.head.created, **asdict(backup.contents)}
        if listed:
            listed.write(json.dumps({**said, "migrations": backup.head.migrations}) + "\n")
    return json.dumps(said)


def line_of(file: Section) -> str:
    return json.dumps({"path": file.name, "sha256": file.sha256}, ensure_ascii=False) + "\n"
