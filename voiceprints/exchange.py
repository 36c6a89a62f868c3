"""Whole libraries out of one installation and into another: a zip of what they hold. docs/bulk.md says its layout.

An embedding of a model that is known here is taken as it is; without one the recordings are measured again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import shutil
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import IO, Any, cast

import numpy as np
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from audio.errors import AudioError
from audio.results import Embedding, SpeechQuality
from tenants.actions import Action
from tenants.context import acting_as
from tenants.generations import keeping_models
from tenants.models import Tenant
from tenants.trail import note
from voiceprints import consents, gallery, recordings, retention, services, work
from voiceprints.archives import Archive, fit_name
from voiceprints.consents import Given
from voiceprints.errors import (
    ArchiveRefused,
    ManifestRefused,
    ModelUnusable,
    RowRefused,
    SpeakerNotFound,
    StorageFailed,
    VoiceprintError,
)
from voiceprints.manifests import Fields, consented, fit_text, json_fields, kept, moment, required
from voiceprints.models import EmbeddingModel, JobRow, Library, Speaker, Utterance
from voiceprints.results import AudioInput, Enrollment, KnownUtterance, LibraryKey, WhenEnrolled
from voiceprints.targets import speaker_target
from voiceprints.work import Product, Run

FORMAT, VERSION = "openvpr-export", 1
SUFFIX = ".zip"
"""Of exports alone: recordings have another, and uploads none."""
MANIFEST, SPEAKERS = "manifest.json", "speakers.jsonl"
MANIFEST_BYTES = 64 * 1024
# A speaker with its embeddings: some thousand utterances.
LINE_BYTES = 16 * 1024 * 1024
MOST_UTTERANCES = 5000
SPEAKERS_BETWEEN_BEATS = 20
IN_MEMORY_BYTES = 8 * 1024 * 1024
TRIES_TO_READ = 3
FLAC_MAGIC = b"fLaC"
DIGEST = re.compile(r"(?:[0-9a-f]{64})?")
# How far the length of an embedding may be from 1: it was stored in single precision.
LENGTH_TOLERANCE = 1e-3

# --- Out -------------------------------------------------------------------------------------------------------------


def run_export(run: Run) -> Product:
    """Write the library into one file in the storage. Begun again it begins anew, under another name.

    Raises LibraryNotFound, StorageFailed.
    """
    wants = run.job.parameters
    with acting_as(run.tenant):
        library = gallery.find_library(run.tenant, LibraryKey(wants["org_id"], wants["tag_id"]))
    with _scratch_file() as file:
        counted = Export(run, library, wants["recordings"], wants["embeddings"]).write(file)
        path = run.persistently(lambda: work.stored(run.tenant, file, SUFFIX, run=run))
        return Product(counted | {"size_bytes": file.tell()}, path, settings.EXPORT_KEPT_SECONDS)


def is_written(tenant: Tenant) -> bool:
    """Whether an export is on its way into the storage, also of a runner that has lost its job."""
    written: bool = tenant.doomed_recordings.filter(planned=True, path__endswith=SUFFIX).exists()
    return written


def being_written(tenant: Tenant) -> list[str]:
    """Exports and recordings on their way into the storage, also of runners that have lost their jobs."""
    planned = tenant.doomed_recordings.filter(planned=True)
    no_upload = Q(path__endswith=SUFFIX) | ~Q(path__startswith=work.folder_of(tenant))
    return list(planned.filter(no_upload).values_list("path", flat=True))


@contextmanager
def _scratch_file() -> Iterator[IO[bytes]]:
    """Raises StorageFailed when the disk does not take what the block writes, here or in files like this one."""
    try:
        with tempfile.TemporaryFile() as file:
            yield cast(IO[bytes], file)
    except OSError as error:
        raise StorageFailed.by(error, "a temporary file") from error


@dataclass
class Export:
    run: Run
    library: Library
    with_recordings: bool
    with_embeddings: bool
    missing: int = 0

    def write(self, file: IO[bytes]) -> dict[str, Any]:
        """Returns how much there was."""
        with acting_as(self.run.tenant):
            speakers = list(self.library.speakers.without_probes().order_by("pk").values_list("pk", flat=True))
        self.run.expect(len(speakers))
        with zipfile.ZipFile(file, "w") as archive, tempfile.TemporaryFile() as lines:
            written = sum(self._speaker(archive, lines, *numbered) for numbered in enumerate(speakers, 1))
            lines.seek(0)
            with archive.open(_member(SPEAKERS, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as member:
                shutil.copyfileobj(lines, member)
            manifest = json.dumps(self._manifest(written), ensure_ascii=False, indent=2)
            archive.writestr(_member(MANIFEST, zipfile.ZIP_DEFLATED), manifest)
        self.run.progress(len(speakers))
        return {"speakers": written, "missing_recordings": self.missing}

    def _manifest(self, speakers: int) -> dict[str, Any]:
        library = {name: getattr(self.library, name) for name in ("org_id", "tag_id", "name", "info")}
        contents = {"recordings": self.with_recordings, "embeddings": self.with_embeddings}
        about = {"format": FORMAT, "version": VERSION, "created": timezone.now().isoformat()}
        return about | {"library": library, "contents": contents, "speakers": speakers}

    def _speaker(self, archive: zipfile.ZipFile, lines: Any, number: int, speaker_id: int) -> bool:
        """False for one that was deleted meanwhile."""
        if number % SPEAKERS_BETWEEN_BEATS == 0:
            self.run.progress(number)
        self.run.refuse_to_go_on()
        for tries_left in reversed(range(TRIES_TO_READ)):
            try:
                return self._written(archive, lines, number, speaker_id, every_recording=tries_left > 0)
            except FileNotFoundError:
                # Replaced while we read: look again.
                continue
        return False

    def _written(
        self, archive: zipfile.ZipFile, lines: Any, number: int, speaker_id: int, *, every_recording: bool
    ) -> bool:
        """Nothing of a speaker is in the archive unless all is. Raises FileNotFoundError, StorageFailed."""
        said = self._read(speaker_id)
        if said is None:
            return False
        speaker, consent, utterances = said
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as spool:
            sizes = [self._recording(row, spool, required=every_recording) for row in utterances]
            entries = list(self._utterances(archive, number, spool, utterances, sizes))
        line = _speaker_line(speaker, consent) | {"utterances": entries}
        lines.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        return True

    def _read(self, speaker_id: int) -> tuple[Speaker, Given | None, list[Utterance]] | None:
        with acting_as(self.run.tenant):
            speaker = self.run.tenant.speakers.filter(pk=speaker_id).first()
            if speaker is None:
                return None
            utterances = speaker.utterances.order_by("pk").prefetch_related("embeddings")
            return speaker, consents.given_by(speaker), list(utterances)

    def _recording(self, utterance: Utterance, spool: Any, *, required: bool) -> int:
        """How many bytes of it now lie in the spool. Raises FileNotFoundError, StorageFailed."""
        if not (self.with_recordings and utterance.recording):
            return 0
        try:
            content = self.run.persistently(lambda: recordings.read(str(utterance.recording)))
        except FileNotFoundError:
            if required:
                raise
            self.missing += 1
            return 0
        spool.write(content)
        return len(content)

    def _utterances(
        self, archive: zipfile.ZipFile, number: int, spool: Any, utterances: list[Utterance], sizes: list[int]
    ) -> Iterator[dict[str, Any]]:
        spool.seek(0)
        for place, (utterance, size) in enumerate(zip(utterances, sizes, strict=True), 1):
            entry = _utterance_entry(utterance)
            if size:
                content = spool.read(size)
                entry["recording"] = f"recordings/{number:06}/{place:04}.flac"
                entry["sha256"] = hashlib.sha256(content).hexdigest()
                archive.writestr(_member(entry["recording"], zipfile.ZIP_STORED), content)
            if self.with_embeddings:
                entry["embeddings"] = {row.model: _packed(row.embedding) for row in utterance.embeddings.all()}
            yield entry


def _speaker_line(speaker: Speaker, consent: Given | None) -> dict[str, Any]:
    about = {"external_id": speaker.external_id, "info": speaker.info, "status": speaker.status}
    return about | {"created": speaker.created.isoformat(), "consent": consent and consent.to_wire()}


def _utterance_entry(utterance: Utterance) -> dict[str, Any]:
    quality = {field.name: getattr(utterance, field.name) for field in fields(SpeechQuality)}
    about = {"created": utterance.created.isoformat(), "source_digest": utterance.source_digest}
    treatment = {"denoised": utterance.denoised, "trimmed": utterance.trimmed}
    return about | treatment | {"quality": quality, "recording": None, "sha256": "", "embeddings": {}}


def _member(name: str, compression: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, timezone.now().timetuple()[:6])
    member.compress_type = compression
    member.external_attr = 0o600 << 16
    return member


def _packed(embedding: Any) -> str:
    return base64.b64encode(np.asarray(embedding, dtype="<f4").tobytes()).decode()


# --- In --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExportedUtterance:
    recording: str | None
    sha256: str
    source_digest: str
    created: datetime
    quality: SpeechQuality
    embeddings: dict[str, Embedding]
    denoised: bool
    trimmed: bool

    @property
    def digest(self) -> str:
        """What tells it from others: the recording as it first came, else as it was kept, else what it measured."""
        if self.source_digest or self.sha256:
            return self.source_digest or self.sha256
        return hashlib.sha256(b"".join(_bytes(self.embeddings[model]) for model in sorted(self.embeddings))).hexdigest()


@dataclass(frozen=True)
class Known:
    """What a speaker said who is there already: each utterance's embedding of the model, and its digest."""

    model: str
    embeddings: Sequence[bytes]
    digests: Sequence[str]


