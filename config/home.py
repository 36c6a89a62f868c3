"""OPENVPR_HOME: the folder that holds everything an installation must keep, and its generated secrets."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
MEBIBYTE = 1024 * 1024
# A few pieces of PostgreSQL's log, without which it does not start, and as much again.
LEAST_ROOM_BYTES = 64 * MEBIBYTE


def private_folder(path: Path) -> Path:
    """`path`, existing, readable by its owner alone. Raises ImproperlyConfigured where there can be none."""
    try:
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        path.chmod(PRIVATE_FOLDER)
    except OSError as error:
        raise cannot_hold(path, error) from None
    return path


def lack_of_room(folder: Path) -> str:
    """What to say of its disk when there is too little left to start on or to write recordings, else nothing."""
    free = shutil.disk_usage(folder).free
    return "" if free >= LEAST_ROOM_BYTES else f"the disk of {folder} is full: {free // MEBIBYTE} MB are left"


def is_ours_alone(path: Path) -> bool:
    """Whether no other process has said so of `path` and lives. It stays ours until this process ends."""
    if not path.parent.exists():
        private_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


@contextmanager
def held(path: Path, lock: int, otherwise: Exception) -> Iterator[int]:
    """`path` with that lock of `fcntl`, as a descriptor, or raises `otherwise` where another's lock forbids it.

    In the end it is taken from those too who have inherited the descriptor; when this process is killed they keep it,
    also what a command left in the background, for as long as it lives.
    """
    descriptor = _opened(path)
    try:
        _lock(descriptor, lock, otherwise)
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _opened(path: Path) -> int:
    """Of the account of its folder, be it root who comes first; a link is not followed."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        os.fchown(descriptor, path.parent.stat().st_uid, -1)
        return descriptor
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW)


def _lock(descriptor: int, lock: int, otherwise: Exception) -> None:
    try:
        fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        raise otherwise from None


def stored_secret(path: Path, generate: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """The secret in `path`, generated on first use. Two processes that meet here agree on one secret."""
    private_folder(path.parent)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as file:
                file.write(generate())
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first; its secret counts
        except OSError as error:
            raise cannot_hold(path, error) from None
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text()


def cannot_hold(path: Path, error: OSError) -> ImproperlyConfigured:
    # Which do not raise where nobody may look, as those of a path do.
    dangling = os.path.islink(path) and not os.path.exists(path)
    reason = "it is a link to something that is not there" if dangling else (error.strerror or str(error)).lower()
    return ImproperlyConfigured(f"OPENVPR_HOME cannot hold {path}: {reason}")
