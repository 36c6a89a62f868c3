"""What Prometheus asks for: what processes have counted, and what there is at the moment it comes."""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any, Final

from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db.models import Count, Min
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from redis import RedisError

from config.health import READINESS, State
from tenants import metrics
from tenants.context import acting_as_platform
from tenants.models import CleanupRun, Tenant
from tenants.punctuality import cleanups
from voiceprints import heartbeats, jobs, work
from voiceprints.backlog import last_backup, longest_waits
from voiceprints.jobs import EMBED, EMBED_BULK
from voiceprints.models import Job, StorageFinding
from voiceprints.quotas import near_their_end, past_their_end

LOOKED_AT_EVERY_SECONDS: Final = 5.0
QUEUES: Final = (EMBED, EMBED_BULK, work.QUEUE, settings.CELERY_TASK_DEFAULT_QUEUE, "cleanup")
# What a proxy adds: behind one, everybody seems to be this machine.
PROXIED: Final = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via")


@csrf_exempt
@require_safe
def exposed(request: HttpRequest) -> HttpResponse:
    """Whoever may not see it is told that there is nothing."""
    if not may_scrape(request):
        raise Http404
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry()), content_type=content_type, headers={"Cache-Control": "no-store"})


def may_scrape(request: HttpRequest) -> bool:
    """With the token of the setting; where there is none, from this machine itself."""
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "")
        return hmac.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    return is_from_here(request) and not any(header in request.headers for header in PROXIED)


def is_from_here(request: HttpRequest) -> bool:
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def registry() -> CollectorRegistry:
    whole = CollectorRegistry()
    for collector in (*metrics.counted(), NOW):
        whole.register(collector)
    return whole


class Now(Collector):
    """Looked at every few seconds at most, however often somebody asks."""

    def __init__(self, *parts: Callable[[], Iterable[Metric]]) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._found: list[Metric] = []
        self._until = 0.0

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = [metric for part in self._parts for metric in part()]
                self._until = time.monotonic() + LOOKED_AT_EVERY_SECONDS
            yield from self._found

    def describe(self) -> list[Metric]:
        """Nothing is looked at when the registry is put together."""
        return []

    def forget(self) -> None:
        self._until = 0.0


def of_parts() -> Iterator[Metric]:
    parts = gauge("part_up", "1 for a part of the platform that is well; see /health/ready.", "part")
    for part, state in READINESS.parts().items():
        parts.add_metric([part], float(state is State.OK))
    yield parts


def of_queues() -> Iterator[Metric]:
    """Nothing while Redis is away."""
    try:
        lengths = waiting()
        places = {queue: jobs.places(queue) for queue in (EMBED, EMBED_BULK)}
        pulses = [pulse for pulse in heartbeats.pulses() if pulse.alive]
    except RedisError:
        return
    depth = gauge("queue_messages", "Messages that no worker has taken.", "queue")
    in_flight = gauge("recordings_in_flight", "Recordings that were let in and not answered yet.", "queue")
    oldest = gauge("recordings_oldest_seconds", "How long the oldest of them has been waiting.", "queue")
    machines = gauge("processes_alive", "Machines on which the process was alive a moment ago.", "process")
    for queue, length in lengths.items():
        depth.add_metric([queue], length)
    for queue, ages in places.items():
        in_flight.add_metric([queue], len(ages))
        oldest.add_metric([queue], max(ages, default=0.0))
    for name in sorted({pulse.name for pulse in pulses}):
        machines.add_metric([name], sum(pulse.name == name for pulse in pulses))
    yield from (depth, in_flight, oldest, machines)


def waiting() -> dict[str, int]:
    with jobs.connection().pipeline(transaction=False) as asked:
        for queue in QUEUES:
            asked.llen(queue)
        return dict(zip(QUEUES, asked.execute(), strict=True))


def of_rows() -> Iterator[Metric]:
    """Nothing while the database is away."""
    try:
        with acting_as_platform():
            yield from list(_of_rows())
    except DatabaseFailed:
        return


