"""How a speaker, what it said and its voiceprints are written and removed, inside the transaction of a service."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from audio.results import Analysis
from tenants.models import Tenant
from voiceprints import recordings
from voiceprints.errors import LibraryNotFound, SpeakerExists, SpeakerNotFound
from voiceprints.models import Speaker, Utterance, UtteranceEmbedding, Voiceprint
from voiceprints.results import Enrollment, LibraryKey, Removal
from voiceprints.scoring import voiceprint_of

Embeddings = list[UtteranceEmbedding]

# Whoever deletes what is being enrolled into, time and again, wins.
TRIES_TO_ADMIT = 3


def admit(
    tenant: Tenant, key: LibraryKey, external_id: str, info: str, *, complete: bool
) -> tuple[Speaker, Embeddings]:
    """A speaker of the library, nobody else's to change, and the embeddings of what it said before.

    Both are made when they are new, the speaker as enrolled when what comes now makes it `complete`. Raises
    SpeakerExists for one enrolled already, LibraryNotFound when the library is deleted time and again.
    """
    status = Speaker.Status.ENROLLED if complete else Speaker.Status.ENROLLING
    for _ in range(TRIES_TO_ADMIT):
        library, _ = tenant.libraries.get_or_create(org_id=key.org_id, tag_id=key.tag_id)
        newcomer = Speaker(tenant=tenant, library=library, external_id=external_id, info=info, status=status)
        if _inserted(newcomer):
            return newcomer, []
        known = library.speakers.select_for_update(of=["self"]).filter(external_id=external_id).first()
        if known:
            return _still_enrolling(known), embeddings_of(known)
    raise LibraryNotFound(org_id=key.org_id, tag_id=key.tag_id)


def locked_speaker(speaker: Speaker) -> Speaker:
    """The same speaker, nobody else's to change until the transaction ends. Raises SpeakerNotFound: just deleted."""
    locked: Speaker | None = (
        Speaker.all_tenants.select_for_update(of=["self"]).select_related("library").filter(pk=speaker.pk).first()
    )
    if locked is None:
        raise SpeakerNotFound(external_id=speaker.external_id)
    return locked


def add_utterances(
    speaker: Speaker, earlier: Embeddings, analyses: Sequence[Analysis], paths: Sequence[str], required_utterances: int
) -> Enrollment:
    """Rows for recordings that are written already; with enough of them the speaker can be found.

    `earlier`: the embeddings of those utterances of the speaker that count on.
    """
    recordings.claim(paths)
    utterances = Utterance.all_tenants.bulk_create(
        Utterance(tenant_id=speaker.tenant_id, speaker=speaker, recording=path, **analysis.quality.as_dict())
        for analysis, path in zip(analyses, paths, strict=True)
    )
    embeddings = UtteranceEmbedding.all_tenants.bulk_create(
        _embedding(utterance, analysis) for analysis, utterance in zip(analyses, utterances, strict=True)
    )
    said = len({embedding.utterance_id for embedding in [*earlier, *embeddings]})
    if said >= required_utterances:
        _write_voiceprints(speaker, [*earlier, *embeddings])
    return Enrollment(speaker, tuple(utterances), required_utterances, said)


def embeddings_of(speaker: Speaker) -> Embeddings:
    """All models' embeddings of what the speaker said."""
    return list(UtteranceEmbedding.all_tenants.filter(utterance__speaker=speaker).order_by("utterance_id"))


def remake_voiceprints(speaker: Speaker) -> None:
    """After utterances went: the voiceprints of what is left, and without any the speaker is enrolling again."""
    speaker.voiceprints.all().delete()
    _write_voiceprints(speaker, embeddings_of(speaker))


def forget(speaker: Speaker) -> None:
    """All the speaker said, to be replaced."""
    drop_utterances(speaker.tenant, speaker.utterances.all())
    speaker.voiceprints.all().delete()


def drop_utterances(tenant: Tenant, utterances: QuerySet[Utterance]) -> int:
    """Rows now, files after the commit; returns how many."""
    rows = dict(utterances.values_list("pk", "recording"))
    recordings.let_go(tenant, rows.values())
    tenant.utterances.filter(pk__in=rows).delete()
    return len(rows)


def drop_speakers(tenant: Tenant, speakers: QuerySet[Speaker]) -> Removal:
    """With all they said."""
    doomed = list(speakers.select_for_update(of=["self"]).order_by("pk").values_list("pk", flat=True))
    said = drop_utterances(tenant, tenant.utterances.filter(speaker__in=doomed))
    tenant.voiceprints.filter(speaker__in=doomed).delete()
    tenant.speakers.filter(pk__in=doomed).delete()
    return Removal(speakers=len(doomed), recordings=said)


def _embedding(utterance: Utterance, analysis: Analysis) -> UtteranceEmbedding:
    return UtteranceEmbedding(
        tenant_id=utterance.tenant_id,
        utterance=utterance,
        model=analysis.model,
        dimension=len(analysis.embedding),
        embedding=analysis.embedding,
    )


def _inserted(newcomer: Speaker) -> bool:
    """False when there is one of that name already, or its library was deleted this moment."""
    try:
        with transaction.atomic():
            newcomer.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _still_enrolling(speaker: Speaker) -> Speaker:
    if speaker.enrolled:
        raise SpeakerExists(external_id=speaker.external_id)
    return speaker


def _write_voiceprints(speaker: Speaker, embeddings: Embeddings) -> None:
    """One voiceprint per model, and the status that follows."""
    by_model: dict[str, Embeddings] = {}
    for embedding in embeddings:
        by_model.setdefault(embedding.model, []).append(embedding)
    Voiceprint.all_tenants.bulk_create(
        [_voiceprint(speaker, model, rows) for model, rows in by_model.items()],
        update_conflicts=True,
        unique_fields=["speaker", "model"],
        update_fields=["embedding", "utterance_count"],
    )
    _set_status(speaker, Speaker.Status.ENROLLED if by_model else Speaker.Status.ENROLLING)


def _set_status(speaker: Speaker, status: Speaker.Status) -> None:
    if speaker.status != status:
        speaker.status = status
        speaker.save(update_fields=["status"])


def _voiceprint(speaker: Speaker, model: str, rows: Embeddings) -> Voiceprint:
    return Voiceprint(
        tenant_id=speaker.tenant_id,
        library_id=speaker.library_id,
        speaker=speaker,
        model=model,
        dimension=rows[0].dimension,
        embedding=voiceprint_of([row.embedding for row in rows]),
        utterance_count=len(rows),
    )
