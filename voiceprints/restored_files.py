"""Files of a backup on their way back: stored before the transaction of their rows is committed, and gone if it fails.

A restoration whose process is killed leaves a mark beside the files it has stored, by which the next one knows that
they are its own to replace. That one puts a mark of its own in its place, and nobody whose mark is gone removes files.
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Final

from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.db import Error as DatabaseFailed
from django.db import connection

from voiceprints import recordings, tables
from voiceprints.backup_format import TABLE, Reached, Section
from voiceprints.backups import LARGE_BYTES
from voiceprints.errors import StorageFailed, VoiceprintError
from voiceprints.naming import naming
from voiceprints.path_list import PathList, path_list
from voiceprints.stored import RESTORING, is_stored, stored_files

NOTHING: Final = "nothing was restored"
FILES_LEFT: Final = "nothing was restored, but files are left, which the next restoration writes over"
TABLES_TELL: Final = (
    "all was restored if the database has tables once it answers, and nothing otherwise; the files are kept"
)


class StorageInUse(VoiceprintError):
    def __init__(self) -> None:
        super().__init__("a backup is restored into an empty storage only; there are files where recordings go")


class StorageTaken(VoiceprintError):
    def __init__(self) -> None:
        super().__init__("another restoration has begun in this storage")


class Interrupted(KeyboardInterrupt):
    """By Ctrl-C. The text says what has become of it."""


@dataclass(frozen=True)
class Content:
    path: str
    file: IO[bytes]
    bytes: int


@dataclass(frozen=True)
class Outcome:
    """Of what failed. `committed`: None where the database does not say it. `undone`: without a file being left."""

    committed: bool | None
    undone: bool
    by_ctrl_c: bool

    @property
    def in_words(self) -> str:
        if self.committed is None:
            return TABLES_TELL
        if self.committed:
            return "all was restored"
        return NOTHING if self.undone else FILES_LEFT


class Storing:
    """Stores files, and knows which, so that they can be removed again, and what has become of their rows.

    `transaction`: of the rows, once all that is left to do with them is to commit it. `ctrl_c_too_late`: whether it was
    pressed when all was committed.
    """

    def __init__(self, paths: PathList, *, over_leftovers: bool) -> None:
        self._paths, self._over_leftovers, self._mark = paths, over_leftovers, f"{RESTORING}{uuid.uuid4().hex}"
        self._writing, self._under_way, self._over = threading.Condition(), 0, False
        self.transaction, self.ctrl_c_too_late = "", False

    def mark(self) -> None:
        """In the place of earlier marks. Raises StorageFailed."""
        earlier = _marks()
        recordings.write_file(self._mark, ContentFile(b""))
        for mark in earlier:
            recordings.remove_file(mark)

    def unmark(self) -> bool:
        """Whether it is gone."""
        return recordings.remove_file(self._mark)

    def listed(self, sections: Iterator[Section | Reached]) -> Iterator[Content]:
        """Raises OSError."""
        for content in contents(sections):
            with ExitStack() as unless_listed:
                unless_listed.enter_context(content.file)
                self._paths.add(content.path)
                unless_listed.pop_all()
            yield content

    def store(self, content: Content) -> None:
        """Raises StorageFailed."""
        with content.file, self._counted():
            if self._over_leftovers:
                recordings.remove_file(content.path)
            recordings.write_file(content.path, File(content.file))

    def undo(self) -> bool:
        """Whether nothing is left. It waits for what is being written, and nothing is any more."""
        with self._writing:
            self._over = True
            self._writing.wait_for(lambda: not self._under_way)
        gone = True
        for path in self._paths:
            try:
                self.must_be_marked()
            except StorageTaken:
                return False
            except StorageFailed:
                gone = False
            else:
                gone &= recordings.remove_file(path)
        # Which files of an earlier one are left, nobody knows but by the mark.
        return gone and not self._over_leftovers and self.unmark()

    def must_be_marked(self) -> None:
        """Otherwise what is here is a later restoration's. Raises StorageTaken, StorageFailed."""
        if not is_stored(self._mark):
            raise StorageTaken

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._writing:
            if self._over:
                raise StorageFailed("too late")
            self._under_way += 1
        try:
            yield
        finally:
            with self._writing:
                self._under_way -= 1
                self._writing.notify_all()


@contextmanager
def saying_when_interrupted(words: str) -> Iterator[None]:
    """What has become of the block, unless somebody in it knows better. Raises Interrupted."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted(words) from None


@contextmanager
def storing() -> Iterator[Storing]:
    """Into an empty storage, which it is again when the block fails, unless that has committed all the same.

    Raises StorageInUse, StorageTaken, StorageFailed, Interrupted. A note of other errors says what has become of it.
    """
    with ExitStack() as closing:
        with saying_when_interrupted(NOTHING):
            over_leftovers = _has_leftovers()
            paths = closing.enter_context(path_list())
        files = Storing(paths, over_leftovers=over_leftovers)
        try:
            files.mark()
            yield files
            files.unmark()
        except BaseException as error:
            outcome = _settle(files, error)
            if outcome.committed and (outcome.by_ctrl_c or isinstance(error, DatabaseFailed)):
                files.ctrl_c_too_late = outcome.by_ctrl_c
                return
            if outcome.by_ctrl_c:
                raise Interrupted(outcome.in_words) from None
            error.add_note(outcome.in_words)
            raise


def contents(sections: Iterator[Section | Reached]) -> Iterator[Content]:
    """Of the files among them, each whole and ready to be read."""
    for section in sections:
        if not isinstance(section, Section):
            continue
        if section.kind == TABLE:
            deque(section.pieces, maxlen=0)
            continue
        with ExitStack() as unless_used:
            unless_used.enter_context(naming(tempfile.gettempdir()))
            spooled = unless_used.enter_context(tempfile.SpooledTemporaryFile(LARGE_BYTES))
            length = sum(spooled.write(piece) for piece in section.pieces)
            spooled.seek(0)
            unless_used.pop_all()
        yield Content(section.name, spooled, length)


def _has_leftovers() -> bool:
    """Of a restoration that was killed. Raises StorageInUse, StorageFailed."""
    others = any(not file.path.startswith(RESTORING) for file in stored_files())
    if others and not _marks():
        raise StorageInUse
    return others


def _marks() -> list[str]:
    """Of restorations. Raises StorageFailed."""
    try:
        with recordings.reading("the marks"):
            _, files = storages["recordings"].listdir("")
    except FileNotFoundError:
        return []
    return [name for name in files if name.startswith(RESTORING)]


def _settle(files: Storing, error: BaseException) -> Outcome:
    """Remove the files, unless they are to be kept."""
    committed, undone, by_ctrl_c = None, False, _began_with_ctrl_c(error)
    try:
        committed = _is_committed(files.transaction)
        if committed:
            files.unmark()
        elif committed is False:
            undone = files.undo()
    except KeyboardInterrupt:
        by_ctrl_c = True
    return Outcome(committed, undone, by_ctrl_c)


def _began_with_ctrl_c(error: BaseException | None) -> bool:
    """On the way out of a transaction something else may fail."""
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _is_committed(number: str) -> bool | None:
    """Whoever is interrupted in a commit, or loses the database, does not know. None where that does not say it."""
    connection.close()
    return bool(number) and tables.was_committed(number)
