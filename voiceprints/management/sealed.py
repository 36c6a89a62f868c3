"""What the commands about backups share: the key, and files that may also be a pipe."""

from __future__ import annotations

import getpass
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseFailed

from voiceprints.encrypted_files import Key, key_of_passphrase, key_of_text
from voiceprints.errors import VoiceprintError
from voiceprints.management.saying import words_of
from voiceprints.naming import Named

PIPE: Final = Path("-")
LONGEST_KEY_FILE_CHARACTERS: Final = 1_000_000


def add_key(parser: CommandParser) -> None:
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--key-file", type=Path, help="as `backup new-key` writes it")
    key.add_argument("--passphrase-file", type=Path, help="its first line; without either, the passphrase is asked for")


def key_of(key_file: Path | None, passphrase_file: Path | None, *, new: bool = False) -> Key:
    """Raises CommandError."""
    with one_line(key_file or passphrase_file):
        if key_file:
            return key_of_text(_read(key_file))
        if passphrase_file:
            return key_of_passphrase(_read(passphrase_file).partition("\n")[0])
        return key_of_passphrase(_asked(new))


def _read(file: Path) -> str:
    """It may also be a pipe, or a device that never ends. Raises CommandError."""
    with file.open() as opened:
        text = opened.read(LONGEST_KEY_FILE_CHARACTERS + 1)
    if len(text) > LONGEST_KEY_FILE_CHARACTERS:
        raise CommandError(f"{file}: this is too long for a key or passphrase")
    return text


def _asked(new: bool) -> str:
    if not sys.stdin.isatty():
        raise CommandError("say --key-file or --passphrase-file; there is nobody to be asked for the passphrase")
    passphrase = getpass.getpass("Passphrase: ")
    if new and getpass.getpass("Again: ") != passphrase:
        raise CommandError("the two differ")
    return passphrase


@contextmanager
def reading(file: Path) -> Iterator[IO[bytes]]:
    """The file, or what is piped in. Raises CommandError, also for what goes wrong with it in the block."""
    with one_line():
        named = Named(sys.stdin.fileno(), "standard input") if file == PIPE else Named(file, str(file))
        with io.BufferedReader(named) as opened:
            yield opened


@contextmanager
def one_line(file: Path | None = None) -> Iterator[None]:
    """Raises CommandError for whatever may go wrong. `file`: the one meant where an error names none."""
    try:
        yield
    except (VoiceprintError, ImproperlyConfigured, OSError, DatabaseFailed, UnicodeDecodeError) as error:
        raise CommandError(words_of(error, file)) from None
