"""How a job is run: by one runner at a time, which says that it lives, and by another when it does not.

The row in PostgreSQL is the truth. A runner claims it, and each step of its work is stored in one transaction with the
proof that the claim still holds; so one that was given up for dead, or whose job was cancelled, changes nothing more.
A message that is lost in the queue is sent again; one too many finds the job claimed and ends.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import cache, cached_property, partial
from typing import IO, Any, TypeVar

from celery import current_app
from django.conf import settings
from django.core.files.base import File
from django.db import Error as DatabaseFailed
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis import RedisError

from tenants import actions, metering
from tenants.context import acting_as, acting_as_platform
from tenants.generations import keeping_models
from tenants.locks import one_at_a_time
from tenants.models import Operation, Tenant, UsageDay
from tenants.origins import origin
from tenants.tracing import part_of_nothing
from tenants.trail import note
from voiceprints import jobs, mentions, optouts, recordings
from voiceprints.disk import JOB_FILES
from voiceprints.erasing_steps import erasures_of, holding, keep
from voiceprints.errors import (
    OUR_FAULT,
    AnalysisTimedOut,
    ArchiveRefused,
    EngineFailed,
    EngineUnreachable,
    JobAbandoned,
    JobFileNotFound,
    JobFinished,
    JobNotFound,
    JobUnderWay,
    ManifestRefused,
    ModelUnusable,
    NothingToRetry,
    OptedOut,
    StorageFailed,
    TooBusy,
    UploadsGone,
    VoiceprintError,
)
from voiceprints.failures import to_wire
from voiceprints.models import Erasure, Job, JobRow
from voiceprints.results import LibraryKey
from voiceprints.targets import job_target

logger = logging.getLogger(__name__)

RUN_JOB = "voiceprints.run_job"
QUEUE = "bulk"
JOBS = "jobs"
"""What a tenant does with them one at a time: submitting and claiming."""
EMPTIED = "emptied"
"""Of a job's parameters: numbers of lines of which nothing is kept if they fail, as they tell of who was erased."""
BEAT_SECONDS = 3.0
GIVEN_UP_AFTER = timedelta(seconds=15)
# Whoever could not say so while the database was away does, before another claims its job.
SECOND_LOOK_AFTER_SECONDS = 2 * BEAT_SECONDS
SENT_AGAIN_AFTER = timedelta(seconds=60)
MOST_ATTEMPTS = 5
# One tenant's long work leaves room for the others'.
RUNNING_PER_TENANT = 4

# A platform that is full or restarts says nothing about a recording; the others may be the recording's own doing.
DELAYS = (TooBusy, EngineUnreachable)
DOUBTFUL = (AnalysisTimedOut, EngineFailed, StorageFailed)
# The same upload would be refused again.
HOPELESS = (ArchiveRefused, ManifestRefused)
FAULTS = {kind.__name__ for kind in (*OUR_FAULT, ModelUnusable, JobAbandoned)}
MOST_TRIES = 5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

stopping = threading.Event()
"""Set when this process is to end: runners put their jobs back."""


TIME_TO_CLAIM = timedelta(hours=1)


@dataclass(frozen=True)
class Product:
    """What a job came to: plain values, and perhaps a file, stored and not claimed yet, to be kept for a while."""

    result: dict[str, Any]
    output: str = ""
    kept_seconds: float = 0


class JobLost(Exception):
    """The job is no longer this runner's: it was cancelled, or another took over."""


class Stopped(Exception):
    """This process is ending; what is left of the job is for the next one."""


def submit(
    tenant: Tenant,
    kind: Job.Kind,
    parameters: dict[str, Any],
    *,
    inputs: Iterable[str] = (),
    by: str = "",
    also: Callable[[Job], object] = lambda _: None,
) -> Job:
    """A new job, whose input files are planned and written. `also` is done in the transaction that stores it.

    Raises TooBusy when the tenant has too many under way.
    """
    paths = list(inputs)
    with acting_as(tenant):
        one_at_a_time(tenant, JOBS)
        _refuse_too_many(tenant)
        recordings.claim(paths)
        submitted = {"kind": kind, "parameters": parameters, "inputs": paths, "begun_by": by}
        job: Job = tenant.jobs.create(**submitted, origin=asdict(origin()), dispatched=timezone.now())
        note(tenant, actions.Action.JOB_BEGUN, job_target(job))
        also(job)
        transaction.on_commit(lambda: dispatch(job.tenant_id, job.pk), robust=True)
    return job


