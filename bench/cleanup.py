"""All tasks of the schedule while others are being recognised: what they notice of it, and the longest transactions.

    python -m config python -m bench.cleanup [RECORDINGS]

Starts no platform of its own: the first three words do, in OPENVPR_HOME. The tasks run here, with all that they send to
other workers, at the priority of the worker that runs them otherwise; the platform's own schedule rests meanwhile.
Turns without them, beside a process of that priority that only keeps busy, and with them alternate, so that a machine
that changes its speed is unfair to none; the second tells what is due to the machine and no task can spare.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

from audio.threads import use_one_thread

use_one_thread()

import django  # noqa: E402
import numpy as np  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from celery import current_app  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.transaction import Atomic  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_celery_beat.models import PeriodicTask, PeriodicTasks  # noqa: E402

from api.native.models import KeptAnswer  # noqa: E402
from bench.analysis import five_seconds  # noqa: E402
from bench.platform import milliseconds, sender, title, verdict  # noqa: E402
from tenants.actions import Action  # noqa: E402
from tenants.context import acting_as, acting_as_platform  # noqa: E402
from tenants.models import CleanupRun, ConsoleSession, Credential, Tenant  # noqa: E402
from tenants.services import create_tenant, issue_token  # noqa: E402
from tenants.trail import Target, note  # noqa: E402
from voiceprints import leaving, recordings, retention, services  # noqa: E402
from voiceprints.models import Erasure, Job, JobRow, Library, Speaker, StockChange, Utterance  # noqa: E402
from voiceprints.results import LibraryKey  # noqa: E402

RECORDINGS = 12_000
TURNS = 4
REQUESTS_PER_TURN = 30
BETWEEN_REQUESTS_SECONDS = 0.1
BUSY_SECONDS = 8
BYTES = 60_000
JOB_LINES = 10_000
OTHERS = 1_000
FILES = 100
FORGOTTEN = 10
CHANGES = 10_000
EVENTS = 5_000
EMPTY = LibraryKey("bench", "empty")
LONG_AGO = timedelta(days=400)
QUALITY = dict.fromkeys(
    ["duration_seconds", "speech_seconds", "snr_db", "level_dbfs", "clipped_ratio", "dropout_ratio"], 1.0
)


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDINGS
    credential = create_tenant(f"cleanup-{os.getpid()}")
    tenant = credential.tenant
    sender(credential, five_seconds())("register", org_id="bench", spk_name="somebody")
    services.save_library(tenant, EMPTY)
    retention.change(tenant, recordings=365)
    title(f"Removing {wanted} recordings and all else that is due, in {TURNS} turns, while others are recognised")
    without: list[float] = []
    beside: list[float] = []
    during: list[float] = []
    took: list[Took] = []
    with nothing_by_itself(), ProcessPoolExecutor(1, initializer=os.nice, initargs=(19,)) as pool:
        for turn in range(TURNS):
            fill(tenant, wanted // TURNS)
            let_one_leave(turn)
            without += requests(credential, lambda sent: sent < REQUESTS_PER_TURN)
            # The other process is made at the first call, and must not find our connection to close.
            connection.close()
            beside += requests(credential, while_under_way(pool.submit(keep_busy)))
            running = pool.submit(all_tasks)
            during += requests(credential, while_under_way(running))
            took += running.result()
    tell_what_was_done(tenant, took)
    print(f"  requests without {len(without)}, beside a busy process {len(beside)}, during {len(during)}")
    for when, times in {"no clean-up": without, "beside a busy process": beside, "during clean-ups": during}.items():
        verdict(f"recognize p50, {when}", np.percentile(times, 50), "ms")
        verdict(f"recognize p95, {when}", np.percentile(times, 95), "ms")
    verdict("p95 beside a busy process / without", np.percentile(beside, 95) / np.percentile(without, 95), "")
    verdict("p95 during / without", np.percentile(during, 95) / np.percentile(without, 95), "", at_most=1.2)
    verdict("longest transaction", 1000 * max(one.longest for one in took), "ms", at_most=1000)


def while_under_way(running: Future[Any]) -> Callable[[int], bool]:
    return lambda _: not running.done()


@contextmanager
def nothing_by_itself() -> Iterator[None]:
    """Celery's clock sends nothing, once it has put all its tasks into the database."""
    known = PeriodicTask.objects.filter(name__in=settings.CELERY_BEAT_SCHEDULE)
    while known.count() < len(settings.CELERY_BEAT_SCHEDULE):
        time.sleep(1)
    switched_on = list(known.filter(enabled=True).values_list("pk", flat=True))
    PeriodicTask.objects.filter(pk__in=switched_on).update(enabled=False)
    PeriodicTasks.update_changed()
    try:
        yield
    finally:
        PeriodicTask.objects.filter(pk__in=switched_on).update(enabled=True)
        PeriodicTasks.update_changed()


