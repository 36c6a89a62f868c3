"""What stands in a backup, one thing after another, so that it can be written and read without ever being held.

A stream of MessagePack values, each a pair of a kind and a value, inside an encrypted file:

    head                                       versions, migrations, tables and their columns, secrets
    (table NAME · piece … · sum)*              the rows of a table, as PostgreSQL's COPY tells them
    sequences                                  how far numbers were given out
    (file PATH · piece … · sum | missing PATH)*
    end                                        how much of each there is
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Final

import msgpack

from voiceprints.encrypted_files import Damaged, DecryptingReader, EncryptingWriter, Key, Target
from voiceprints.tables import Migrations, Table

HEAD, TABLE, FILE, PIECE, SUM = "head", "table", "file", "piece", "sum"
SEQUENCES, MISSING, END = "sequences", "missing", "end"
LARGEST_VALUE_BYTES: Final = 64 * 1024 * 1024

Reached = dict[str, int]
"""Sequences, and how far each has got."""


@dataclass(frozen=True)
class Head:
    """`created`: in ISO 8601. `secrets`: by the names of their settings."""

    version: str
    created: str
    migrations: Migrations
    tables: list[Table]
    secrets: dict[str, str]

    @classmethod
    def of(cls, said: dict[str, Any]) -> Head:
        tables = [Table(**table) for table in said["tables"]]
        migrations = [(app, name) for app, name in said["migrations"]]
        return cls(**said | {"tables": tables, "migrations": migrations})


@dataclass
class Contents:
    """How much there is: rows of each table, files with their bytes, and files that rows point to and nobody found."""

    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    missing: int = 0


@dataclass
class Section:
    """A table, or a file with its path. `sha256`: of its content in hex, once all its pieces were read."""

    kind: str
    name: str
    pieces: Iterator[bytes]
    sha256: str = ""


class BackupWriter:
    def __init__(self, target: Target, key: Key, head: Head) -> None:
        self._encrypted = EncryptingWriter(target, key)
        self.contents = Contents()
        self._put(HEAD, asdict(head))

    def table(self, name: str, pieces: Iterable[bytes]) -> None:
        self.contents.rows[name] = sum(piece.count(b"\n") for piece in self._section(TABLE, name, pieces))

    def file(self, path: str, pieces: Iterable[bytes]) -> None:
        self.contents.bytes += sum(len(piece) for piece in self._section(FILE, path, pieces))
        self.contents.files += 1

    def missing(self, path: str) -> None:
        self._put(MISSING, path)
        self.contents.missing += 1

    def sequences(self, reached: Reached) -> None:
        self._put(SEQUENCES, reached)

    def finish(self) -> Contents:
        self._put(END, asdict(self.contents))
        self._encrypted.finish()
        return self.contents

    def _section(self, kind: str, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        self._put(kind, name)
        for piece in pieces:
            digest.update(piece)
            self._put(PIECE, piece)
            yield piece
        self._put(SUM, digest.digest())

    def _put(self, kind: str, value: Any) -> None:
        self._encrypted.write(msgpack.packb((kind, value)))


class BackupReader:
    """Raises Unreadable, here and while it is read."""

    def __init__(self, source: IO[bytes], key: Key) -> None:
        self._decrypted = io.BufferedReader(DecryptingReader(source, key))
        self._values = msgpack.Unpacker(self._decrypted, max_buffer_size=LARGEST_VALUE_BYTES)
        self.contents = Contents()
        self.head = Head.of(self._next(HEAD)[1])

    def sections(self) -> Iterator[Section | Reached]:
        """Tables, then how far their numbers went, then files. A section must be read before the next."""
        while True:
            kind, value = self._next(TABLE, SEQUENCES, FILE, MISSING, END)
            if kind == END:
                return self._refuse_difference(value)
            if kind == SEQUENCES:
                yield value
            elif kind == MISSING:
                self.contents.missing += 1
            else:
                yield self._section(kind, value)

    def _section(self, kind: str, name: str) -> Section:
        section = Section(kind, name, iter(()))
        section.pieces = self._pieces(section)
        return section

    def _pieces(self, section: Section) -> Iterator[bytes]:
        digest, count, lines = hashlib.sha256(), 0, 0
        while (record := self._next(PIECE, SUM))[0] == PIECE:
            digest.update(record[1])
            count += len(record[1])
            lines += record[1].count(b"\n")
            yield record[1]
        if digest.digest() != record[1]:
            raise self._damaged()
        section.sha256 = digest.hexdigest()
        if section.kind == TABLE:
            self.contents.rows[section.name] = lines
        else:
            self.contents.files += 1
            self.contents.bytes += count

    def _next(self, *expected: str) -> tuple[str, Any]:
        try:
            kind, value = self._values.unpack()
        except (msgpack.OutOfData, msgpack.UnpackException, TypeError, ValueError):
            raise self._damaged() from None
        if kind not in expected:
            raise self._damaged()
        return kind, value

    def _refuse_difference(self, told: dict[str, Any]) -> None:
        if told != asdict(self.contents) or self._decrypted.read(1):
            raise self._damaged()

    def _damaged(self) -> Damaged:
        return Damaged(after_bytes=self._values.tell())
