"""Backups brought back: all of one into an installation that is being made, or single recordings that were lost.

Everything that goes into the database is one transaction, migrations included.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import IO, Final

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import transaction

from audio.errors import ModelError
from tenants import sealing
from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.isolation import refuse_unsafe_database
from tenants.models import Tenant
from tenants.services import default_model
from tenants.trail import note
from voiceprints import backup_lock, installed, recordings, tables
from voiceprints.backup_format import BackupReader, Contents, Reached, Section
from voiceprints.backups import few_at_once
from voiceprints.encrypted_files import Key
from voiceprints.errors import VoiceprintError
from voiceprints.models import Utterance
from voiceprints.naming import naming
from voiceprints.restored_files import (
    NOTHING,
    TABLES_TELL,
    Content,
    Storing,
    contents,
    saying_when_interrupted,
    storing,
)
from voiceprints.tables import Table
from voiceprints.targets import speaker_target

FIELD_KEYS: Final = "OPENVPR_FIELD_KEYS"
PRIVATE_FILE: Final = 0o600


class OtherFieldKeys(VoiceprintError):
    def __init__(self) -> None:
        super().__init__(
            f"{FIELD_KEYS} does not hold the keys that the secrets in the backup are encrypted with; "
            "`manage.py backup secrets` prints them"
        )


@dataclass(frozen=True)
class Restored:
    """`differing`: secrets that somebody set to other values than the backup's. `ctrl_c_too_late`: to be heeded now."""

    created: str
    version: str
    contents: Contents
    differing: list[str]
    ctrl_c_too_late: bool


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


def restore(source: IO[bytes], key: Key, progress: Callable[[int], object]) -> Restored:
    """A whole backup, into an installation without tables and files. `progress` is told how many files are done.

    Once it has begun, a note of what it fails with says what has become of it.

    Raises Unreadable, RestorationUnderWay, DatabaseInUse, StorageInUse, StorageTaken, StorageFailed, OtherFieldKeys,
    OfOtherVersion, OtherTables, ImproperlyConfigured, OSError, the errors of the database, and Interrupted by Ctrl-C.
    """
    with saying_when_interrupted(TABLES_TELL), ExitStack() as until_it_is_over:
        with saying_when_interrupted(NOTHING):
            backup = BackupReader(source, key)
            head, sections = backup.head, backup.sections()
            refuse_unsafe_database()
            until_it_is_over.enter_context(backup_lock.one_restoration())
            tables.refuse_used_database()
            differing = _take_over(head.secrets)
        with storing() as files, transaction.atomic():
            tables.make_tables(head.migrations, head.version)
            _fill_tables(head.tables, sections)
            _store_files(files, sections, progress)
            call_command("migrate", verbosity=0, interactive=False)
            with acting_as_platform():
                note(None, Action.BACKUP_RESTORED, created=head.created, version=head.version)
            _write_secrets(head.secrets)
            files.must_be_marked()
            files.transaction = tables.this_transaction()
        return Restored(head.created, head.version, backup.contents, differing, files.ctrl_c_too_late)


def look_over() -> Found:
    """What was restored, in whose tables the database has not looked yet. It verifies every audit trail."""
    tables.gather_statistics(table.name for table in tables.tables())
    return Found(_absent_models(), _broken_chains())


def return_recordings(source: IO[bytes], key: Key, progress: Callable[[int], object]) -> Returned:
    """Those of a backup whose rows are here and whose files are not, or not whole. Raises Unreadable, StorageFailed."""
    returned = Returned()
    for done, content in enumerate(contents(BackupReader(source, key).sections()), 1):
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


def _store_files(files: Storing, sections: Iterator[Section | Reached], progress: Callable[[int], object]) -> None:
    with closing(few_at_once(files.store, files.listed(sections))) as all_stored:
        for done, stored in enumerate(all_stored, 1):
            stored.result()
            progress(done)


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
            try:
                with naming(draft):
                    draft.touch(PRIVATE_FILE)
                    draft.write_text(wanted[name])
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
