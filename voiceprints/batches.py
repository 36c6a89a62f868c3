"""What a worker does with a batch of a re-embedding: hear what was kept, and store what another model makes of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from audio.analysis import analyze
from audio.encoders import SpeakerEncoder
from audio.errors import AudioError
from audio.results import Embedding
from tenants.context import acting_as
from tenants.generations import keeping_models
from tenants.models import Tenant
from voiceprints import gallery, recordings
from voiceprints.errors import FileMissing, GenerationNotFound, StorageFailed
from voiceprints.failures import to_wire
from voiceprints.models import Job, Utterance, UtteranceEmbedding
from voiceprints.reembedding import Order, missing, record
from voiceprints.work import JobLost, Run


@dataclass(frozen=True)
class Heard:
    """What came of some recordings, by utterance: `failures` are the recordings' own, `undone` may go better later."""

    embeddings: dict[int, Embedding]
    failures: dict[int, Exception]
    undone: dict[int, Exception]


def embed_batch(order: Order, encoder: SpeakerEncoder) -> dict[str, Any]:
    """Do one batch for a runner, unless the job is no longer its own; returns what to answer it."""
    tenant = Tenant.objects.get(pk=order.tenant)
    run = Run(tenant, Job(pk=order.job, tenant=tenant), uuid.UUID(order.runner))
    try:
        with acting_as(tenant):
            run.keep()
            rows = list(missing(tenant, encoder.name, tenant.utterances.filter(pk__in=order.utterances)))
        heard = _heard(rows, encoder)
        _store(run, encoder.name, heard)
    except JobLost:
        return {"lost": True}
    except GenerationNotFound as error:
        return {"problem": to_wire(error)}
    return {"undone": [[number, to_wire(error)] for number, error in heard.undone.items()]}


def _heard(rows: Iterable[Utterance], encoder: SpeakerEncoder) -> Heard:
    heard = Heard({}, {}, {})
    for row in rows:
        try:
            heard.embeddings[row.pk] = _embedding(row, encoder)
        except AudioError as failure:
            heard.failures[row.pk] = failure
        except (FileMissing, StorageFailed) as trouble:
            heard.undone[row.pk] = trouble
    return heard


def _embedding(row: Utterance, encoder: SpeakerEncoder) -> Embedding:
    """Treated as when it was enrolled, and it was good enough then. Raises AudioError, FileMissing, StorageFailed."""
    try:
        content = recordings.read(str(row.recording))
    except FileNotFoundError:
        raise FileMissing(name=str(row.recording)) from None
    analysis = analyze(
        content,
        encoders=[encoder],
        denoise=row.denoised,
        trim_silence=row.trimmed,
        required_speech_seconds=0.0,
        keep=False,
    )
    return analysis.embedding


def _store(run: Run, model: str, heard: Heard) -> None:
    """All of it, of those utterances that are still there. Raises JobLost, GenerationNotFound."""
    tenant = run.tenant
    with keeping_models(tenant):
        if model not in tenant.models:
            raise GenerationNotFound(model=model)
        numbers = {*heard.embeddings, *heard.failures}
        chosen = tenant.speakers.filter(pk__in=tenant.utterances.filter(pk__in=numbers).values("speaker"))
        speakers = list(chosen.select_for_update(of=["self"]).order_by("pk"))
        left = {row.pk: row for row in missing(tenant, model, tenant.utterances.filter(pk__in=numbers))}
        new = [
            gallery.embedding_row(left[number], model, embedding)
            for number, embedding in heard.embeddings.items()
            if number in left
        ]
        UtteranceEmbedding.all_tenants.bulk_create(new)
        gallery.complete_generation(tenant, model, speakers)
        failures = {number: failure for number, failure in heard.failures.items() if number in left}
        record(run, embedded=len(new), failures=failures)
