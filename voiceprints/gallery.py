"""How a speaker, what it said and its voiceprints are written and removed, inside the transaction of a service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils import timezone

from audio.results import Embedding
from tenants.actions import Action
from tenants.models import Tenant
from tenants.trail import note
from voiceprints import optouts, recordings, stock
from voiceprints.errors import LibraryNotFound, SpeakerExists, SpeakerNotFound, SpeakersExist, UtteranceNotFound
from voiceprints.inserting import Deed, insert
from voiceprints.models import Library, Speaker, Utterance, UtteranceEmbedding, Voiceprint
from voiceprints.results import Enrollment, KnownUtterance, LibraryKey, Measured, Removal, WhenEnrolled
from voiceprints.scoring import voiceprint_of
from voiceprints.targets import library_target, speaker_target

Embeddings = list[UtteranceEmbedding]

# Whoever deletes a speaker who is being enrolled, time and again, wins.
TRIES_TO_ADMIT = 3

# Unlike Django's own, this takes a name that is there already for an answer, where an error would end everything. Each
# enrollment waits for it, so it finds the library too.
INSERT_SPEAKER = """
WITH library AS (
    SELECT * FROM voiceprints_library WHERE tenant_id = %s AND org_id = %s AND tag_id = %s
), inserted AS (
    INSERT INTO voiceprints_speaker (tenant_id, library_id, external_id, info, status, created, completed)
    SELECT tenant_id, id, %s, %s, %s, %s, %s FROM library
    WHERE NOT EXISTS (SELECT FROM voiceprints_optout AS kept_out WHERE tenant_id = %s AND digest = ANY(%s))
    ON CONFLICT (library_id, external_id) DO NOTHING
    RETURNING id
)
SELECT inserted.id, library.id, library.name, library.info, library.created FROM inserted, library
"""
REPLACING_VOICEPRINT = """
ON CONFLICT (speaker_id, model) DO UPDATE SET
    embedding = EXCLUDED.embedding,
    utterance_count = EXCLUDED.utterance_count,
    speech_seconds = EXCLUDED.speech_seconds
"""

# What hangs on them goes first. As the object-relational mapper would, which loads all that it removes.
DELETE_UTTERANCES = """
DELETE FROM voiceprints_utteranceembedding WHERE tenant_id = %(tenant)s AND utterance_id = ANY(%(doomed)s::bigint[]);
DELETE FROM voiceprints_utterance WHERE tenant_id = %(tenant)s AND id = ANY(%(doomed)s::bigint[])
"""
DELETE_SPEAKERS = """
DELETE FROM voiceprints_consent WHERE tenant_id = %(tenant)s AND speaker_id = ANY(%(doomed)s::bigint[]);
DELETE FROM voiceprints_voiceprint WHERE tenant_id = %(tenant)s AND speaker_id = ANY(%(doomed)s::bigint[]);
DELETE FROM voiceprints_speaker WHERE tenant_id = %(tenant)s AND id = ANY(%(doomed)s::bigint[])
"""


def find_library(tenant: Tenant, key: LibraryKey) -> Library:
    library: Library | None = tenant.libraries.within(key.org_id, key.tag_id).first()
    if library is None:
        raise LibraryNotFound(org_id=key.org_id, tag_id=key.tag_id)
    return library


def library_for(tenant: Tenant, key: LibraryKey, **about: str) -> Library:
    """Made when there is none, with what is said about it."""
    library, is_new = tenant.libraries.get_or_create(org_id=key.org_id, tag_id=key.tag_id, defaults=about)
    if is_new:
        note(tenant, Action.LIBRARY_MADE, library_target(library))
    return library


def admit(
    tenant: Tenant, key: LibraryKey, newcomer: Speaker, when_enrolled: WhenEnrolled, *, create_library: bool
) -> tuple[Speaker, Embeddings]:
    """The speaker of that name, nobody else's to change, and the embeddings of those utterances that count on.

    The library and the speaker are made when they are new, the speaker as the `newcomer` it would be. Raises
    SpeakerExists, OptedOut, and LibraryNotFound where there is none to be made or when it is deleted this moment.
    """
    for _ in range(TRIES_TO_ADMIT):
        if inserted := _inserted(tenant, key, newcomer):
            return inserted, []
        named = tenant.speakers.in_library(key).named(newcomer.external_id).select_related("library")
        known = named.select_for_update(of=["self"]).first()
        if known:
            return known, _what_counts_on(known, newcomer.info, when_enrolled)
        optouts.refuse(tenant, key, newcomer.external_id)
        if create_library:
            library_for(tenant, key)
        else:
            find_library(tenant, key)
    raise SpeakerNotFound(external_id=newcomer.external_id)


def locked_speaker(speaker: Speaker) -> Speaker:
    """The same speaker, nobody else's to change until the transaction ends. Raises SpeakerNotFound: just deleted."""
    locked: Speaker | None = (
        Speaker.all_tenants.select_for_update(of=["self"]).select_related("library").filter(pk=speaker.pk).first()
    )
    if locked is None:
        raise SpeakerNotFound(external_id=speaker.external_id)
    return locked


