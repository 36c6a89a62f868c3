"""Embedding what was kept with another model: a job that hands out small batches to the workers nobody waits for.

The job itself measures nothing. A worker that has a batch reads the recordings, embeds them, and stores the vectors,
the voiceprints that follow and the proof that the job still is this runner's in one transaction. So whatever dies
costs a batch at most, and a batch that is done twice finds nothing left to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from django.db.models import Exists, F, OuterRef, QuerySet

from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import jobs
from voiceprints.errors import (
    AnalysisTimedOut,
    EngineFailed,
)
from voiceprints.failures import from_wire, to_wire
from voiceprints.models import Job, JobRow, Utterance
from voiceprints.querysets import JobQuerySet
from voiceprints.work import JobLost, Product, Run

EMBED_BATCH = "voiceprints.embed_batch"
# What a worker has in hand, and loses when it dies: a second or two of work.
BATCH_UTTERANCES = 16
BATCH_SECONDS = 150.0
PAUSE_SECONDS = 0.2

Batch = Sequence[int]
"""Utterances by id."""


@dataclass(frozen=True)
class Order:
    """What a runner asks of a worker, in plain values: a batch of its job, and who it is."""

    tenant: int
    job: int
    runner: str
    model: str
    utterances: list[int]


def jobs_of(tenant: Tenant, model: str) -> JobQuerySet:
    found: JobQuerySet = tenant.jobs.filter(kind=Job.Kind.REEMBED, parameters__model=model)
    return found


def missing(tenant: Tenant, model: str, utterances: QuerySet[Utterance]) -> QuerySet[Utterance]:
    """Those that have a recording and were not embedded with the model."""
    embedded = tenant.utterance_embeddings.filter(utterance=OuterRef("pk"), model=model)
    return utterances.exclude(recording="").exclude(Exists(embedded))


def run_reembedding(run: Run) -> Product:
    """Until nothing is missing, also of what comes in meanwhile. Raises ModelUnusable, StorageFailed."""
    model, rate = run.job.parameters["model"], run.job.parameters["rate"]
    while left := _left(run, model):
        batches = _batches(left, BATCH_UTTERANCES if rate is None else max(1, min(BATCH_UTTERANCES, int(rate))))
        run.each(_paced(run, batches, rate), lambda batch: _embed(run, model, batch))
    with acting_as(run.tenant):
        embedded = run.tenant.utterance_embeddings.filter(model=model).count()
        failed = run.job.rows.count()
        run.keep(done=embedded + failed, total=embedded + failed)
    return Product({"model": model, "embedded": embedded, "failed": failed})


def _left(run: Run, model: str) -> list[tuple[int, float]]:
    """(utterance, its seconds) of all that is missing and did not fail, a speaker's side by side."""
    tenant = run.tenant
    with acting_as(tenant):
        embedded = tenant.utterance_embeddings.filter(model=model).count()
        failures = tenant.job_rows.filter(job=run.job, number=OuterRef("pk"))
        left = missing(tenant, model, tenant.utterances.all()).exclude(Exists(failures)).order_by("speaker_id", "pk")
        found = list(left.values_list("pk", "duration_seconds"))
        failed = run.job.rows.count()
        run.keep(done=embedded + failed, total=embedded + failed + len(found))
    return found


def _batches(left: Iterable[tuple[int, float]], most: int) -> Iterator[Batch]:
    """Also not longer than a worker may need until its answer counts as lost."""
    batch: list[int] = []
    seconds = 0.0
    for utterance, duration in left:
        if batch and (len(batch) == most or seconds + duration > BATCH_SECONDS):
            yield batch
            batch, seconds = [], 0.0
        batch.append(utterance)
        seconds += duration
    if batch:
        yield batch


def _paced(run: Run, batches: Iterable[Batch], rate: float | None) -> Iterator[Batch]:
    """No faster than so many recordings per second."""
    due = time.monotonic()
    for batch in batches:
        while rate is not None and (wait := due - time.monotonic()) > 0:
            run.refuse_to_go_on()
            time.sleep(min(wait, PAUSE_SECONDS))
        yield batch
        due += len(batch) / rate if rate is not None else 0.0


def _embed(run: Run, model: str, batch: Batch) -> None:
    """What takes its worker down time and again is found one by one."""
    try:
        run.measure(lambda: _by_a_worker(run, model, batch))
    except (AnalysisTimedOut, EngineFailed) as doubt:
        if len(batch) > 1:
            for utterance in batch:
                _embed(run, model, [utterance])
            return
        with acting_as(run.tenant):
            record(run, embedded=0, failures={batch[0]: doubt})


def _by_a_worker(run: Run, model: str, batch: Batch) -> None:
    """Raises JobLost, ModelUnusable, StorageFailed, and what jobs.ask raises."""
    order = Order(run.tenant.pk, run.job.pk, run.runner.hex, model, list(batch))
    answer = jobs.ask(EMBED_BATCH, [asdict(order)])
    if answer.get("lost"):
        raise JobLost
    if "problem" in answer:
        raise from_wire(answer["problem"])


def record(run: Run, *, embedded: int, failures: dict[int, Exception]) -> None:
    """In the caller's transaction. What failed before is not counted again."""
    known = set(run.tenant.job_rows.filter(job=run.job, number__in=failures).values_list("number", flat=True))
    said = run.tenant.utterances.filter(pk__in=failures.keys() - known).select_related("speaker__library")
    rows = [_failure(run, utterance, failures[utterance.pk]) for utterance in said]
    run.keep(done=F("done") + embedded + len(rows), attempts=0)
    JobRow.all_tenants.bulk_create(rows)


def _failure(run: Run, utterance: Utterance, error: Exception) -> JobRow:
    speaker = utterance.speaker
    return JobRow(
        tenant=run.tenant,
        job=run.job,
        number=utterance.pk,
        outcome=JobRow.Outcome.FAILED,
        org_id=speaker.library.org_id,
        tag_id=speaker.library.tag_id,
        external_id=speaker.external_id,
        problem=to_wire(error),
    )
