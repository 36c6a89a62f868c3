"""Reading archives of strangers: zip, tar and tar.gz, by name, without ever unpacking one into a folder.

Nothing of an archive becomes a path of ours, so no name in it can lead anywhere; names that try are refused all the
same, because whoever made them meant no good. What is held in memory is bounded whatever the archive claims.
"""

from __future__ import annotations

import gzip
import stat
import struct
import sys
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

from audio.errors import TooLarge
from voiceprints.errors import ArchiveRefused, FileMissing, StorageFailed, printable

MOST_MEMBERS = 200_000
LONGEST_NAME = 1024
CHUNK_BYTES = 1024 * 1024
# A directory of so many members with names of usual length; the directory of a zip is read at once.
ZIP_DIRECTORY_BYTES = 24 * 1024 * 1024
# Between two members of a tar may stand headers of any size; usual ones have one or two kilobytes.
TAR_HEADERS_BYTES = 128 * 1024
GZIP, ZIP = b"\x1f\x8b", b"PK"
TAR_MAGIC_AT, TAR_MAGIC = 257, b"ustar"
# What the standard library fails with on bytes that are no proper archive.
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    UnicodeError,
    ValueError,
)


@contextmanager
def opened(file: IO[bytes], *, limit_bytes: int) -> Iterator[Archive]:
    """The archive in a seekable file, which with all its content unpacked has at most `limit_bytes`.

    Raises ArchiveRefused, StorageFailed.
    """
    with tempfile.TemporaryFile() as unpacked:
        try:
            archive = _recognised(file, unpacked, limit_bytes)
        except BROKEN as error:
            raise ArchiveRefused("broken") from error
        except OSError as error:
            raise StorageFailed.by(error, "the archive or a temporary file") from error
        yield archive


def _recognised(file: IO[bytes], unpacked: IO[bytes], limit_bytes: int) -> Archive:
    file.seek(0)
    beginning = file.read(TAR_MAGIC_AT + len(TAR_MAGIC))
    file.seek(0)
    if beginning.startswith(ZIP):
        return ZipArchive(file, limit_bytes)
    if beginning.startswith(GZIP):
        _gunzip(file, unpacked, limit_bytes)
        return TarArchive(unpacked, limit_bytes)
    if beginning[TAR_MAGIC_AT:] == TAR_MAGIC:
        return TarArchive(file, limit_bytes)
    raise ArchiveRefused("neither zip nor tar nor tar.gz")


def _gunzip(file: IO[bytes], unpacked: IO[bytes], limit_bytes: int) -> None:
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            while chunk := packed.read(CHUNK_BYTES):
                unpacked.write(chunk)
                if unpacked.tell() > limit_bytes:
                    raise ArchiveRefused(f"unpacked larger than {limit_bytes} bytes")
    except gzip.BadGzipFile as error:
        raise ArchiveRefused("broken") from error
    unpacked.seek(0)


@dataclass
class Frugal:
    """A file of which only so much may be read until the allowance is renewed: for readers that trust lengths."""

    file: IO[bytes]
    allowance: int

    def read(self, size: int = -1) -> bytes:
        if size > self.allowance:
            raise ArchiveRefused("its directory is too large")
        content = self.file.read(size if size >= 0 else min(self.allowance + 1, sys.maxsize))
        if len(content) > self.allowance:
            raise ArchiveRefused("its directory is too large")
        self.allowance -= len(content)
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True


class Archive:
    """Files by name, `/` between folders. Safe for several threads: they take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: dict[str, Any] = {}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._members)

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Raises FileMissing, ArchiveRefused for what is broken, TooLarge, and StorageFailed for our own files."""
        with self._reading(name), self._opened(name) as file:
            content = file.read(limit_bytes + 1)
        if len(content) > limit_bytes:
            raise TooLarge(size_bytes=self._size(self._members[fit_name(name)]), limit_bytes=limit_bytes)
        return content

    def lines(self, name: str, limit_bytes: int) -> Iterator[bytes]:
        """Each with its line feed. Raises as `read`, and ArchiveRefused for a longer line."""
        with self._reading(name):
            file = self._opened(name)
        with file:
            while True:
                with self._reading(name):
                    line = file.readline(limit_bytes + 1)
                if not line:
                    return
                if len(line) > limit_bytes:
                    raise ArchiveRefused("a line is too long", member=name)
                yield line

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except BROKEN as error:
            raise ArchiveRefused("broken", member=name) from error
        except OSError as error:
            raise StorageFailed.by(error, "the archive or a temporary file") from error

    def _opened(self, name: str) -> IO[bytes]:
        member = self._members.get(fit_name(name))
        if member is None:
            raise FileMissing(name=name)
        return self._open(member)

    def _open(self, member: Any) -> IO[bytes]:
        raise NotImplementedError

    def _size(self, member: Any) -> int:
        """Its bytes, as the archive says; more are never read."""
        raise NotImplementedError

    def _add(self, raw_name: str, member: Any) -> None:
        name = fit_name(raw_name)
        if name in self._members:
            raise ArchiveRefused("twice the same name", member=name)
        if len(self._members) >= MOST_MEMBERS:
            raise ArchiveRefused(f"more than {MOST_MEMBERS} members")
        self._members[name] = member


