"""Rows by their number: looking through them, and changing one without undoing what somebody else just did to it.

Whoever changes or removes a row may say in which `versions` they expect it; in any other, Outdated is raised.
Somebody else's row is as unknown as one that never was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, QuerySet

from tenants.actions import Action
from tenants.context import acting_as
from tenants.models import Tenant
from tenants.trail import note
from voiceprints import consents, services
from voiceprints.consents import Given
from voiceprints.errors import LibraryExists, LibraryNotFound, Outdated, SpeakerNotFound, UtteranceNotFound
from voiceprints.models import Library, Speaker, Utterance
from voiceprints.paging import Order, Page, Position, page_of
from voiceprints.results import LibraryKey, Removal
from voiceprints.targets import library_target, speaker_target

Versions = Collection[str] | None


@dataclass(frozen=True)
class LibraryRow:
    library: Library
    speaker_count: int

    @property
    def version(self) -> str:
        """Another one after every change that its representation could show."""
        return _digest(self.library.pk, self.library.name, self.library.info, self.speaker_count)


@dataclass(frozen=True)
class SpeakerRow:
    speaker: Speaker
    utterance_count: int = 0
    newest_utterance: int | None = None
    last_heard: datetime | None = None
    """When the newest utterance was stored."""

    @property
    def version(self) -> str:
        speaker = self.speaker
        return _digest(speaker.pk, speaker.info, speaker.status, self.utterance_count, self.newest_utterance)


def browse_libraries(
    tenant: Tenant, where: dict[str, Any], order: Order, *, after: Position | None, limit: int
) -> Page[LibraryRow]:
    with acting_as(tenant):
        page = page_of(tenant.libraries.filter(**where), order, after=after, limit=limit)
        return Page(tuple(_library_rows(tenant, page.rows)), page.last)


def find_library(tenant: Tenant, library_id: int) -> LibraryRow:
    """Raises LibraryNotFound."""
    with acting_as(tenant):
        return _library_row(tenant, tenant.libraries.all(), library_id)


def make_library(tenant: Tenant, key: LibraryKey, *, name: str = "", info: str = "") -> LibraryRow:
    """Raises LibraryExists."""
    library = Library(tenant=tenant, org_id=key.org_id, tag_id=key.tag_id, name=name, info=info)
    with acting_as(tenant):
        try:
            with transaction.atomic():
                library.save(force_insert=True)
        except IntegrityError:
            raise LibraryExists(org_id=key.org_id, tag_id=key.tag_id) from None
        note(tenant, Action.LIBRARY_MADE, library_target(library))
    return LibraryRow(library, 0)


def change_library(tenant: Tenant, library_id: int, changes: dict[str, str], *, versions: Versions) -> LibraryRow:
    """`changes`: name, info or both. Raises LibraryNotFound, Outdated."""
    with acting_as(tenant):
        row = _library_row(tenant, tenant.libraries.select_for_update(), library_id)
        _refuse_outdated(row.version, versions)
        _save(row.library, changes)
        note(tenant, Action.LIBRARY_CHANGED, library_target(row.library), fields=sorted(changes))
        return row


def remove_library(tenant: Tenant, library_id: int, *, versions: Versions) -> Removal:
    """With everybody in it. Raises LibraryNotFound, Outdated."""
    with acting_as(tenant):
        chosen = _expected_library(tenant, library_id, versions)
        return services.delete_libraries(tenant, chosen)


def empty_library(tenant: Tenant, library_id: int, *, versions: Versions) -> Removal:
    """Raises LibraryNotFound, Outdated."""
    with acting_as(tenant):
        chosen = _expected_library(tenant, library_id, versions)
        return services.empty_libraries(tenant, chosen)


def browse_speakers(
    tenant: Tenant, where: dict[str, Any], order: Order, *, after: Position | None, limit: int
) -> Page[SpeakerRow]:
    with acting_as(tenant):
        people = _people(tenant).filter(**where)
        page = page_of(people, order, after=after, limit=limit)
        return Page(tuple(_speaker_rows(tenant, page.rows)), page.last)


def find_speaker(tenant: Tenant, speaker_id: int) -> SpeakerRow:
    """Raises SpeakerNotFound."""
    with acting_as(tenant):
        return _speaker_row(tenant, _people(tenant), speaker_id)


def change_speaker(
    tenant: Tenant, speaker_id: int, changes: dict[str, str], *, versions: Versions, consent: Given | None = None
) -> SpeakerRow:
    """`changes`: info; a `consent` takes the place of what was told before. Raises SpeakerNotFound, Outdated."""
    told = consents.seen(consent)
    with acting_as(tenant):
        row = _speaker_row(tenant, _people(tenant).select_for_update(of=["self"]), speaker_id)
        _refuse_outdated(row.version, versions)
        _save(row.speaker, changes)
        if told:
            consents.record(tenant, row.speaker, told)
        fields = sorted([*changes, *(["consent"] if told else [])])
        note(tenant, Action.SPEAKER_CHANGED, speaker_target(row.speaker), fields=fields)
        return row


def remove_speaker(tenant: Tenant, speaker_id: int, *, versions: Versions) -> Removal:
    """With everything they said. Raises SpeakerNotFound, Outdated."""
    with acting_as(tenant):
        row = _speaker_row(tenant, _people(tenant).select_for_update(of=["self"]), speaker_id)
        _refuse_outdated(row.version, versions)
        library = tenant.libraries.filter(pk=row.speaker.library_id)
        return services.delete_speakers(tenant, library, [row.speaker.external_id])


def browse_utterances(
    tenant: Tenant, where: dict[str, Any], order: Order, *, after: Position | None, limit: int
) -> Page[Utterance]:
    with acting_as(tenant):
        return page_of(_utterances(tenant).filter(**where), order, after=after, limit=limit)


def find_utterance(tenant: Tenant, utterance_id: int) -> Utterance:
    """Raises UtteranceNotFound."""
    with acting_as(tenant):
        utterance: Utterance | None = _utterances(tenant).filter(pk=utterance_id).first()
    if utterance is None:
        raise UtteranceNotFound(utterance_id=utterance_id)
    return utterance


def _people(tenant: Tenant) -> QuerySet[Speaker]:
    return tenant.speakers.without_probes().select_related("library")


def _utterances(tenant: Tenant) -> QuerySet[Utterance]:
    return tenant.utterances.exclude(speaker__status=Speaker.Status.PROBE).select_related("speaker__library")


def _expected_library(tenant: Tenant, library_id: int, versions: Versions) -> QuerySet[Library]:
    """Everybody locks the speakers before their library, so it is done here before its version is looked at."""
    list(tenant.speakers.filter(library=library_id).select_for_update(of=["self"]).order_by("pk").values_list("pk"))
    row = _library_row(tenant, tenant.libraries.select_for_update(), library_id)
    _refuse_outdated(row.version, versions)
    return tenant.libraries.filter(pk=library_id)


def _library_row(tenant: Tenant, libraries: QuerySet[Library], library_id: int) -> LibraryRow:
    library = libraries.filter(pk=library_id).first()
    if library is None:
        raise LibraryNotFound(library_id=library_id)
    return _library_rows(tenant, [library])[0]


def _library_rows(tenant: Tenant, libraries: Iterable[Library]) -> list[LibraryRow]:
    chosen = list(libraries)
    people = tenant.speakers.in_libraries(chosen).without_probes().order_by().values("library")
    counts = dict(people.annotate(count=Count("pk")).values_list("library", "count"))
    return [LibraryRow(library, counts.get(library.pk, 0)) for library in chosen]


def _speaker_row(tenant: Tenant, speakers: QuerySet[Speaker], speaker_id: int) -> SpeakerRow:
    speaker = speakers.filter(pk=speaker_id).first()
    if speaker is None:
        raise SpeakerNotFound(speaker_id=speaker_id)
    return _speaker_rows(tenant, [speaker])[0]


def _speaker_rows(tenant: Tenant, speakers: Iterable[Speaker]) -> list[SpeakerRow]:
    chosen = list(speakers)
    said = tenant.utterances.filter(speaker__in=chosen).order_by().values("speaker")
    figures = said.annotate(count=Count("pk"), newest=Max("pk"), heard=Max("created"))
    known = {speaker: found for speaker, *found in figures.values_list("speaker", "count", "newest", "heard")}
    return [SpeakerRow(speaker, *known.get(speaker.pk, ())) for speaker in chosen]


def _save(row: Library | Speaker, changes: dict[str, str]) -> None:
    for field, text in changes.items():
        setattr(row, field, text)
    if changes:
        row.save(update_fields=list(changes))


def _refuse_outdated(version: str, expected: Versions) -> None:
    if expected is not None and version not in expected:
        raise Outdated


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