@contextmanager
def uploads(tenant: Tenant) -> Iterator[list[str]]:
    """The paths of what the block stores for the job that it submits: the files go at once when it does not.

    Raises TooBusy before anything is stored.
    """
    with acting_as(tenant):
        _refuse_too_many(tenant)
    paths: list[str] = []
    with recordings.planned_on(tenant, paths, within=TIME_TO_CLAIM):
        yield paths


def _refuse_too_many(tenant: Tenant) -> None:
    if tenant.jobs.under_way().count() >= settings.JOBS_PER_TENANT:
        raise TooBusy(what="jobs of this tenant under way", limit=settings.JOBS_PER_TENANT)


def folder_of(tenant: Tenant) -> str:
    """Of its jobs' files. A recording's path has a date in the second place, so it never looks like this."""
    return f"{JOB_FILES}/tenant-{tenant.pk}/"


def stored(tenant: Tenant, file: IO[bytes], suffix: str = "", *, run: Run | None = None) -> str:
    """The path in the storage where the file now lies, for a job to claim soon. Raises StorageFailed.

    `run`: whose product it is. Raises JobLost, before anything is planned, where that is somebody else's by now.
    """
    path = f"{folder_of(tenant)}{uuid.uuid4().hex}{suffix}"
    with acting_as(tenant):
        if run:
            # An erasure that takes the job away waits for what is planned then, and for nothing later.
            run.keep()
        recordings.plan(tenant, [path], within=TIME_TO_CLAIM)
    with recordings.planned_on(tenant, [path], within=TIME_TO_CLAIM):
        file.seek(0)
        recordings.write_file(path, File(file))
        recordings.must_be_planned(tenant, path)
    return path


def dispatch(tenant_id: int, job_id: int, *, after_seconds: float = 0.0) -> None:
    """Say in the queue that there is a job. Whatever becomes of the message, the job is found again."""
    if current_app.conf.task_always_eager:
        current_app.tasks[RUN_JOB].apply(args=(tenant_id, job_id))
        return
    lifetime = SENT_AGAIN_AFTER.total_seconds()
    try:
        current_app.send_task(
            RUN_JOB, args=[tenant_id, job_id], queue=QUEUE, countdown=after_seconds or None, expires=lifetime
        )
    except (RedisError, OperationalError) as error:
        logger.warning("a job waits for the queue to come back: %s", type(error).__name__)


def dispatch_forgotten() -> int:
    """Jobs that no living runner has and no fresh message speaks of; returns how many.

    Of those that found no room only the oldest of each tenant, in case that nobody lives who would send it.
    """
    now = timezone.now()
    with acting_as_platform():
        unclaimed = Job.all_tenants.unclaimed(now - GIVEN_UP_AFTER).filter(tenant__active=True)
        forgotten = unclaimed.unspoken_of(now - SENT_AGAIN_AFTER)
        locked = forgotten.select_for_update(skip_locked=True, of=["self"])
        found = list(locked.values_list("tenant_id", "pk", "state"))
        waiting = list(Tenant.objects.filter(active=True, pk__in=Job.all_tenants.without_room().values("tenant")))
        Job.all_tenants.filter(pk__in=[pk for _, pk, _ in found]).update(dispatched=now)
    with part_of_nothing():
        for tenant_id, job_id, state in found:
            dispatch(tenant_id, job_id, after_seconds=SECOND_LOOK_AFTER_SECONDS if state == Job.State.RUNNING else 0.0)
    for tenant in waiting:
        dispatch_next(tenant)
    return len(found) + len(waiting)


def cancel(tenant: Tenant, job_id: int, *, because: VoiceprintError | None = None) -> Job:
    """From here on the job changes nothing more. `because`: why, where nobody asked for it.

    Raises JobNotFound, JobFinished.
    """
    with acting_as(tenant):
        job = _under_way(tenant, job_id)
        problem = to_wire(because) if because else None
        _end(tenant.jobs.filter(pk=job_id), job, Job.State.CANCELLED, problem=problem)
        note(tenant, actions.Action.JOB_CANCELLED, job_target(job))
        job.refresh_from_db()
        return job