@dataclass(frozen=True)
class ExportedSpeaker:
    external_id: str
    info: str
    status: Speaker.Status
    created: datetime
    utterances: tuple[ExportedUtterance, ...]
    consent: Given | None

    def is_measured_with(self, models: Sequence[str]) -> bool:
        return all(utterance.embeddings.keys() >= set(models) for utterance in self.utterances)

    @property
    def is_recorded(self) -> bool:
        return all(utterance.recording for utterance in self.utterances)

    def is_all_of(self, known: Known) -> bool:
        """Whether this speaker said just that, no more and no less."""
        if self.is_measured_with([known.model]):
            measured = [_bytes(one.embeddings[known.model]) for one in self.utterances]
            return says_nothing_new(measured, known.embeddings, adds=False)
        left = Counter(filter(None, known.digests))
        for one in self.utterances:
            name = one.sha256 if left[one.sha256] else one.digest
            left[name] -= 1
        return len(self.utterances) == len(known.digests) and not any(left.values())

    def beside(self, known: Known) -> ExportedSpeaker:
        """This speaker with no more than what is not among the known."""
        if self.is_measured_with([known.model]):
            news = [one for one in self.utterances if _bytes(one.embeddings[known.model]) not in known.embeddings]
        else:
            digests = {digest for digest in known.digests if digest}
            news = [one for one in self.utterances if digests.isdisjoint({one.sha256, one.digest})]
        return replace(self, utterances=tuple(news))


