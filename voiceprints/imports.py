"""Bulk import: a list of speakers, with their recordings in an archive or in the tenant's import folder.

Each line is enrolled as a request would be, and its result is stored in the transaction that stores the speaker. So a
job that is begun again goes on where it was, and a list that is imported again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import Storage, storages

from audio.errors import AudioError, TooLarge
from audio.results import RawPcm
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import archives, consents, exchange, recordings, services
from voiceprints.archives import Archive
from voiceprints.disk import IMPORT_FOLDERS
from voiceprints.errors import FileMissing, ManifestRefused, ModelUnusable, StorageFailed, VoiceprintError
from voiceprints.manifests import MANIFEST_BYTES, BadRow, Row, kept, read_rows
from voiceprints.models import JobRow
from voiceprints.results import AudioInput, LibraryKey, WhenEnrolled
from voiceprints.work import Product, Run

MANIFESTS = ("manifest.jsonl", "manifest.csv")
RAW_PCM_SUFFIXES = {".pcm", ".raw"}

Read = Callable[[str], bytes]
"""A recording by the name it has in a manifest. Raises FileMissing, TooLarge, ArchiveRefused or StorageFailed."""


@dataclass(frozen=True)
class Options:
    """`key`: the library of lines that name none, or of an export that is to go elsewhere."""

    key: LibraryKey
    when_enrolled: WhenEnrolled

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> Options:
        key = LibraryKey(parameters["org_id"], parameters["tag_id"])
        return cls(key, WhenEnrolled(parameters["when_enrolled"]))


def run_import(run: Run) -> Product:
    """Do what is left of the job; returns how many lines had which outcome.

    Raises ArchiveRefused, ManifestRefused or StorageFailed when no line can be read, ModelUnusable when no voice can
    be measured.
    """
    options = Options.of(run.job.parameters)
    with ExitStack() as stack:
        files = [stack.enter_context(file) for file in run.persistently(lambda: _inputs(run))]
        given = run.job.parameters["manifest"]
        manifest = files.pop(0).read(MANIFEST_BYTES + 1) if given else None
        archive = None
        if files:
            archive = stack.enter_context(archives.opened(files[0], limit_bytes=settings.MAX_IMPORT_BYTES))
        if archive is not None and manifest is None and exchange.MANIFEST in archive.names:
            exchange.restore(run, archive, options.key, options.when_enrolled)
        else:
            _import_rows(run, options, manifest, given, archive)
    return Product(run.outcomes())


def _inputs(run: Run) -> list[IO[bytes]]:
    return [opened_input(path) for path in run.job.inputs]


def _import_rows(run: Run, options: Options, manifest: bytes | None, name: str, archive: Archive | None) -> None:
    if manifest is None and archive is not None:
        name = _manifest_in(archive)
        manifest = archive.read(name, MANIFEST_BYTES)
    if manifest is None or len(manifest) > MANIFEST_BYTES:
        raise ManifestRefused(f"larger than {MANIFEST_BYTES} bytes")
    read = _in_archive(archive) if archive else _in_folder(run.tenant)
    rows = read_rows(manifest, name, default=options.key, once=options.when_enrolled is not WhenEnrolled.ADD)
    run.expect(len(rows))
    recorded = run.recorded()
    left = (row for row in rows if row.number not in recorded)
    run.each(left, lambda row: _import_row(run, read, options.when_enrolled, row))


def _manifest_in(archive: Archive) -> str:
    """Raises ManifestRefused unless exactly one of the names is there."""
    found = [name for name in MANIFESTS if name in archive.names]
    if len(found) != 1:
        raise ManifestRefused(f"the archive must hold one of {', '.join([*MANIFESTS, exchange.MANIFEST])}")
    return found[0]


def _import_row(run: Run, read: Read, when_enrolled: WhenEnrolled, row: Row | BadRow) -> None:
    about = {"org_id": row.key.org_id, "tag_id": row.key.tag_id, "external_id": row.external_id}
    try:
        if isinstance(row, BadRow):
            raise row.problem
        contents = _contents(run, read, row)
        _enroll(run, row, contents, when_enrolled, about)
    except ModelUnusable:
        # It is not the line's fault, and the others would fare the same.
        raise
    except (AudioError, VoiceprintError) as error:
        run.fail_line(row.number, error, kept(row.fields), **about)


def _contents(run: Run, read: Read, row: Row) -> list[bytes]:
    """The recordings of one line, together no larger than a request may be."""
    contents: list[bytes] = []
    left = settings.MAX_UPLOAD_BYTES
    for name in row.recordings:
        contents.append(run.persistently(lambda name=name: read(name)))  # type: ignore[misc]
        left -= len(contents[-1])
        if left < 0:
            raise TooLarge(size_bytes=settings.MAX_UPLOAD_BYTES - left, limit_bytes=settings.MAX_UPLOAD_BYTES)
    return contents


def _enroll(run: Run, row: Row, contents: list[bytes], when_enrolled: WhenEnrolled, about: dict[str, str]) -> None:
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    known = known_of(run.tenant, row)
    if known is not None and says_nothing_new(digests, known, when_enrolled):
        with acting_as(run.tenant):
            run.record(row.number, JobRow.Outcome.UNCHANGED, **about)
        return
    outcome = exchange.outcome_of(known is not None, when_enrolled)
    run.measure(
        lambda: services.enroll(
            run.tenant,
            row.key,
            row.external_id,
            [_audio(name, content) for name, content in zip(row.recordings, contents, strict=True)],
            info=row.info or "",
            consent=row.consent,
            when_enrolled=when_enrolled,
            also=lambda _: run.record(row.number, outcome, **about),
        )
    )


@dataclass(frozen=True)
class Known:
    digests: tuple[str, ...]
    same_words: bool


def known_of(tenant: Tenant, row: Row) -> Known | None:
    """Of an enrolled speaker, and whether that is all the line says beside; None for one who is not enrolled."""
    with acting_as(tenant):
        speaker = tenant.speakers.in_library(row.key).named(row.external_id).enrolled().first()
        if speaker is None:
            return None
        digests = tenant.utterances.filter(speaker=speaker).values_list("source_digest", flat=True)
        return Known(tuple(digests), row.info in (None, speaker.info) and consents.is_kept(speaker, row.consent))


def says_nothing_new(digests: list[str], known: Known, when_enrolled: WhenEnrolled) -> bool:
    adds = when_enrolled is WhenEnrolled.ADD
    return (adds or known.same_words) and exchange.says_nothing_new(digests, known.digests, adds)


def _audio(name: str, content: bytes) -> AudioInput:
    raw_pcm = RawPcm() if PurePosixPath(name).suffix.lower() in RAW_PCM_SUFFIXES else None
    return AudioInput(lambda: content, len(content), raw_pcm=raw_pcm)


def _in_archive(archive: Archive) -> Read:
    return lambda name: archive.read(name, settings.MAX_UPLOAD_BYTES)


def import_folder(tenant: Tenant) -> str:
    """Where in the storage the operator puts what the tenant may import. No recording's path begins like this."""
    return f"{IMPORT_FOLDERS}/tenant-{tenant.slug}"