def requests(credential: Credential, goes_on: Callable[[int], bool]) -> list[float]:
    """Milliseconds of each, as long as it goes on after so many."""
    send = sender(credential, five_seconds())
    times: list[float] = []
    while goes_on(len(times)):
        times.append(milliseconds(lambda: send("recognize", org_id="bench")))
        time.sleep(BETWEEN_REQUESTS_SECONDS)
    return times


def tell_what_was_done(tenant: Tenant, took: list[Took]) -> None:
    removed: Counter[str] = Counter()
    for run in CleanupRun.objects.all():
        removed.update(run.counts)
    print("  removed by all tasks: " + ", ".join(f"{what} {count}" for what, count in sorted(removed.items())))
    with acting_as(tenant):
        print(f"  recordings left: {tenant.utterances.exclude(recording='').count()}")
        print(f"  rows that say what there is: {StockChange.all_tenants.count()}")
    with acting_as_platform():
        print(f"  tenants erased: {Erasure.all_tenants.filter(state=Erasure.State.DONE).count()}")
    for name in settings.CELERY_BEAT_SCHEDULE:
        mine = [one for one in took if one.name == name]
        seconds = sum(one.seconds for one in mine) / TURNS
        longest = 1000 * max(one.longest for one in mine)
        print(f"  {name:20} {seconds:6.2f} s a turn, longest transaction {longest:4.0f} ms")


# --- In the process that cleans up -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Took:
    """How many seconds a task took, and its longest transaction."""

    name: str
    seconds: float
    longest: float


def keep_busy() -> None:
    ends = time.perf_counter() + BUSY_SECONDS
    while time.perf_counter() < ends:
        pass


def all_tasks() -> list[Took]:
    """Each task of the schedule once. Whatever it sends to other workers is done here, where its time is taken."""
    current_app.loader.import_default_modules()
    current_app.conf.task_always_eager = True
    return [timed(name, current_app.tasks[entry["task"]]) for name, entry in settings.CELERY_BEAT_SCHEDULE.items()]


def timed(name: str, task: Callable[[], object]) -> Took:
    stopwatch, began = Stopwatch(), time.perf_counter()
    with stopwatch:
        task()
    return Took(name, time.perf_counter() - began, stopwatch.longest)


class Stopwatch:
    """Takes the time of every transaction, from its beginning to after its commit and what that entails."""

    def __init__(self) -> None:
        self.longest, self._began = 0.0, 0.0
        self._enter, self._exit = Atomic.__enter__, Atomic.__exit__

    def __enter__(self) -> None:
        def enter(atomic: Atomic) -> None:
            if not connection.in_atomic_block:
                self._began = time.perf_counter()
            self._enter(atomic)

        def leave(atomic: Atomic, *failure: Any) -> None:
            self._exit(atomic, *failure)
            if not connection.in_atomic_block:
                self.longest = max(self.longest, time.perf_counter() - self._began)

        Atomic.__enter__, Atomic.__exit__ = enter, leave  # type: ignore[method-assign, assignment]

    def __exit__(self, *_: object) -> None:
        Atomic.__enter__, Atomic.__exit__ = self._enter, self._exit  # type: ignore[method-assign]


# --- What is due -----------------------------------------------------------------------------------------------------