def restore(run: Run, archive: Archive, key: LibraryKey, when_enrolled: WhenEnrolled) -> None:
    """Every speaker of the export, each whole or not at all, into the library `key`, or without an org_id its own.

    Raises ManifestRefused, ArchiveRefused.
    """
    manifest = _manifest(archive)
    library = manifest["library"]
    target = key if key.org_id else LibraryKey(required(library, "org_id", ""), fit_text(library, "tag_id", ""))
    with acting_as(run.tenant):
        defaults = {name: fit_text(library, name, "") for name in ("name", "info")}
        gallery.library_for(run.tenant, target, **defaults)
        models = dict(EmbeddingModel.objects.values_list("name", "dimension"))
    recorded = run.recorded()
    run.expect(manifest["speakers"])
    lines = enumerate(archive.lines(SPEAKERS, LINE_BYTES), 1)
    restoring = Restoring(run, archive, target, when_enrolled, models)
    run.each(((number, line) for number, line in lines if number not in recorded), restoring.one)


def _manifest(archive: Archive) -> dict[str, Any]:
    try:
        manifest = json_fields(archive.read(MANIFEST, MANIFEST_BYTES).decode())
    except UnicodeDecodeError:
        raise ManifestRefused("it is not UTF-8") from None
    if isinstance(manifest, RowRefused) or manifest.get("format") != FORMAT:
        raise ManifestRefused("it is no manifest of an export")
    if manifest.get("version") != VERSION:
        raise ManifestRefused(f"not of version {VERSION}")
    count = manifest.get("speakers")
    if type(count) is not int or not 0 <= count < 2**31 or not isinstance(manifest.get("library"), dict):
        raise ManifestRefused("it lacks the library or the number of speakers")
    return manifest


