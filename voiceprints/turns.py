"""Enrollment in numbered turns, inside the transaction of a service: whose turn it is, and whether one voice speaks."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from audio.results import Analysis
from tenants.locks import one_at_a_time
from tenants.models import Tenant
from voiceprints import gallery
from voiceprints.decisions import decision_for
from voiceprints.errors import (
    LibraryNotFound,
    SpeakerExists,
    SpeakerMismatch,
    TurnPassed,
    TurnRefused,
    TurnsCompleted,
    TurnTooEarly,
)
from voiceprints.gallery import TRIES_TO_ADMIT, Embeddings
from voiceprints.models import Library, Speaker
from voiceprints.results import LibraryKey, Turn, WhenEnrolled
from voiceprints.scoring import cosine


def refuse_untimely(tenant: Tenant, libraries: QuerySet[Library], external_id: str, turn: Turn) -> None:
    """Raises TurnsCompleted, TurnPassed or TurnTooEarly, as things are now."""
    bearer = tenant.speakers.in_libraries(libraries).named(external_id).oldest_first().first()
    _refuse_unless_next_or_last(turn, external_id, _done(tenant, bearer, turn.turns))


def take(
    tenant: Tenant, libraries: QuerySet[Library], key: LibraryKey, external_id: str, turn: Turn
) -> tuple[Speaker, Embeddings]:
    """The speaker whose turn it is, in the library `key`, and the embeddings of those utterances that count on.

    Nobody else takes a turn under that name, or changes the speaker, until the transaction ends.
    """
    # Also a name that nobody bears yet, which has no row to lock.
    one_at_a_time(tenant, "turns", external_id)
    bearer = _locked_bearer(tenant, libraries, external_id)
    done = _done(tenant, bearer, turn.turns)
    _refuse_unless_next_or_last(turn, external_id, done)
    if bearer is None:
        return gallery.admit(tenant, key, Speaker(external_id=external_id), WhenEnrolled.REFUSE, create_library=True)
    _move(tenant, bearer, key)
    if turn.number == done:
        latest = bearer.utterances.latest("pk")
        gallery.drop_utterances(tenant, bearer.utterances.filter(pk=latest.pk))
    return bearer, gallery.embeddings_of(bearer)


def refuse_another_voice(speaker: Speaker, earlier: Embeddings, analysis: Analysis) -> None:
    """Compare with what the speaker said first. Raises SpeakerMismatch."""
    first = next((embedding for embedding in earlier if embedding.model == analysis.model), None)
    if first is None:
        return
    score = cosine(first.embedding, analysis.embedding)
    decision = decision_for(speaker.tenant, analysis.model)
    threshold = decision.threshold(first.utterance.speech_seconds, analysis.quality.speech_seconds)
    if score < threshold:
        raise SpeakerMismatch(external_id=speaker.external_id, score=score, threshold=threshold)


def _done(tenant: Tenant, bearer: Speaker | None, turns: int) -> int:
    """How many turns were taken that the answering model heard.

    Who was enrolled in another way took them all, who is still enrolling not the last.
    """
    if bearer is None:
        return 0
    if bearer.status != Speaker.Status.ENROLLING:
        return turns
    return min(bearer.utterances.filter(embeddings__model=tenant.model).count(), turns - 1)


def _refuse_unless_next_or_last(turn: Turn, external_id: str, done: int) -> None:
    refusal = _refusal(turn, done)
    if refusal:
        raise refusal(external_id=external_id, turn=turn.number, done=done, turns=turn.turns)


def _refusal(turn: Turn, done: int) -> type[TurnRefused] | None:
    if done >= turn.turns:
        return TurnsCompleted
    if turn.number < done:
        return TurnPassed
    return TurnTooEarly if turn.number > done + 1 else None


def _locked_bearer(tenant: Tenant, libraries: QuerySet[Library], external_id: str) -> Speaker | None:
    """Nobody else's to change or delete; of several that bear the name, the first enrolled."""
    named = tenant.speakers.in_libraries(libraries).named(external_id)
    bearer: Speaker | None = named.select_for_update(of=["self"]).oldest_first().first()
    return bearer


def _move(tenant: Tenant, speaker: Speaker, key: LibraryKey) -> None:
    """Into the library, which is made when it is new. Only who is still enrolling, and cannot be found, moves.

    Raises SpeakerExists when the name is taken there, LibraryNotFound when the library is deleted time and again.
    """
    for _ in range(TRIES_TO_ADMIT):
        library = gallery.library_for(tenant, key)
        if speaker.library_id == library.pk or _moved(speaker, library):
            return
        if tenant.speakers.in_library(key).named(speaker.external_id).exists():
            raise SpeakerExists(external_id=speaker.external_id)
    raise LibraryNotFound(org_id=key.org_id, tag_id=key.tag_id)


def _moved(speaker: Speaker, library: Library) -> bool:
    """False when the name is taken there, or the library was deleted this moment."""
    try:
        with transaction.atomic():
            Speaker.all_tenants.filter(pk=speaker.pk).update(library=library)
            speaker.voiceprints.update(library=library)
    except IntegrityError:
        return False
    gallery.note_move(speaker.tenant, speaker, library)
    return True