def fill(tenant: Tenant, count: int) -> None:
    old = timezone.now() - LONG_AGO
    with acting_as(tenant):
        library = tenant.libraries.exclude(tag_id=EMPTY.tag_id).get()
        said = record(tenant, library, count, size_bytes=BYTES)
        Utterance.all_tenants.filter(recording__in=said).update(created=old)
        record(tenant, library, OTHERS, size_bytes=None)
        due = [*_people(tenant, library, OTHERS, "probe"), *_people(tenant, library, OTHERS, "enrolling")]
        Speaker.all_tenants.filter(pk__in=[one.pk for one in due]).update(created=old)
        jobs(tenant, old)
        token, _ = issue_token(tenant, scopes=["read"])
        answers = [KeptAnswer(tenant=tenant, token=token, key=str(number), expires=old) for number in range(OTHERS)]
        KeptAnswer.all_tenants.bulk_create(answers)
        nothing_in_all = ({"tenant_id": tenant.pk, "speakers": (-1) ** number} for number in range(CHANGES))
        StockChange.all_tenants.bulk_create(StockChange(stored_bytes=0, **change) for change in nothing_in_all)
        for number in range(EVENTS):
            note(tenant, Action.SPEAKER_CHANGED, Target("speaker", number, f"speaker {number}"), fields=["info"])
    with acting_as_platform():
        sessions = (ConsoleSession(session_key=uuid.uuid4().hex, expire_date=old) for _ in range(OTHERS))
        ConsoleSession.objects.bulk_create(sessions)


def record(tenant: Tenant, library: Library, count: int, *, size_bytes: int | None) -> list[str]:
    """So many recordings, three of each speaker; their paths."""
    paths = written(tenant, count, "flac")
    speakers = _people(tenant, library, count // 3, "enrolled")
    about = {"tenant": tenant, "size_bytes": size_bytes, **QUALITY}
    rows = (Utterance(speaker=one, recording=path, **about) for one, path in zip(cycle(speakers), paths))
    Utterance.all_tenants.bulk_create(rows)
    return paths


def written(tenant: Tenant, count: int, suffix: str) -> list[str]:
    paths = [f"bench-{tenant.pk}/20250101/{uuid.uuid4()}.{suffix}" for _ in range(count)]
    recordings.write(paths, [os.urandom(BYTES)] * count)
    return paths


def jobs(tenant: Tenant, old: datetime) -> None:
    """One that is long over, exports and uploads that expire, and exports that nobody speaks of any more."""
    over = {"tenant": tenant, "state": Job.State.SUCCEEDED, "finished": old}
    job = Job.all_tenants.create(kind=Job.Kind.IMPORT, **over)
    lines = (JobRow(tenant=tenant, job=job, number=number, outcome="enrolled") for number in range(JOB_LINES))
    JobRow.all_tenants.bulk_create(lines)
    exports = [{"kind": Job.Kind.EXPORT, "output": path, "expires": old} for path in written(tenant, FILES, "zip")]
    uploads = [
        {"kind": Job.Kind.IMPORT, "inputs": [path], "inputs_expire": old} for path in written(tenant, FILES, "tar")
    ]
    Job.all_tenants.bulk_create(Job(**over, **about) for about in (*exports, *uploads))
    wanted = {"parameters": asdict(EMPTY) | {"recordings": False, "embeddings": False}, "dispatched": old}
    Job.all_tenants.bulk_create(Job(tenant=tenant, kind=Job.Kind.EXPORT, **wanted) for _ in range(FORGOTTEN))


def let_one_leave(turn: int) -> None:
    """A tenant with speakers, recordings and a job, whose grace is over."""
    tenant = create_tenant(f"leaving-{os.getpid()}-{turn}").tenant
    library = services.save_library(tenant, LibraryKey("bench"))
    with acting_as(tenant):
        record(tenant, library, OTHERS, size_bytes=BYTES)
        jobs(tenant, timezone.now())
    leaving.close(tenant, grace=timedelta())


def _people(tenant: Tenant, library: Library, count: int, status: str) -> list[Speaker]:
    people = (
        Speaker(tenant=tenant, library=library, external_id=uuid.uuid4().hex, status=status) for _ in range(count)
    )
    return Speaker.all_tenants.bulk_create(people)


if __name__ == "__main__":
    main()