class _ModelsChanged(Exception):
    """The tenant's models are no longer those that a speaker was measured with."""


@dataclass(frozen=True)
class Restoring:
    run: Run
    archive: Archive
    key: LibraryKey
    when_enrolled: WhenEnrolled
    models: dict[str, int]

    @property
    def tenant(self) -> Tenant:
        return self.run.tenant

    def one(self, numbered: tuple[int, bytes]) -> None:
        number, line = numbered
        about = {"org_id": self.key.org_id, "tag_id": self.key.tag_id, "external_id": ""}
        try:
            speaker = read_speaker(line, self.models)
            about["external_id"] = speaker.external_id
            self._speaker(number, speaker, about)
        except ModelUnusable:
            raise
        except (AudioError, VoiceprintError) as error:
            self.run.fail_line(number, error, kept(line_fields(line)), **about)

    def _speaker(self, number: int, speaker: ExportedSpeaker, about: dict[str, str]) -> None:
        with acting_as(self.tenant):
            present = self.tenant.speakers.in_library(self.key).named(speaker.external_id).first()
            news = self._news(present, speaker) if present else speaker
            if news is None:
                self.run.record(number, JobRow.Outcome.UNCHANGED, **about)
                return
        outcome = outcome_of(present is not None and present.enrolled, self.when_enrolled)
        patiently = self.run.persistently if self._can_be_taken(news) else self.run.measure

        def also(written: Speaker) -> None:
            if news is not speaker and written != present:
                raise SpeakerNotFound(external_id=speaker.external_id)
            self.run.record(number, outcome, **about)

        patiently(lambda: self._write(news, also))

    def _news(self, present: Speaker, speaker: ExportedSpeaker) -> ExportedSpeaker | None:
        """What is to be written of the speaker; None when all is there. Who is still enrolling is added to unless
        replaced, and nobody who is enrolled becomes less by an import.
        """
        known = self._known(present)
        is_as_far = present.enrolled or present.status == speaker.status
        if self.when_enrolled is WhenEnrolled.ADD or (
            self.when_enrolled is WhenEnrolled.REFUSE and not present.enrolled
        ):
            news = speaker.beside(known)
            return news if news.utterances or not is_as_far else None
        same_words = present.info == speaker.info and consents.is_kept(present, speaker.consent)
        return None if is_as_far and same_words and speaker.is_all_of(known) else speaker

    def _known(self, present: Speaker) -> Known:
        embeddings = [row.embedding for row in gallery.embeddings_of(present) if row.model == self.tenant.model]
        digests = present.utterances.values_list("source_digest", flat=True)
        return Known(self.tenant.model, [_bytes(one) for one in embeddings], list(digests))

    def _write(self, speaker: ExportedSpeaker, also: Callable[[Speaker], None]) -> None:
        """As it was measured elsewhere, where that is with the models of the tenant, which may change this moment."""
        while self._can_be_taken(speaker):
            try:
                self._take(speaker, also)
            except _ModelsChanged:
                continue
            return
        if not speaker.is_recorded:
            raise RowRefused("neither recordings nor embeddings of a model known here", field="utterances")
        self._measure(speaker, also)

    def _can_be_taken(self, speaker: ExportedSpeaker) -> bool:
        """Without recordings the model that answers is enough: there is nothing that others could hear."""
        if speaker.is_recorded:
            return speaker.is_measured_with(self.tenant.models)
        return speaker.is_measured_with([self.tenant.model])

    def _take(self, speaker: ExportedSpeaker, also: Callable[[Speaker], None]) -> None:
        """Raises _ModelsChanged when it cannot be taken any more."""
        with acting_as(self.tenant):
            kept = retention.keeps_recordings(self.tenant, self.key)
        paths = [recordings.new_path(self.key.org_id) if one.recording and kept else "" for one in speaker.utterances]
        written = [path for path in paths if path]
        with recordings.planned_on(self.tenant, written, within=work.TIME_TO_CLAIM):
            with acting_as(self.tenant):
                recordings.plan(self.tenant, written, within=work.TIME_TO_CLAIM)
            sizes = [
                self._store(utterance, path) if path else 0
                for utterance, path in zip(speaker.utterances, paths, strict=True)
            ]
            with keeping_models(self.tenant):
                if not self._can_be_taken(speaker):
                    raise _ModelsChanged
                newcomer = Speaker(external_id=speaker.external_id, info=speaker.info, status=speaker.status)
                row, _ = gallery.admit(self.tenant, self.key, newcomer, self.when_enrolled, create_library=True)
                consents.record(self.tenant, row, speaker.consent)
                known = [
                    KnownUtterance(
                        path,
                        size,
                        one.digest,
                        one.created,
                        one.quality,
                        one.embeddings,
                        one.denoised,
                        one.trimmed,
                        not_kept=bool(one.recording) and not path,
                    )
                    for one, path, size in zip(speaker.utterances, paths, sizes, strict=True)
                ]
                gallery.add_known_utterances(self.tenant, row, known, speaker.status)
                gallery.backdate(row, speaker.created)
                target, said = speaker_target(row), len(known)
                note(self.tenant, Action.ENROLLED, target, taken_over=said, when_enrolled=self.when_enrolled)
                also(row)

    def _store(self, utterance: ExportedUtterance, path: str) -> int:
        """Returns how many bytes there are now."""
        content = self._recording(utterance)
        recordings.write([path], [content])
        return len(content)

    def _measure(self, speaker: ExportedSpeaker, also: Callable[[Speaker], None]) -> None:
        def written(enrollment: Enrollment) -> None:
            gallery.backdate(enrollment.speaker, speaker.created)
            also(enrollment.speaker)

        complete = speaker.status == Speaker.Status.ENROLLED
        services.enroll(
            self.tenant,
            self.key,
            speaker.external_id,
            [self._audio(one) for one in speaker.utterances],
            info=speaker.info,
            required_utterances=1 if complete else sys.maxsize,
            when_enrolled=self.when_enrolled,
            consent=speaker.consent,
            also=written,
        )

    def _audio(self, utterance: ExportedUtterance) -> AudioInput:
        """To be treated as it was when it was first enrolled."""
        return AudioInput(
            lambda: self._recording(utterance), denoise=utterance.denoised, trim_silence=utterance.trimmed
        )

    def _recording(self, utterance: ExportedUtterance) -> bytes:
        """Raises FileMissing, ArchiveRefused, TooLarge."""
        name = utterance.recording or ""
        content = self.archive.read(name, settings.MAX_UPLOAD_BYTES)
        if hashlib.sha256(content).hexdigest() != utterance.sha256 or not content.startswith(FLAC_MAGIC):
            raise ArchiveRefused("not the recording that was exported", member=name)
        return content