class ZipArchive(Archive):
    def __init__(self, file: IO[bytes], limit_bytes: int) -> None:
        super().__init__()
        self._source = Frugal(file, ZIP_DIRECTORY_BYTES)
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._source))
        for info in self._zip.infolist():
            _refuse_unfit_zip_member(info)
            if not info.is_dir():
                self._add(info.filename, info)
        _refuse_bomb((info.file_size for info in self._zip.infolist()), limit_bytes)
        # From here on it is read in pieces of our own size.
        self._source.allowance = sys.maxsize

    def _open(self, member: zipfile.ZipInfo) -> IO[bytes]:
        return self._zip.open(member)

    def _size(self, member: zipfile.ZipInfo) -> int:
        return member.file_size


class TarArchive(Archive):
    def __init__(self, file: IO[bytes], limit_bytes: int) -> None:
        super().__init__()
        self._file = file
        headers = Frugal(file, TAR_HEADERS_BYTES)
        with tarfile.open(fileobj=cast(IO[bytes], headers), mode="r:") as tar:
            while (member := tar.next()) is not None:
                # The list that tarfile keeps for itself is of no use here.
                tar.members = []  # type: ignore[attr-defined]
                headers.allowance = TAR_HEADERS_BYTES
                _refuse_unfit_tar_member(member)
                if member.isreg():
                    self._add(member.name, (member.offset_data, member.size))
            self._refuse_lost_end(tar.offset)
        _refuse_bomb((size for _, size in self._members.values()), limit_bytes)

    def _refuse_lost_end(self, offset: int) -> None:
        """Where tarfile found no further member. It takes a broken header, and the end of the file, for the end too."""
        self._file.seek(offset)
        if self._file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ArchiveRefused("broken")

    def _open(self, member: tuple[int, int]) -> IO[bytes]:
        return cast(IO[bytes], _Part(self._file, *member))

    def _size(self, member: tuple[int, int]) -> int:
        _, size = member
        return size


class _Part:
    """So many bytes of an open file from an offset on. The file stays open, and its position is of no account."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._file, self._offset, self._left = file, offset, size

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        return self._taken(self._file.read, size)

    def readline(self, limit: int) -> bytes:
        return self._taken(self._file.readline, limit)

    def _taken(self, take: Callable[[int], bytes], limit: int) -> bytes:
        self._file.seek(self._offset)
        content = take(min(limit, self._left))
        if not content and self._left:
            raise EOFError("the archive ends before its member")
        self._offset += len(content)
        self._left -= len(content)
        return content


def fit_name(name: str) -> str:
    """The name as it is looked up: `/` between folders, without `./`. Raises ArchiveRefused for one that leads away."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    absolute = name.startswith(("/", "\\")) or (bool(parts) and parts[0][1:2] == ":")
    if absolute or not parts or ".." in parts or len(name) > LONGEST_NAME or printable(name) != name:
        raise ArchiveRefused("unsafe name", member=name)
    return "/".join(parts)


def copied(chunks: Iterable[bytes], limit_bytes: int = sys.maxsize) -> IO[bytes]:
    """A nameless file, gone with its last user, that holds these chunks. Raises TooLarge."""
    file = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            file.close()
            raise TooLarge(size_bytes=size, limit_bytes=limit_bytes)
        file.write(chunk)
    file.seek(0)
    return file


def _refuse_unfit_zip_member(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 0x1:
        raise ArchiveRefused("encrypted", member=info.filename)
    if info.header_offset < 0:
        raise ArchiveRefused("broken", member=info.filename)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveRefused("neither file nor folder", member=info.filename)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveRefused("neither stored nor deflated", member=info.filename)


def _refuse_unfit_tar_member(member: tarfile.TarInfo) -> None:
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ArchiveRefused("neither file nor folder", member=member.name)


def _refuse_bomb(sizes: Iterable[int], limit_bytes: int) -> None:
    if sum(sizes) > limit_bytes:
        raise ArchiveRefused(f"unpacked larger than {limit_bytes} bytes")