def add_utterances(
    tenant: Tenant, speaker: Speaker, earlier: Embeddings, measured: Sequence[Measured], required_utterances: int
) -> Enrollment:
    """Rows for recordings that are written already, or are not kept; with enough of them the speaker can be found.

    They are measured with the tenant's models, which stay what they are until the transaction ends. `earlier`: the
    embeddings of those utterances of the speaker that count on. Whoever is enrolled stays so. Raises SpeakersExhausted
    and StorageExhausted where the tenant would have more than it may.
    """
    utterances = [
        Utterance(
            tenant_id=speaker.tenant_id,
            speaker=speaker,
            recording=path,
            recording_expired=None if path else timezone.now(),
            size_bytes=len(analysis.flac) if path else 0,
            source_digest=analysis.source_digest,
            denoised=analysis.denoised,
            trimmed=analysis.trimmed,
            **analysis.quality.as_dict(),
        )
        for analysis, path in measured
    ]
    said = [
        (utterance, [embedding_row(utterance, model, embedding) for model, embedding in analysis.embeddings.items()])
        for (analysis, _), utterance in zip(measured, utterances, strict=True)
    ]
    embeddings = [row for _, rows in said for row in rows]
    enrollment = Enrollment(
        speaker, tuple(utterances), required_utterances, (*earlier, *embeddings), tenant.answering_models
    )
    complete = enrollment.utterance_count >= required_utterances or (speaker.enrolled and bool(earlier))
    models = _models_to_write(tenant, speaker, complete=complete)
    along_with = [group for utterance, rows in said for group in ([utterance], rows)]
    claiming = recordings.claiming(path for _, path in measured if path)
    _write_voiceprints(tenant, speaker, enrollment.embeddings, models, along_with=along_with, first=claiming)
    stock.refuse_too_much(tenant, newcomer=speaker.is_new, recorded=any(path for _, path in measured))
    return enrollment


def add_known_utterances(tenant: Tenant, speaker: Speaker, known: Sequence[KnownUtterance], status: str) -> None:
    """Rows for utterances measured elsewhere, their recordings, if any, written already.

    Raises SpeakersExhausted and StorageExhausted.
    """
    recordings.claim([one.path for one in known if one.path])
    rows = Utterance.all_tenants.bulk_create(
        Utterance(
            tenant_id=speaker.tenant_id,
            speaker=speaker,
            recording=one.path,
            recording_expired=timezone.now() if one.not_kept else None,
            size_bytes=one.size_bytes,
            source_digest=one.source_digest,
            denoised=one.denoised,
            trimmed=one.trimmed,
            **one.quality.as_dict(),
        )
        for one in known
    )
    for row, one in zip(rows, known, strict=True):
        row.created = one.created
    Utterance.all_tenants.bulk_update(rows, ["created"])
    UtteranceEmbedding.all_tenants.bulk_create(
        embedding_row(row, model, embedding)
        for row, one in zip(rows, known, strict=True)
        for model, embedding in one.embeddings.items()
        if model in tenant.models
    )
    remake_voiceprints(tenant, speaker, complete=status == Speaker.Status.ENROLLED)
    stock.refuse_too_much(tenant, newcomer=speaker.is_new, recorded=any(one.path for one in known))


def backdate(speaker: Speaker, created: datetime) -> None:
    """The speaker was enrolled elsewhere before."""
    if created < speaker.created:
        speaker.created = created
        speaker.save(update_fields=["created"])


def embeddings_of(speaker: Speaker) -> Embeddings:
    """All models' embeddings of what the speaker said."""
    return list(
        UtteranceEmbedding.all_tenants.filter(utterance__speaker=speaker)
        .select_related("utterance")
        .order_by("utterance_id")
    )


def remake_voiceprints(tenant: Tenant, speaker: Speaker, *, complete: bool = False) -> None:
    """After utterances came or went: the voiceprints of what is there, and without any the speaker is enrolling."""
    models = _models_to_write(tenant, speaker, complete=complete or speaker.enrolled)
    speaker.voiceprints.all().delete()
    _write_voiceprints(tenant, speaker, embeddings_of(speaker), models)