def _in_folder(tenant: Tenant) -> Read:
    return lambda name: _read_within(import_folder(tenant), name)


def _read_within(folder: str, name: str) -> bytes:
    try:
        _refuse_outside(storages["recordings"], folder, name)
        content = recordings.read(f"{folder}/{name}", settings.MAX_UPLOAD_BYTES + 1)
        if len(content) > settings.MAX_UPLOAD_BYTES:
            raise TooLarge(size_bytes=recordings.size(f"{folder}/{name}"), limit_bytes=settings.MAX_UPLOAD_BYTES)
    except (FileNotFoundError, SuspiciousOperation):
        raise FileMissing(name=name) from None
    return content


def _refuse_outside(storage: Storage, folder: str, name: str) -> None:
    """A link in the folder may lead out of it. Raises FileMissing."""
    try:
        root, file = Path(storage.path(folder)).resolve(), Path(storage.path(f"{folder}/{name}")).resolve()
    except NotImplementedError:
        return
    if not file.is_relative_to(root):
        raise FileMissing(name=name)


def opened_input(path: str) -> IO[bytes]:
    """A file of a job, open. Raises StorageFailed."""
    try:
        return recordings.opened(path)
    except FileNotFoundError as error:
        raise StorageFailed("a file of the job is gone") from error