def pause(tenant: Tenant, job_id: int) -> Job:
    """From here on the job changes nothing more until it is resumed. Raises JobNotFound, JobFinished.

    No erasure that holds it lets it go on by itself any more.
    """
    with acting_as(tenant):
        one_at_a_time(tenant, JOBS)
        was_held = _let_go_of(holding(tenant, job_id), job_id)
        job = _under_way(tenant, job_id)
        mine = tenant.jobs.filter(pk=job_id).exclude(state=Job.State.PAUSED)
        if mine.update(state=Job.State.PAUSED, runner=None, attempts=0, dispatched=None) or was_held:
            note(tenant, actions.Action.JOB_PAUSED, job_target(job))
        job.refresh_from_db()
        transaction.on_commit(lambda: dispatch_next(tenant), robust=True)
        return job


def resume(tenant: Tenant, job_id: int) -> Job:
    """Where it was. One that is not paused goes on as it does. Raises JobNotFound, JobFinished.

    An import waits on for an erasure that is looking through imports.
    """
    with acting_as(tenant):
        one_at_a_time(tenant, JOBS)
        erasures = _searching(tenant)
        job = _under_way(tenant, job_id)
        if job.state == Job.State.PAUSED:
            _queue_or_hold(tenant, job, erasures)
            note(tenant, actions.Action.JOB_RESUMED, job_target(job))
        job.refresh_from_db()
        return job


def retry(tenant: Tenant, job_id: int) -> Job:
    """What failed of an import or an export is done again; lines that did not fail stay as they are.

    Raises JobNotFound, JobUnderWay, NothingToRetry, UploadsGone, TooBusy.
    """
    with acting_as(tenant):
        one_at_a_time(tenant, JOBS)
        erasures = _searching(tenant)
        job = _locked(tenant, job_id)
        refuse_to_retry(job)
        if job.kind != Job.Kind.EXPORT and not job.inputs:
            raise UploadsGone(job_id=str(job_id))
        _refuse_too_many(tenant)
        failed, _ = job.failed_rows.delete()
        left = {"done": F("done") - failed} if job.inputs else {"done": 0, "total": None}
        anew = {"finished": None, "problem": None, "result": None, "inputs_expire": None, "attempts": 0}
        _queue_or_hold(tenant, job, erasures, **anew, **left)
        note(tenant, actions.Action.JOB_RETRIED, job_target(job), failed=failed)
        job.refresh_from_db()
    return job


def delete_output(tenant: Tenant, job_id: int) -> Job:
    """Raises JobNotFound, JobFileNotFound."""
    with acting_as(tenant):
        job = _locked(tenant, job_id)
        if not job.output:
            raise JobFileNotFound(job_id=str(job_id))
        recordings.let_go(tenant, [job.output])
        job.output, job.expires = "", None
        job.save(update_fields=["output", "expires"])
        note(tenant, actions.Action.EXPORT_DELETED, job_target(job))
    return job


def _searching(tenant: Tenant) -> list[Erasure]:
    """Erasures that are not done with the tenant's imports, which stay so until the transaction ends.

    One of a person that is only begun holds none before a row or a file tells of them. Locked before any job, as
    erasures do.
    """
    under_way = erasures_of(tenant).exclude(kind=Erasure.Kind.TENANT)
    about_to = Q(state=Erasure.State.BEGUN) & (Q(kind=Erasure.Kind.SPEAKER) | ~Q(held=[]))
    searching = under_way.filter(about_to | Q(state=Erasure.State.REMOVING))
    return list(searching.select_for_update().order_by("pk"))


def _queue_or_hold(tenant: Tenant, job: Job, erasures: Iterable[Erasure], **changes: Any) -> None:
    """In the caller's transaction. An import that an erasure holds is queued once none does."""
    mine = tenant.jobs.filter(pk=job.pk)
    holders = list(erasures) if job.kind == Job.Kind.IMPORT else []
    if holders:
        mine.update(state=Job.State.PAUSED, dispatched=None, **changes)
        for erasure in holders:
            keep(erasure, held=sorted({*erasure.held, job.pk}))
        return
    mine.update(state=Job.State.QUEUED, dispatched=timezone.now(), **changes)
    transaction.on_commit(lambda: dispatch(tenant.pk, job.pk), robust=True)


