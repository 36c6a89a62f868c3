"""Embedding what was kept with another model: a job that hands out small batches to the workers nobody waits for.

The job itself measures nothing. A worker that has a batch reads the recordings, embeds them, and stores the vectors,
the voiceprints that follow and the proof that the job still is this runner's in one transaction. So whatever dies
costs a batch at most, and a batch that is done twice finds nothing left to do.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.fields.json import KeyTextTransform

from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import jobs, recordings
from voiceprints.errors import (
    AnalysisTimedOut,
    EmbeddingUnfinished,
    EngineFailed,
    FileMissing,
    ModelUnusable,
    StorageFailed,
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
# What the platform and not a recording is to blame for is tried again when all else is done.
SECOND_ROUND_AFTER_SECONDS = 10.0
# After so many in a row of which none could be embedded, nothing can.
MOST_IN_A_ROW = 64

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


@dataclass
class Undone:
    """What could not be embedded although no recording is to blame: why, by utterance."""

    model: str
    problems: dict[int, Exception] = field(default_factory=dict)
    in_a_row: list[int] = field(default_factory=list)

    def note(self, batch: Batch, problems: Mapping[int, Exception]) -> None:
        """Raises EmbeddingUnfinished when it has been too many in a row."""
        if len(problems) < len(batch):
            self.in_a_row.clear()
        self.problems.update(problems)
        self.in_a_row.extend(problems)
        if len(self.in_a_row) >= MOST_IN_A_ROW:
            raise self.summed_up()

    def summed_up(self) -> EmbeddingUnfinished:
        kinds = Counter(type(problem).__name__ for problem in list(self.problems.values()))
        reason = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return EmbeddingUnfinished(model=self.model, undone=kinds.total(), reason=reason)


def jobs_of(tenant: Tenant, model: str) -> JobQuerySet:
    found: JobQuerySet = tenant.jobs.filter(kind=Job.Kind.REEMBED, parameters__model=model)
    return found


def newest_jobs(tenant: Tenant) -> JobQuerySet:
    """One for each model."""
    jobs_by_model = tenant.jobs.filter(kind=Job.Kind.REEMBED).annotate(model=KeyTextTransform("model", "parameters"))
    newest: JobQuerySet = jobs_by_model.order_by("model", "-pk").distinct("model")
    return newest


def missing(tenant: Tenant, model: str, utterances: QuerySet[Utterance]) -> QuerySet[Utterance]:
    """Those that have a recording and were not embedded with the model."""
    embedded = tenant.utterance_embeddings.filter(utterance=OuterRef("pk"), model=model)
    return utterances.exclude(recording="").exclude(Exists(embedded))


def run_reembedding(run: Run) -> Product:
    """Until nothing is missing, also of what comes in meanwhile. Raises ModelUnusable, EmbeddingUnfinished."""
    model, rate = run.job.parameters["model"], run.job.parameters["rate"]
    undone = _round(run, model, rate)
    if undone.problems:
        _wait(run, time.monotonic() + SECOND_ROUND_AFTER_SECONDS)
        undone = _round(run, model, rate)
    if undone.problems:
        raise undone.summed_up()
    with acting_as(run.tenant):
        embedded = run.tenant.utterance_embeddings.filter(model=model).count()
        failed = run.job.rows.count()
        run.keep(done=embedded + failed, total=embedded + failed)
    return Product({"model": model, "embedded": embedded, "failed": failed})


def _round(run: Run, model: str, rate: float | None) -> Undone:
    """Everything tried; returns what has to be tried again."""
    undone = Undone(model)
    while left := _left(run, model, undone.problems):
        batches = _batches(left, BATCH_UTTERANCES if rate is None else max(1, min(BATCH_UTTERANCES, int(rate))))
        run.each(_paced(run, batches, rate), lambda batch: _embed(run, undone, batch))
    return undone


def _left(run: Run, model: str, undone: Iterable[int]) -> list[tuple[int, float]]:
    """(utterance, its seconds) of all that is missing, did not fail and is not `undone`, a speaker's side by side."""
    tenant = run.tenant
    with acting_as(tenant):
        embedded = tenant.utterance_embeddings.filter(model=model).count()
        failures = tenant.job_rows.filter(job=run.job, number=OuterRef("pk"))
        left = missing(tenant, model, tenant.utterances.all()).exclude(Exists(failures)).order_by("speaker_id", "pk")
        found = list(left.values_list("pk", "duration_seconds"))
        failed = run.job.rows.count()
        run.keep(done=embedded + failed, total=embedded + failed + len(found))
    known = set(undone)
    return [(utterance, seconds) for utterance, seconds in found if utterance not in known]


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
        if rate is not None:
            _wait(run, due)
            # What a stall held up is not caught up with any faster.
            due = max(due, time.monotonic()) + len(batch) / rate
        yield batch


def _wait(run: Run, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        run.refuse_to_go_on()
        time.sleep(min(left, PAUSE_SECONDS))


def _embed(run: Run, undone: Undone, batch: Batch) -> None:
    """What takes its worker down time and again is found one by one. Raises EmbeddingUnfinished, ModelUnusable."""
    problems: dict[int, Exception] = {}

    def deed() -> None:
        problems.clear()
        problems.update(_settled(run, _by_a_worker(run, undone.model, batch)))
        if len(problems) == len(batch):
            raise StorageFailed("not one recording of a batch could be read")

    try:
        run.measure(deed)
    except StorageFailed:
        undone.note(batch, problems)
    except ModelUnusable:
        raise
    except (AnalysisTimedOut, EngineFailed) as doubt:
        _embed_one_by_one(run, undone, batch, doubt)
    else:
        undone.note(batch, problems)


def _embed_one_by_one(run: Run, undone: Undone, batch: Batch, doubt: Exception) -> None:
    """Raises EmbeddingUnfinished, ModelUnusable."""
    if len(batch) == 1:
        undone.note(batch, {batch[0]: doubt})
        return
    for utterance in batch:
        _embed(run, undone, [utterance])


def _settled(run: Run, problems: Mapping[int, Exception]) -> dict[int, Exception]:
    """Without those whose recording is not to be found from here either: it is gone, and noted as failed."""
    gone = {
        utterance: problem
        for utterance, problem in problems.items()
        if isinstance(problem, FileMissing) and _is_gone(run.tenant, utterance)
    }
    if gone:
        with acting_as(run.tenant):
            record(run, embedded=0, failures=gone)
    return {utterance: problem for utterance, problem in problems.items() if utterance not in gone}


def _is_gone(tenant: Tenant, utterance: int) -> bool:
    """Whether the recording is, or the utterance with it."""
    with acting_as(tenant):
        path = tenant.utterances.filter(pk=utterance).values_list("recording", flat=True).first()
    try:
        if path:
            recordings.opened(path).close()
    except FileNotFoundError:
        return True
    except StorageFailed:
        return False
    return not path


def _by_a_worker(run: Run, model: str, batch: Batch) -> dict[int, Exception]:
    """Returns which could not be read, and why. Raises JobLost, GenerationNotFound, and what jobs.ask raises."""
    order = Order(run.tenant.pk, run.job.pk, run.runner.hex, model, list(batch))
    answer = jobs.ask(EMBED_BATCH, [asdict(order)])
    if answer.get("lost"):
        raise JobLost
    return {utterance: from_wire(problem) for utterance, problem in answer.get("undone", ())}


def record(run: Run, *, embedded: int, failures: Mapping[int, Exception]) -> None:
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