def complete_generation(tenant: Tenant, model: str, speakers: Sequence[Speaker]) -> None:
    """After utterances were embedded with another model: its voiceprints of those who have one of any.

    Nobody else changes the speakers until the transaction ends.
    """
    able = set(tenant.voiceprints.filter(speaker__in=speakers).values_list("speaker_id", flat=True))
    said: dict[int, Embeddings] = {}
    rows = tenant.utterance_embeddings.filter(utterance__speaker__in=able, model=model)
    for row in rows.select_related("utterance").order_by("utterance_id"):
        said.setdefault(row.utterance.speaker_id, []).append(row)
    heard = [speaker for speaker in speakers if speaker.pk in said]
    voiceprints = [_voiceprint(speaker, model, said[speaker.pk]) for speaker in heard]
    insert(voiceprints, on_conflict=REPLACING_VOICEPRINT)
    if model in tenant.answering_models:
        for speaker in heard:
            _set_status(speaker, Speaker.Status.ENROLLED)


def restate(tenant: Tenant) -> None:
    """Whoever the answering models know can be found, and nobody else: after other models came to answer."""
    known = Exists(tenant.voiceprints.filter(speaker=OuterRef("pk"), model__in=tenant.answering_models))
    tenant.speakers.enrolled().exclude(known).update(status=Speaker.Status.ENROLLING)
    tenant.speakers.filter(known, status=Speaker.Status.ENROLLING).update(status=Speaker.Status.ENROLLED)


def forget(speaker: Speaker) -> None:
    """All the speaker said, to be replaced."""
    drop_utterances(speaker.tenant, speaker.utterances.all())
    speaker.voiceprints.all().delete()


def forget_utterance(speaker: Speaker, utterance_id: int) -> None:
    """One thing the speaker said, to be replaced. Raises UtteranceNotFound."""
    if not drop_utterances(speaker.tenant, speaker.utterances.filter(pk=utterance_id)):
        raise UtteranceNotFound(utterance_id=utterance_id)
    speaker.voiceprints.all().delete()


def move(tenant: Tenant, speakers: QuerySet[Speaker], key: LibraryKey) -> int:
    """To another library, with their voiceprints; returns how many. What they said stays where it lies.

    Raises LibraryNotFound, OptedOut, and SpeakersExist for names that are taken there, moving nobody.
    """
    # Everybody locks speakers before their library. The lock keeps new names out until all have moved in.
    people = locked_and_named(speakers)
    moving = {speaker.pk: speaker.external_id for speaker in people}
    library = tenant.libraries.within(key.org_id, key.tag_id).select_for_update().first()
    if library is None:
        raise LibraryNotFound(org_id=key.org_id, tag_id=key.tag_id)
    _refuse_taken_names(library, moving)
    optouts.refuse_any(tenant, key, moving.values())
    tenant.speakers.filter(pk__in=moving).update(library=library)
    tenant.voiceprints.filter(speaker__in=moving).update(library=library)
    for speaker in people:
        if speaker.library != library:
            note_move(tenant, speaker, library)
    return len(moving)


def note_move(tenant: Tenant, speaker: Speaker, library: Library) -> None:
    before, speaker.library = speaker.library, library
    note(tenant, Action.SPEAKER_MOVED, speaker_target(speaker), before=[before.org_id, before.tag_id])


def _refuse_taken_names(library: Library, moving: dict[int, str]) -> None:
    bearers = Counter(moving.values())
    there = library.speakers.exclude(pk__in=moving).filter(external_id__in=bearers)
    taken = {*there.values_list("external_id", flat=True), *(name for name, many in bearers.items() if many > 1)}
    if taken:
        raise SpeakersExist(names=sorted(taken))


def set_info(speaker: Speaker, info: str) -> None:
    if speaker.info != info:
        speaker.info = info
        speaker.save(update_fields=["info"])


def locked_and_named(speakers: QuerySet[Speaker]) -> list[Speaker]:
    """With what the audit trail calls them, nobody else's to change until the transaction ends."""
    named = speakers.select_related("library").only("tenant", "external_id", "library__org_id", "library__tag_id")
    return list(named.select_for_update(of=["self"]).order_by("pk"))


def locked_people(tenant: Tenant, libraries: Sequence[Library]) -> Counter[int]:
    """How many speakers each of the libraries has, nobody else's to change until the transaction ends."""
    people = tenant.speakers.in_libraries(libraries).select_for_update(of=["self"]).order_by("pk")
    return Counter(people.values_list("library_id", flat=True))


def drop_utterances(tenant: Tenant, utterances: QuerySet[Utterance]) -> int:
    """Rows now, files after the commit; returns how many."""
    rows = dict(utterances.values_list("pk", "recording"))
    recordings.let_go(tenant, filter(None, rows.values()))
    _delete(DELETE_UTTERANCES, tenant, rows)
    return len(rows)


