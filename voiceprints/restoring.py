"""Backups brought back: all of one into an installation that is being made, or single recordings that were lost.

Everything that goes into the database is one transaction, migrations included. Files are stored before it is committed,
and go again when it fails. A restoration whose process is killed leaves a mark beside the files it has stored, by which
the next one knows that they are its own to replace.
"""

from __future__ import annotations

import posixpath
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import IO, Final

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import Error as DatabaseFailed
from django.db import connection, transaction

from audio.errors import ModelError
from tenants import sealing
from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.isolation import refuse_unsafe_database
from tenants.models import Tenant
from tenants.services import default_model
from tenants.trail import note
from voiceprints import installed, recordings, tables
from voiceprints.backup_format import TABLE, BackupReader, Contents, Reached, Section
from voiceprints.backups import LARGE_BYTES, few_at_once
from voiceprints.encrypted_files import Key
from voiceprints.errors import StorageFailed, VoiceprintError
from voiceprints.models import Utterance
from voiceprints.stored import RESTORING
from voiceprints.tables import Table
from voiceprints.targets import speaker_target

FIELD_KEYS: Final = "OPENVPR_FIELD_KEYS"
PRIVATE_FILE: Final = 0o600
FILES_LEFT: Final = "nothing was restored, but files are left, which the next restoration writes over"
TABLES_TELL: Final = (
    "all was restored if the database has tables once it answers, and nothing otherwise; the files are kept"
)


class StorageInUse(VoiceprintError):
    def __init__(self) -> None:
        super().__init__("a backup is restored into an empty storage only; there are files where recordings go")


class OtherFieldKeys(VoiceprintError):
    def __init__(self) -> None:
        super().__init__(
            f"{FIELD_KEYS} does not hold the keys that the secrets in the backup are encrypted with; "
            "`manage.py backup secrets` prints them"
        )


class Interrupted(KeyboardInterrupt):
    """By Ctrl-C, once it had begun. `committed`: whether all is `restored` and not nothing; None where nobody knows.

    `undone`: whether no files are left of what was not, nor of an earlier one.
    """

    def __init__(self, restored: Restored, *, committed: bool | None, undone: bool) -> None:
        self.restored, self.committed, self.undone = restored, committed, undone


