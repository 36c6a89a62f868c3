"""Checkpoints out of archives, which come from strangers as other archives do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from audio.checkpoints import CONFIG_FILE, WEIGHTS_FILE, Unconvertible
from voiceprints import archives
from voiceprints.errors import ArchiveRefused, StorageFailed

MAX_CHECKPOINT_BYTES: Final = 4 * 1024**3


def unpack_checkpoint(source: Path, folder: Path) -> None:
    """Write the two files of a checkpoint, and nothing else of the archive, into a folder. Raises Unconvertible."""
    try:
        with source.open("rb") as file, archives.opened(file, limit_bytes=MAX_CHECKPOINT_BYTES) as archive:
            members = {name: _only(archive, name) for name in (CONFIG_FILE, WEIGHTS_FILE)}
            for name, member in members.items():
                (folder / name).write_bytes(archive.read(member, MAX_CHECKPOINT_BYTES))
    except (ArchiveRefused, StorageFailed) as error:
        raise Unconvertible(f"{source} cannot be unpacked: {error}") from None


def _only(archive: archives.Archive, name: str) -> str:
    """Where in the archive the file of this name is. Raises Unconvertible."""
    found = [member for member in archive.names if member.rpartition("/")[2] == name]
    if len(found) != 1:
        raise Unconvertible(f"the archive has {len(found)} files {name} in place of one")
    return found[0]