def drop_speakers(tenant: Tenant, speakers: QuerySet[Speaker]) -> Removal:
    """With all they said."""
    doomed = list(speakers.select_for_update(of=["self"]).order_by("pk").values_list("pk", flat=True))
    said = drop_utterances(tenant, tenant.utterances.filter(speaker__in=doomed))
    _delete(DELETE_SPEAKERS, tenant, doomed)
    return Removal(speakers=len(doomed), recordings=said)


def _delete(statements: str, tenant: Tenant, doomed: Iterable[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements, {"tenant": tenant.pk, "doomed": list(doomed)})


def embedding_row(utterance: Utterance, model: str, embedding: Embedding) -> UtteranceEmbedding:
    return UtteranceEmbedding(
        tenant_id=utterance.tenant_id,
        utterance=utterance,
        model=model,
        dimension=len(embedding),
        embedding=embedding,
    )


def _inserted(tenant: Tenant, key: LibraryKey, newcomer: Speaker) -> Speaker | None:
    """None without such a library, when it has one of that name, or for whoever opted out.

    Raises LibraryNotFound: just deleted.
    """
    about: dict[str, Any] = {"external_id": newcomer.external_id, "info": newcomer.info, "status": newcomer.status}
    about["created"] = timezone.now()
    about["completed"] = about["created"] if newcomer.enrolled else None
    try:
        with connection.cursor() as cursor:
            blocking = optouts.blocking(tenant, key, newcomer.external_id)
            cursor.execute(INSERT_SPEAKER, [tenant.pk, key.org_id, key.tag_id, *about.values(), tenant.pk, blocking])
            row = cursor.fetchone()
    except IntegrityError:
        raise LibraryNotFound(org_id=key.org_id, tag_id=key.tag_id) from None
    if row is None:
        return None
    number, *of_library = row
    place = dict(zip(("pk", "name", "info", "created"), of_library, strict=True))
    library = Library(tenant=tenant, org_id=key.org_id, tag_id=key.tag_id, **place)
    inserted = Speaker(pk=number, tenant=tenant, library=library, **about)
    inserted.is_new = not inserted.is_probe
    return inserted


def _what_counts_on(known: Speaker, info: str, when_enrolled: WhenEnrolled) -> Embeddings:
    if known.is_probe or (known.enrolled and when_enrolled is WhenEnrolled.REFUSE):
        raise SpeakerExists(external_id=known.external_id)
    if when_enrolled is WhenEnrolled.REPLACE:
        forget(known)
        set_info(known, info)
    return embeddings_of(known)


def _models_to_write(tenant: Tenant, speaker: Speaker, *, complete: bool) -> set[str]:
    """All once the enrollment is complete; before that what was complete with an earlier model is kept up."""
    if complete:
        return set(tenant.models)
    return set(speaker.voiceprints.filter(model__in=tenant.models).values_list("model", flat=True))


def _write_voiceprints(
    tenant: Tenant,
    speaker: Speaker,
    embeddings: Iterable[UtteranceEmbedding],
    models: set[str],
    *,
    along_with: Sequence[Sequence[Model]] = (),
    first: Deed | None = None,
) -> None:
    """One voiceprint for each of these models, and the status that follows; rows that are new go along, first."""
    by_model: dict[str, Embeddings] = {}
    for embedding in embeddings:
        if embedding.model in models:
            by_model.setdefault(embedding.model, []).append(embedding)
    voiceprints = [_voiceprint(speaker, model, rows) for model, rows in by_model.items()]
    insert(*along_with, voiceprints, on_conflict=REPLACING_VOICEPRINT, first=first)
    known = not by_model.keys().isdisjoint(tenant.answering_models)
    _set_status(speaker, Speaker.Status.ENROLLED if known else Speaker.Status.ENROLLING)


def _set_status(speaker: Speaker, status: Speaker.Status) -> None:
    if speaker.status != status and not speaker.is_probe:
        speaker.status = status
        if status == Speaker.Status.ENROLLED:
            speaker.completed = speaker.completed or timezone.now()
        speaker.save(update_fields=["status", "completed"])


def _voiceprint(speaker: Speaker, model: str, rows: Embeddings) -> Voiceprint:
    return Voiceprint(
        tenant_id=speaker.tenant_id,
        library_id=None if speaker.is_probe else speaker.library_id,
        speaker=speaker,
        model=model,
        dimension=rows[0].dimension,
        embedding=voiceprint_of([row.embedding for row in rows]),
        utterance_count=len(rows),
        speech_seconds=sum(row.utterance.speech_seconds for row in rows),
    )