class OutcomeUnknown(VoiceprintError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; {TABLES_TELL}")


@dataclass(frozen=True)
class Restored:
    """`differing`: secrets that somebody set to other values than the backup's."""

    created: str
    version: str
    contents: Contents
    differing: list[str]


@dataclass(frozen=True)
class Found:
    """`absent_models`: to be installed. `broken_chains`: of the audit trail, each with how."""

    absent_models: list[str]
    broken_chains: list[str]


@dataclass
class Returned:
    """Recordings in a backup: stored anew, whole where they belong, or of no row any more."""

    restored: int = 0
    there: int = 0
    unwanted: int = 0


@dataclass(frozen=True)
class Content:
    path: str
    file: IO[bytes]
    bytes: int


def restore(source: IO[bytes], key: Key, progress: Callable[[int], object]) -> Restored:
    """A whole backup, into an installation without tables and files. `progress` is told how many files are done.

    Of one that fails no rows are left, and no files but those that resist, of which a note of the error tells.

    Raises Unreadable, DatabaseInUse, StorageInUse, OtherFieldKeys, OfOtherVersion, OtherTables, StorageFailed,
    ImproperlyConfigured, OutcomeUnknown, and Interrupted by Ctrl-C.
    """
    backup = BackupReader(source, key)
    head, sections = backup.head, backup.sections()
    refuse_unsafe_database()
    tables.refuse_used_database()
    differing = _take_over(head.secrets)
    restored = Restored(head.created, head.version, backup.contents, differing)
    with _storing(restored) as storing, transaction.atomic():
        tables.make_tables(head.migrations, head.version)
        _fill_tables(head.tables, sections)
        with closing(few_at_once(storing.store, storing.listed(sections))) as files:
            for done, stored in enumerate(files, 1):
                stored.result()
                progress(done)
        call_command("migrate", verbosity=0, interactive=False)
        with acting_as_platform():
            note(None, Action.BACKUP_RESTORED, created=head.created, version=head.version)
        _write_secrets(head.secrets)
        storing.transaction = tables.this_transaction()
    return restored


def look_over() -> Found:
    """What was restored, in whose tables the database has not looked yet. It verifies every audit trail."""
    tables.gather_statistics(table.name for table in tables.tables())
    return Found(_absent_models(), _broken_chains())


def return_recordings(source: IO[bytes], key: Key, progress: Callable[[int], object]) -> Returned:
    """Those of a backup whose rows are here and whose files are not, or not whole. Raises Unreadable, StorageFailed."""
    returned = Returned()
    for done, content in enumerate(_contents(BackupReader(source, key).sections()), 1):
        with content.file:
            _return(content, returned)
        progress(done)
    return returned


def _return(content: Content, returned: Returned) -> None:
    """The row is locked, so whoever deletes it waits, and then finds the file to remove."""
    storage = storages["recordings"]
    with acting_as_platform():
        named = Utterance.all_tenants.filter(recording=content.path)
        utterance = named.select_related("speaker__library", "tenant").select_for_update(of=("self",)).first()
        if utterance is None:
            returned.unwanted += 1
            return
        with recordings.reading(content.path):
            if storage.exists(content.path) and storage.size(content.path) == content.bytes:
                returned.there += 1
                return
            storage.delete(content.path)
        recordings.write_file(content.path, File(content.file))
        note(utterance.tenant, Action.RECORDING_RESTORED, speaker_target(utterance.speaker), utterance=utterance.pk)
        returned.restored += 1


# --- Rows ------------------------------------------------------------------------------------------------------------


def _fill_tables(wanted: Sequence[Table], sections: Iterator[Section | Reached]) -> None:
    named = {table.name: table for table in wanted}
    with tables.filling(wanted):
        for section in sections:
            if not isinstance(section, Section):
                tables.go_on_counting(section)
                break
            tables.fill(named[section.name], section.pieces)


def _absent_models() -> list[str]:
    """That tenants use, or new ones begin with, and that are not on this machine as the database knows them."""
    wanted = {default_model(), *(name for tenant in Tenant.objects.all() for name in tenant.models)}
    return [name for name in sorted(wanted) if not _is_installed(name)]


def _is_installed(model: str) -> bool:
    try:
        installed.refuse_disagreement(model)
    except ModelError:
        return False
    return True


def _broken_chains() -> list[str]:
    verdicts = map(sealing.verify, sealing.chains())
    return [f"chain {verdict.chain}: {verdict.problems[0]}" for verdict in verdicts if not verdict.intact]


# --- Files -----------------------------------------------------------------------------------------------------------


class _Storing:
    """Stores files, and knows which, so that they can be removed again."""

    def __init__(self, *, over_leftovers: bool, list_of_paths: IO[str]) -> None:
        self.over_leftovers, self._paths = over_leftovers, list_of_paths
        self._writing, self._under_way, self._over = threading.Condition(), 0, False
        self.transaction = ""
        """Of the rows, once all that is left to do with them is to commit it."""

    def listed(self, sections: Iterator[Section | Reached]) -> Iterator[Content]:
        for content in _contents(sections):
            self._paths.write(f"{content.path}\n")
            yield content

    def store(self, content: Content) -> None:
        """Raises StorageFailed."""
        with content.file, self._counted():
            if self.over_leftovers:
                recordings.remove_file(content.path)
            recordings.write_file(content.path, File(content.file))

    def undo(self) -> bool:
        """Whether nothing is left. It waits for what is being written, and nothing is any more."""
        with self._writing:
            self._over = True
            self._writing.wait_for(lambda: not self._under_way)
        self._paths.seek(0)
        removed = [recordings.remove_file(line.rstrip("\n")) for line in self._paths]
        return all(removed)

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
def _storing(restored: Restored) -> Iterator[_Storing]:
    """Into an empty storage, which it is again when the block fails, unless that has committed all the same.

    Raises StorageInUse, StorageFailed, OutcomeUnknown, Interrupted.
    """
    storage = storages["recordings"]
    with recordings.reading(RESTORING):
        leftovers = storage.exists(RESTORING)
        if not leftovers and _any_file():
            raise StorageInUse
    if not leftovers:
        recordings.write_file(RESTORING, ContentFile(b""))
    with tempfile.TemporaryFile("w+", dir=settings.HOME) as paths:
        storing = _Storing(over_leftovers=leftovers, list_of_paths=paths)
        try:
            yield storing
            recordings.remove_file(RESTORING)
        except BaseException as error:
            if _is_committed_after(error, storing, restored):
                return
            raise


def _is_committed_after(error: BaseException, storing: _Storing, restored: Restored) -> bool:
    """Whether it has done all that it should; files of what was not are removed, or the error gets a note.

    Raises OutcomeUnknown, Interrupted.
    """
    committed, undone, by_ctrl_c = None, False, _began_with_ctrl_c(error)
    try:
        committed = _is_committed(storing.transaction)
        # Which files of an earlier one are left, nobody knows but by the mark.
        undone = committed is False and storing.undo() and not storing.over_leftovers
        if committed or undone:
            recordings.remove_file(RESTORING)
    except KeyboardInterrupt:
        by_ctrl_c = True
    if by_ctrl_c:
        raise Interrupted(restored, committed=committed, undone=undone) from None
    if committed is None:
        raise OutcomeUnknown(str(error).partition("\n")[0]) from None
    if not committed and not undone:
        error.add_note(FILES_LEFT)
    return committed and isinstance(error, DatabaseFailed)


def _began_with_ctrl_c(error: BaseException | None) -> bool:
    """On the way out of a transaction something else may fail."""
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _is_committed(number: str) -> bool | None:
    """Whoever is interrupted in a commit, or loses the database, does not know. None where that does not say it."""
    connection.close()
    return bool(number) and tables.was_committed(number)


def _any_file(folder: str = "") -> bool:
    try:
        folders, files = storages["recordings"].listdir(folder)
    except FileNotFoundError:
        return False
    return bool(files) or any(_any_file(posixpath.join(folder, name)) for name in folders)


def _contents(sections: Iterator[Section | Reached]) -> Iterator[Content]:
    """Of the files among them, each whole and ready to be read."""
    for section in sections:
        if not isinstance(section, Section):
            continue
        if section.kind == TABLE:
            deque(section.pieces, maxlen=0)
            continue
        with ExitStack() as unless_used:
            spooled = unless_used.enter_context(tempfile.SpooledTemporaryFile(LARGE_BYTES))
            length = sum(spooled.write(piece) for piece in section.pieces)
            spooled.seek(0)
            unless_used.pop_all()
        yield Content(section.name, spooled, length)


# --- Secrets ---------------------------------------------------------------------------------------------------------


def _take_over(wanted: dict[str, str]) -> list[str]:
    """Use the backup's field keys from here on; returns which of its other secrets differ from what somebody set.

    Raises OtherFieldKeys.
    """
    keys = [key.strip() for key in wanted[FIELD_KEYS].split(",")]
    if FIELD_KEYS in settings.SECRET_FILES:
        settings.FIELD_KEYS = keys
    elif not set(keys) <= set(settings.FIELD_KEYS):
        raise OtherFieldKeys
    given = settings.SECRETS.items() - {(FIELD_KEYS, settings.SECRETS[FIELD_KEYS]), *wanted.items()}
    return sorted(name for name, _ in given if name not in settings.SECRET_FILES)


def _write_secrets(wanted: dict[str, str]) -> None:
    """In the place of those that were generated here, which are kept beside them."""
    for name, path in settings.SECRET_FILES.items():
        if name in wanted and path.read_text() != wanted[name]:
            shutil.copy2(path, path.with_name(f"{path.name}.before-restoration"))
            draft = path.with_name(f".{path.name}.restored")
            draft.touch(PRIVATE_FILE)
            draft.write_text(wanted[name])
            draft.replace(path)
