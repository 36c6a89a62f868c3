"""What workers do: measure recordings, and sweep."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import redis
from celery import Task, current_app, shared_task, signals
from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import connection

from audio.analysis import analyze as measure
from audio.encoders import SpeakerEncoder
from audio.errors import AudioError, ModelError
from audio.picture import drawn
from audio.results import RawPcm, RecordingForm
from audio.store import BUNDLED
from tenants import metering, metrics
from tenants.cleaning import clean, keep_up
from tenants.models import Tenant
from tenants.origins import coming_from, for_request, of_job
from tenants.postgresql.watching import WatchedConnection
from tenants.sealing import TrailBroken
from voiceprints import (
    batches,
    bulk,
    engines,
    erasure,
    expiry,
    heartbeats,
    installed,
    job_expiry,
    jobs,
    recordings,
    reembedding,
    sizes,
    stock,
    strays,
    vacuuming,
    work,
)
from voiceprints.errors import (
    BackupHoldsFiles,
    ErasureNotFound,
    ErasureUnfinished,
    FilesAwaited,
    FilesInHand,
    ModelUnusable,
    StorageFailed,
    VoiceprintError,
)
from voiceprints.failures import to_wire

logger = logging.getLogger(__name__)

# Options that travel as the dictionaries of their fields.
VALUES = {"raw_pcm": RawPcm, "form": RecordingForm}


@shared_task(bind=True, name=jobs.ANALYZE)
def analyze(self: Task[Any, Any], options: dict[str, Any], place: Sequence[str] = ()) -> None:
    """Measure one recording and reply with the figures or with why not. It changes nothing, so it may run twice."""
    job_id = str(self.request.id)
    with coming_from(for_request(getattr(self.request, "request_id", ""))):
        content = jobs.recording_of(job_id)
        if content is not None:
            jobs.reply(job_id, measured(content, options), place)


def measured(content: bytes, options: dict[str, Any]) -> dict[str, Any]:
    built = {name: kind(**options[name]) for name, kind in VALUES.items() if options.get(name)}
    try:
        needed = [_encoder(name) for name in options.get("encoders", ())]
        built["encoders"] = [*needed, *_ready(options.get("standing_by", ()))]
        analysis = measure(content, beside=_beside(), **_told(options) | built)
    except AudioError as error:
        return {"refused": error.to_wire()}
    except ModelUnusable as error:
        logger.error("no recording can be measured: %s", error)  # noqa: TRY400 - the line says all that can be done
        return {"problem": to_wire(error)}
    return {"measured": analysis.to_wire()}


@cache
def _beside() -> ThreadPoolExecutor:
    """Of this process, once it is one."""
    return ThreadPoolExecutor(1, thread_name_prefix="copy")


def _told(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "standing_by"}


def _ready(names: Iterable[str]) -> list[SpeakerEncoder]:
    """Those that can be loaded here: nobody is refused for want of a model that answers nobody yet."""
    found = []
    for name in names:
        try:
            found.append(_encoder(name))
        except ModelUnusable as error:
            logger.warning("a recording goes without a model that stands by: %s", error)
    return found


@shared_task(bind=True, name=reembedding.EMBED_BATCH)
def embed_batch(self: Task[Any, Any], order: dict[str, Any]) -> None:
    """Embed recordings that were kept with another model. What was done already is not done again."""
    jobs.reply(str(self.request.id), _embedded(reembedding.Order(**order)))


def _embedded(order: reembedding.Order) -> dict[str, Any]:
    try:
        encoder = _encoder(order.model)
    except ModelUnusable as error:
        return {"problem": to_wire(error)}
    return batches.embed_batch(order, encoder)


@shared_task(bind=True, name=jobs.DRAW)
def draw(self: Task[Any, Any], _: dict[str, Any], place: Sequence[str] = ()) -> None:
    """Draw one recording. It changes nothing, so it may run twice."""
    job_id = str(self.request.id)
    content = jobs.recording_of(job_id)
    if content is not None:
        jobs.reply(job_id, _drawn(content), place)


def _drawn(content: bytes) -> dict[str, Any]:
    try:
        return {"drawn": vars(drawn(content))}
    except AudioError as error:
        return {"refused": error.to_wire()}


@signals.task_failure.connect
def reply_that_it_failed(sender: Task[Any, Any], task_id: str, exception: BaseException, **_: Any) -> None:
    """A worker that died cannot answer; its parent does, so that nobody waits for the deadline."""
    if sender.name in {jobs.ANALYZE, jobs.DRAW, reembedding.EMBED_BATCH}:
        try:
            jobs.reply(task_id, {"failed": type(exception).__name__})
        except redis.RedisError:
            logger.warning("could not report a failed analysis; its request will time out")


@signals.worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Where somebody waits for answers, load the model when a worker child begins, not at its first recording."""
    if jobs.EMBED in current_app.amqp.queues.consume_from:
        WatchedConnection.watched = True
        _load_most_used()


def _load_most_used() -> None:
    """What cannot be loaded is said, and tried again when a recording asks for it."""
    for name in _most_used():
        try:
            _encoder(name)
        except ModelUnusable as error:
            logger.error("a speaker model is not ready: %s", error)  # noqa: TRY400 - the line says all that can be done
    # Recordings need no database, so a worker keeps no connection.
    connection.close()