def _let_go_of(holders: QuerySet[Erasure], job_id: int) -> bool:
    """In the caller's transaction. Whether anybody held it."""
    erasures = list(holders.select_for_update().order_by("pk"))
    for erasure in erasures:
        keep(erasure, held=[held for held in erasure.held if held != job_id])
    return bool(erasures)


def refuse_to_retry(job: Job) -> None:
    """Raises JobUnderWay, NothingToRetry."""
    if not job.is_over:
        raise JobUnderWay(state=job.state)
    if job.state != Job.State.FAILED and not job.failed_rows.exists():
        raise NothingToRetry(state=job.state)


def _under_way(tenant: Tenant, job_id: int) -> Job:
    """Nobody else's to change until the transaction ends. Raises JobNotFound, JobFinished."""
    job = _locked(tenant, job_id)
    if job.is_over:
        raise JobFinished(state=job.state)
    return job


def _locked(tenant: Tenant, job_id: int) -> Job:
    """Nobody else's to change until the transaction ends. Raises JobNotFound."""
    job: Job | None = tenant.jobs.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise JobNotFound(job_id=str(job_id))
    return job


@dataclass
class Run:
    """One runner's hold on a job."""

    tenant: Tenant
    job: Job
    runner: uuid.UUID
    _lost: threading.Event = field(default_factory=threading.Event)

    @property
    def _mine(self) -> QuerySet[Job]:
        mine: QuerySet[Job] = self.tenant.jobs.filter(pk=self.job.pk, runner=self.runner)
        return mine

    @cached_property
    def _emptied(self) -> frozenset[int]:
        return frozenset(self.job.parameters.get(EMPTIED, ()))

    def keep(self, **changes: Any) -> None:
        """Change the job in the caller's transaction. Raises JobLost, so that nothing of that transaction stays."""
        if not self._mine.update(heartbeat=timezone.now(), **changes):
            self._lost.set()
            raise JobLost

    def expect(self, total: int) -> None:
        with acting_as(self.tenant):
            self.keep(total=total)

    def progress(self, done: int) -> None:
        """How far it is. What begins anew when it is begun again has not got any further for that."""
        with acting_as(self.tenant):
            self.keep(done=done)

    def fail_line(self, number: int, error: Exception, fields: dict[str, list[str]] | None, **about: str) -> None:
        """`fields`: what the line said, to be mended. Who has opted out is not named, whatever failed."""
        key = LibraryKey(about["org_id"], about["tag_id"])
        problem = to_wire(error)
        if number in self._emptied:
            fields, problem = None, mentions.unnamed(problem)
        # Who opts out everywhere at this moment waits for the line, and then finds it.
        with keeping_models(self.tenant):
            try:
                optouts.refuse(self.tenant, key, about["external_id"], *(fields or {}).get("external_id", []))
            except OptedOut as refusal:
                problem, fields, about = to_wire(refusal), None, about | {"external_id": ""}
            self.record(number, JobRow.Outcome.FAILED, problem=problem, fields=fields, **about)

    def record(self, number: int, outcome: JobRow.Outcome, **said: Any) -> None:
        """A line is done, in the caller's transaction."""
        self.keep(done=F("done") + 1, attempts=0)
        self.tenant.job_rows.create(job=self.job, number=number, outcome=outcome, **said)
        if outcome != JobRow.Outcome.UNCHANGED:
            count_enrollment(self.tenant, said.get("problem"))

    def recorded(self) -> set[int]:
        with acting_as(self.tenant):
            return set(self.job.rows.values_list("number", flat=True))

    def outcomes(self) -> dict[str, int]:
        """How many lines had which outcome."""
        with acting_as(self.tenant):
            counted = {outcome: self.job.rows.filter(outcome=outcome).count() for outcome in JobRow.Outcome.values}
        return {outcome: count for outcome, count in counted.items() if count}

    def refuse_to_go_on(self) -> None:
        """Raises JobLost or Stopped when this runner has no more to do here."""
        if self._lost.is_set():
            raise JobLost
        if stopping.is_set():
            raise Stopped

    def persistently(self, deed: Callable[[], Outcome]) -> Outcome:
        """Do it until the platform has room; what may be the recording's own fault is tried a few times.

        Raises what it raises in the end, and ModelUnusable at once.
        """
        pause, doubts = FIRST_PAUSE_SECONDS, 0
        while True:
            self.refuse_to_go_on()
            try:
                return deed()
            except DELAYS as delay:
                logger.info("job %s waits: %s", self.job.pk, type(delay).__name__)
            except ModelUnusable:
                raise
            except DOUBTFUL as doubt:
                doubts += 1
                if doubts >= MOST_TRIES:
                    raise
                logger.warning("job %s tries again: %s", self.job.pk, type(doubt).__name__)
            _let_connection_go()
            self._lost.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def measure(self, deed: Callable[[], Outcome]) -> Outcome:
        """Persistently too, for what has recordings measured: a few at once of all jobs of this process."""

        def in_a_slot() -> Outcome:
            with _slot():
                # Much may have happened while this one stood in line.
                self.refuse_to_go_on()
                with jobs.nobody_waiting():
                    return deed()

        return self.persistently(in_a_slot)

    def each(self, items: Iterable[Item], deed: Callable[[Item], None]) -> None:
        """Do it for all, a few at a time, and no further once one raises."""
        if current_app.conf.task_always_eager:
            for item in items:
                self.refuse_to_go_on()
                deed(item)
            return
        _let_connection_go()
        with ThreadPoolExecutor(settings.BULK_CONCURRENCY, thread_name_prefix=f"job-{self.job.pk}") as pool:
            under_way: set[Future[None]] = set()
            for item in items:
                self.refuse_to_go_on()
                if len(under_way) >= settings.BULK_CONCURRENCY:
                    under_way = _some_finished(under_way)
                # A thread knows nothing of whoever began the job unless it is told.
                under_way.add(pool.submit(copy_context().run, _and_disconnect, deed, item))
            while under_way:
                under_way = _some_finished(under_way)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Say every few seconds that this runner lives."""
        if current_app.conf.task_always_eager:
            yield
            return
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(over,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(BEAT_SECONDS) and not self._lost.is_set():
            try:
                with acting_as(self.tenant):
                    self.keep()
            except JobLost:
                return
            except DatabaseFailed as error:
                logger.warning("a job could not say that it lives: %s", type(error).__name__)
            finally:
                connection.close()

    def succeed(self, product: Product) -> None:
        made = [product.output] if product.output else []
        expires = timezone.now() + timedelta(seconds=product.kept_seconds) if product.output else None
        said = {"result": product.result, "output": product.output, "expires": expires}
        with recordings.removed_on_failure(self.tenant, made), acting_as(self.tenant):
            recordings.claim(made)
            self._end(Job.State.SUCCEEDED, may_be_retried=self.job.failed_rows.exists(), **said)

    def fail(self, error: Exception) -> None:
        said: dict[str, Any] = {"problem": to_wire(error)}
        if isinstance(error, OptedOut):
            said["parameters"] = self.job.parameters | {"external_id": ""}
        with acting_as(self.tenant):
            self._end(Job.State.FAILED, may_be_retried=not isinstance(error, HOPELESS), **said)

    def put_back(self) -> None:
        with acting_as(self.tenant):
            self.keep(state=Job.State.QUEUED, runner=None, attempts=0, dispatched=None)

    def _end(self, state: Job.State, *, may_be_retried: bool, **said: Any) -> None:
        if not _end(self._mine, self.job, state, may_be_retried=may_be_retried, **said):
            raise JobLost
        if self.job.kind == Job.Kind.ENROLL:
            count_enrollment(self.tenant, said.get("problem"))
        done = state == Job.State.SUCCEEDED
        counts = {name: count for name, count in (said.get("result") or {}).items() if isinstance(count, int)}
        outcome = actions.Outcome.DONE if done else actions.Outcome.FAILED
        note(self.tenant, actions.Action.JOB_ENDED, job_target(self.job), outcome=outcome, **counts)


def claimed(tenant_id: int, job_id: int) -> Run | None:
    """The job for this runner alone; None when it is over, somebody else's, or its tenant has enough running."""
    tenant = Tenant.objects.filter(pk=tenant_id, active=True).first()
    if tenant is None:
        return None
    run = Run(tenant, Job(pk=job_id), uuid.uuid4())
    now = timezone.now()
    with acting_as(tenant):
        one_at_a_time(tenant, JOBS)
        running = tenant.jobs.filter(state=Job.State.RUNNING, heartbeat__gt=now - GIVEN_UP_AFTER)
        if running.exclude(pk=job_id).count() >= RUNNING_PER_TENANT:
            tenant.jobs.filter(pk=job_id, state=Job.State.QUEUED).update(dispatched=None)
            return None
        wanted = tenant.jobs.filter(pk=job_id).unclaimed(now - GIVEN_UP_AFTER)
        changes = {"state": Job.State.RUNNING, "runner": run.runner, "heartbeat": now, "dispatched": now}
        if not wanted.update(**changes, attempts=F("attempts") + 1):
            return None
        tenant.jobs.filter(pk=job_id, started=None).update(started=now)
        run.job = tenant.jobs.get(pk=job_id)
        if run.job.attempts > MOST_ATTEMPTS:
            run.fail(JobAbandoned(attempts=MOST_ATTEMPTS))
            return None
    return run