def _of_rows() -> Iterator[Metric]:
    by_state = gauge("jobs", "Jobs that are kept, by kind and state.", "kind", "state")
    for kind, state, count in Job.all_tenants.order_by().values_list("kind", "state").annotate(Count("pk")):
        by_state.add_metric([kind, state], count)
    yield by_state
    oldest = Job.all_tenants.filter(state=Job.State.QUEUED).aggregate(oldest=Min("created"))["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    yield GaugeMetricFamily("openvpr_jobs_oldest_queued_seconds", "How long the oldest job has been queued.", age)
    active = Tenant.objects.filter(active=True)
    near = near_their_end(active).count() + past_their_end(active).count()
    yield GaugeMetricFamily(
        "openvpr_tenants_near_quota", "Tenants that have nearly used up a quota, or exceed one.", near
    )
    yield from _of_cleanups()
    yield from _of_punctuality()
    yield from _of_deletions()
    yield from _of_backups()


def _of_cleanups() -> Iterator[Metric]:
    finished = gauge("cleanup_finished_timestamp_seconds", "When a clean-up job last came to its end.", "task")
    failed = gauge("cleanup_failed", "1 where the last run of a clean-up job ended with an error.", "task")
    removed = gauge("cleanup_removed", "How many of what the last run of a clean-up job removed.", "task", "what")
    runs = CleanupRun.objects.exclude(finished=None).order_by("job", "-started").distinct("job")
    for run in runs:
        ended: Any = run.finished
        finished.add_metric([run.job], ended.timestamp())
        failed.add_metric([run.job], float(bool(run.problem)))
        for what, count in run.counts.items():
            removed.add_metric([run.job, what], count)
    yield from (finished, failed, removed)


def _of_punctuality() -> Iterator[Metric]:
    succeeded = gauge("cleanup_last_success_timestamp_seconds", "When a clean-up job last ended without error.", "task")
    overdue = gauge(
        "cleanup_overdue_seconds",
        "How long ago a clean-up job should have run again, by its schedule and its last success; 0 if it need not.",
        "task",
    )
    for cleanup in cleanups():
        overdue.add_metric([cleanup.job], cleanup.late.total_seconds())
        if cleanup.succeeded:
            succeeded.add_metric([cleanup.job], cleanup.succeeded.timestamp())
    yield from (succeeded, overdue)


def _of_deletions() -> Iterator[Metric]:
    waits = gauge("deletion_waits_seconds", "How long the oldest of what is to be removed has been waiting.", "what")
    for what, wait in longest_waits().items():
        waits.add_metric([what], wait.total_seconds())
    yield waits
    findings = gauge("storage_findings", "What the last sweep of the storage found and is still there.", "kind")
    counts = dict(StorageFinding.objects.order_by().values_list("kind").annotate(Count("pk")))
    for kind in StorageFinding.Kind.values:
        findings.add_metric([kind], counts.get(kind, 0))
    yield findings


def _of_backups() -> Iterator[Metric]:
    made = gauge("backup_timestamp_seconds", "When the last backup was made; 0 for never.")
    size = gauge("backup_recordings_bytes", "How large the recordings in the last backup are.")
    missing = gauge("backup_missing_recordings", "How many recordings the last backup did not find.")
    last = last_backup()
    made.add_metric([], last.made.timestamp() if last else 0.0)
    if last:
        size.add_metric([], last.recordings_bytes)
        missing.add_metric([], last.missing)
    yield from (made, size, missing)


def of_disks() -> Iterator[Metric]:
    """Of this machine: where OPENVPR_HOME lies, and the recordings, unless they are in S3."""
    places = {"home": settings.HOME}
    if not settings.S3_BUCKET:
        places["recordings"] = settings.HOME / "recordings"
    size = gauge("disk_bytes", "How large the file system is.", "place")
    free = gauge("disk_free_bytes", "How much of it the platform may still use.", "place")
    for place, folder in places.items():
        if folder.exists():
            disk = os.statvfs(folder)
            size.add_metric([place], disk.f_blocks * disk.f_frsize)
            free.add_metric([place], disk.f_bavail * disk.f_frsize)
    yield from (size, free)


def gauge(name: str, said: str, *labels: str) -> Any:
    return GaugeMetricFamily(f"openvpr_{name}", said, labels=labels)


NOW: Final = Now(of_parts, of_queues, of_rows, of_disks)