def _most_used() -> list[str]:
    try:
        return installed.most_used()
    except DatabaseFailed:
        return [BUNDLED.name]


def _encoder(name: str) -> SpeakerEncoder:
    """Raises ModelUnusable."""
    try:
        _refuse_disagreement(name)
        return engines.encoder(name)
    except ModelError as error:
        raise ModelUnusable(model=name, reason=str(error)) from None


def _refuse_disagreement(name: str) -> None:
    """Raises ModelError."""
    try:
        installed.refuse_disagreement(name)
    except DatabaseFailed as error:
        # Whoever waits for the recording needs the database more than we do, and finds out.
        logger.warning("nobody could say which weights %s has: %s", name, type(error).__name__)


@shared_task(name="voiceprints.expire_recordings")
def expire_recordings() -> None:
    clean("recordings", expiry.expire_recordings)


@shared_task(name="voiceprints.expire_probes")
def expire_probes() -> None:
    clean("probes", expiry.expire_probes)


@shared_task(name="voiceprints.expire_enrollments")
def expire_enrollments() -> None:
    clean("enrollments", expiry.expire_enrollments)


@shared_task(name="voiceprints.sweep_recordings")
def sweep_recordings() -> None:
    clean("files", lambda tally: tally.add(files=recordings.sweep()))


@shared_task(name="voiceprints.sweep_storage")
def sweep_storage() -> None:
    clean("storage", strays.sweep)


@shared_task(name="voiceprints.note_sizes")
def note_sizes() -> int:
    return keep_up("sizes", sizes.note_sizes)


@shared_task(name="voiceprints.fold_stock")
def fold_stock() -> int:
    return keep_up("stock", stock.fold)


@shared_task(name="voiceprints.tend_erasures")
def tend_erasures() -> int:
    return keep_up("erasures", erasure.tend)


@shared_task(name=erasure.GO_ON)
def go_on_erasing(tenant_id: int, erasure_id: int) -> None:
    """What cannot be done now is tried again when erasures are tended."""
    # Of one that is gone already something may be left to do.
    tenant = Tenant.objects.filter(pk=tenant_id).first() or Tenant(pk=tenant_id)
    try:
        erasure.go_on(tenant, erasure_id, patiently=False)
    except (FilesAwaited, FilesInHand) as reason:
        logger.info("an erasure waits: %s", reason)
    except (BackupHoldsFiles, ErasureUnfinished) as reason:
        logger.warning("an erasure waits: %s", reason)
    except (ErasureNotFound, StorageFailed, TrailBroken, redis.RedisError) as error:
        logger.warning("an erasure waits: %s", type(error).__name__)


@shared_task(name="voiceprints.vacuum_erased")
def vacuum_erased() -> int:
    return keep_up("vacuum", vacuuming.vacuum_erased)


@shared_task(name=work.RUN_JOB, acks_late=False)
def run_job(tenant_id: int, job_id: int) -> None:
    """Run a job, unless it is over or somebody's already. One that is not over in the end is found again and sent."""
    run = work.claimed(tenant_id, job_id)
    if run is None:
        return
    try:
        with coming_from(of_job(run.job.origin, job_id)):
            _to_an_end(run)
    except work.JobLost:
        logger.info("job %s is no longer ours", job_id)
    work.dispatch_next(run.tenant)


def _to_an_end(run: work.Run) -> None:
    """Do the job, and store what came of it. Raises JobLost."""
    try:
        with run.beating():
            product = bulk.RUNNERS[run.job.kind](run)
        if product is not None:
            run.succeed(product)
    except work.Stopped:
        run.put_back()
    except (AudioError, VoiceprintError) as error:
        run.fail(error)


@signals.worker_ready.connect
def begin_to_count(**_: Any) -> None:
    """What jobs do is counted where they run; no other worker counts anything."""
    if work.QUEUE in current_app.amqp.queues.consume_from:
        metrics.forget(settings.METRICS, work.QUEUE)
        metrics.share(settings.METRICS, work.QUEUE)
        metering.STORING.begin()


@signals.worker_ready.connect
def begin_to_beat(**_: Any) -> None:
    heartbeats.Beating(current_app.amqp.queues.consume_from).begin()


@signals.beat_init.connect
def begin_to_tick(**_: Any) -> None:
    """No other process says that it is Celery's clock, whatever it sends."""
    signals.after_task_publish.connect(heartbeats.Ticking(), weak=False)


@signals.worker_shutdown.connect
def count_to_the_end(**_: Any) -> None:
    metering.STORING.end()


@signals.worker_shutting_down.connect
def stop_jobs(**_: Any) -> None:
    work.stopping.set()


@shared_task(name="voiceprints.tend_jobs")
def tend_jobs() -> None:
    """Send again what nobody speaks of any more."""
    keep_up("waiting-jobs", work.dispatch_forgotten)


@shared_task(name="voiceprints.sweep_jobs")
def sweep_jobs() -> None:
    """Let go what has expired."""
    clean("jobs", job_expiry.sweep)