def dispatch_next(tenant: Tenant) -> None:
    """The tenant's oldest job that found no room, now that another has ended."""
    with acting_as(tenant):
        # Whoever is just finding no room has written it down before we look.
        one_at_a_time(tenant, JOBS)
        waiting = tenant.jobs.without_room().select_for_update(skip_locked=True)
        oldest = waiting.order_by("created", "pk").first()
        if oldest is None:
            return
        tenant.jobs.filter(pk=oldest.pk).update(dispatched=timezone.now())
    with part_of_nothing():
        dispatch(tenant.pk, oldest.pk)


def count_enrollment(tenant: Tenant, problem: dict[str, Any] | None) -> None:
    """Once the caller's transaction is committed. `problem`: why it failed, as it is kept."""
    reason = problem["kind"] if problem else ""
    outcome = UsageDay.Outcome.FAILED if reason in FAULTS else UsageDay.Outcome.REFUSED
    count = partial(metering.count, tenant, Operation.ENROLL, dialect=metering.JOBS)
    transaction.on_commit(lambda: count(outcome=outcome if reason else UsageDay.Outcome.OK, reason=reason))


def _end(jobs: QuerySet[Job], job: Job, state: Job.State, *, may_be_retried: bool = False, **said: Any) -> bool:
    """In the caller's transaction: the job is over, and its input goes, at once unless an import may be tried again.

    False when it is none of these jobs.
    """
    now = timezone.now()
    if may_be_retried and job.kind == Job.Kind.IMPORT:
        kept_until = now + timedelta(seconds=settings.UPLOADS_KEPT_SECONDS)
        return bool(jobs.update(state=state, runner=None, finished=now, inputs_expire=kept_until, **said))
    if not jobs.update(state=state, runner=None, finished=now, inputs=[], **said):
        return False
    recordings.let_go(job.tenant, job.inputs)
    return True


def _some_finished(under_way: set[Future[None]]) -> set[Future[None]]:
    """Those still under way once one is not; raises what it raised."""
    finished, left = wait(under_way, return_when=FIRST_COMPLETED)
    for future in finished:
        future.result()
    return left


def _and_disconnect(deed: Callable[[Item], None], item: Item) -> None:
    try:
        deed(item)
    finally:
        connection.close()


@contextmanager
def _slot() -> Iterator[None]:
    slots = _slots()
    if not slots.acquire(blocking=False):
        _let_connection_go()
        slots.acquire()
    try:
        yield
    finally:
        slots.release()


def _let_connection_go() -> None:
    """Whoever waits keeps none from the others: a process has many threads that wait.

    A job that runs at once has the connection of its request, on whose locks others rely.
    """
    if not current_app.conf.task_always_eager:
        connection.close()


@cache
def _slots() -> threading.BoundedSemaphore:
    """What all jobs of this process together may have measured at once."""
    return threading.BoundedSemaphore(settings.BULK_CONCURRENCY)