def says_nothing_new(said: Sequence[Any], known: Sequence[Any], adds: bool) -> bool:
    """Whether all that is said is known; and where it is not to be added but stands for the whole, nothing else is."""
    return set(said) <= set(known) if adds else sorted(said) == sorted(known)


def outcome_of(is_enrolled: bool, when_enrolled: WhenEnrolled) -> JobRow.Outcome:
    """What becomes of a line that has something new to say."""
    if not is_enrolled:
        return JobRow.Outcome.ENROLLED
    return JobRow.Outcome.ADDED if when_enrolled is WhenEnrolled.ADD else JobRow.Outcome.REPLACED


def read_speaker(line: bytes, models: dict[str, int]) -> ExportedSpeaker:
    """Raises RowRefused."""
    try:
        said = json_fields(line.decode())
    except UnicodeDecodeError:
        raise RowRefused("it is not UTF-8", field="line") from None
    if isinstance(said, RowRefused):
        raise said
    status, utterances = said.get("status"), said.get("utterances")
    if status not in (Speaker.Status.ENROLLED, Speaker.Status.ENROLLING):
        raise RowRefused("enrolled or enrolling", field="status")
    if not isinstance(utterances, list) or not 0 < len(utterances) <= MOST_UTTERANCES:
        raise RowRefused(f"a list of 1 to {MOST_UTTERANCES}", field="utterances")
    return ExportedSpeaker(
        required(said, "external_id", ""),
        fit_text(said, "info", ""),
        Speaker.Status(status),
        moment(said.get("created"), "created"),
        tuple(_utterance(one, models) for one in utterances),
        _consent(said.get("consent")),
    )


def line_fields(line: bytes) -> Fields:
    """As much of the line of an export as a list could say: the recordings are in the archive under their names."""
    said = json_fields(line.decode(errors="replace"))
    if isinstance(said, RowRefused):
        return {}
    utterances = said.get("utterances")
    listed = utterances if isinstance(utterances, list) else []
    consent, fields = said.get("consent"), {name: said[name] for name in said if name in ("external_id", "info")}
    fields |= {f"consent_{name}": told for name, told in (consent if isinstance(consent, dict) else {}).items() if told}
    return fields | {"audio": [one.get("recording") for one in listed if isinstance(one, dict)]}


def _consent(said: Any) -> Given | None:
    """Exports of earlier versions tell of none."""
    if said is None:
        return None
    if not isinstance(said, dict):
        raise RowRefused("no JSON object", field="consent")
    given = None if said.get("given") is None else consented(said["given"], "consent")
    return Given(required(said, "reference", ""), fit_text(said, "version", ""), fit_text(said, "source", ""), given)


def _utterance(said: Any, models: dict[str, int]) -> ExportedUtterance:
    if not isinstance(said, dict):
        raise RowRefused("no JSON object", field="utterances")
    return ExportedUtterance(
        _recording_name(said.get("recording")),
        _digest(said, "sha256"),
        _digest(said, "source_digest"),
        moment(said.get("created"), "created"),
        _quality(said.get("quality")),
        _embeddings(said.get("embeddings"), models),
        _flag(said, "denoised", absent=False),
        _flag(said, "trimmed", absent=True),
    )


def _recording_name(name: Any) -> str | None:
    try:
        return None if name is None else fit_name(name)
    except (ArchiveRefused, AttributeError):
        raise RowRefused("no name of a file", field="recording") from None


def _digest(said: dict[str, Any], field: str) -> str:
    digest = said.get(field)
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise RowRefused("no SHA-256 in hex", field=field)
    return digest


def _flag(said: dict[str, Any], field: str, *, absent: bool) -> bool:
    flag = said.get(field, absent)
    if not isinstance(flag, bool):
        raise RowRefused("true or false", field=field)
    return flag


def _quality(said: Any) -> SpeechQuality:
    try:
        figures = {field.name: float(said[field.name]) for field in fields(SpeechQuality)}
    except (TypeError, KeyError, ValueError, OverflowError):
        raise RowRefused("not all figures", field="quality") from None
    if not all(map(math.isfinite, figures.values())):
        raise RowRefused("a figure that is none", field="quality")
    return SpeechQuality(**figures)


def _embeddings(said: Any, models: dict[str, int]) -> dict[str, Embedding]:
    if not isinstance(said, dict):
        raise RowRefused("no JSON object", field="embeddings")
    return {model: _unpacked(text, models[model]) for model, text in said.items() if model in models}


def _unpacked(text: Any, dimension: int) -> Embedding:
    try:
        embedding = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    except (TypeError, ValueError, binascii.Error):
        embedding = np.zeros(0, "<f4")
    if embedding.shape != (dimension,) or not abs(float(np.linalg.norm(embedding)) - 1.0) < LENGTH_TOLERANCE:
        raise RowRefused(f"no embedding of {dimension} dimensions and length 1", field="embeddings")
    return embedding


def _bytes(embedding: Any) -> bytes:
    return np.asarray(embedding, dtype="<f4").tobytes()
