"""All clean-up jobs at once while others are being recognised: what they notice of it, and the longest transaction.

    python -m config python -m bench.cleanup [RECORDINGS]

Starts no platform of its own: the first three words do, in OPENVPR_HOME. The jobs run here, at the priority of the
worker that runs them otherwise. Turns with and without them alternate, so that a machine that changes its speed is
unfair to neither.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import timedelta
from typing import Any

from audio.threads import use_one_thread

use_one_thread()

import django  # noqa: E402
import numpy as np  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.db.transaction import Atomic  # noqa: E402
from django.utils import timezone  # noqa: E402

from api.native.models import KeptAnswer  # noqa: E402
from api.native.tasks import sweep_answers  # noqa: E402
from bench.analysis import five_seconds  # noqa: E402
from bench.platform import milliseconds, sender, title, verdict  # noqa: E402
from tenants.context import acting_as, acting_as_platform  # noqa: E402
from tenants.models import CleanupRun, ConsoleSession, Credential, Tenant  # noqa: E402
from tenants.services import create_tenant, issue_token  # noqa: E402
from tenants.tasks import check_trail, sweep_sign_ins  # noqa: E402
from voiceprints import recordings, retention, tasks  # noqa: E402
from voiceprints.models import Job, JobRow, Speaker, Utterance  # noqa: E402

RECORDINGS = 12_000
TURNS = 4
REQUESTS_PER_TURN = 30
BETWEEN_REQUESTS_SECONDS = 0.1
BYTES = 60_000
JOB_LINES = 10_000
OTHERS = 1_000
LONG_AGO = timedelta(days=400)
QUALITY = dict.fromkeys(
    ["duration_seconds", "speech_seconds", "snr_db", "level_dbfs", "clipped_ratio", "dropout_ratio"], 1.0
)
JOBS: tuple[Callable[[], object], ...] = (
    tasks.expire_recordings,
    tasks.expire_probes,
    tasks.expire_enrollments,
    tasks.sweep_recordings,
    tasks.sweep_jobs,
    sweep_answers,
    sweep_sign_ins,
    check_trail,
    tasks.sweep_storage,
)


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDINGS
    credential = create_tenant(f"cleanup-{os.getpid()}")
    tenant = credential.tenant
    sender(credential, five_seconds())("register", org_id="bench", spk_name="somebody")
    retention.change(tenant, recordings=365)
    title(f"Removing {wanted} recordings and all else that is due, in {TURNS} turns, while others are recognised")
    without: list[float] = []
    during: list[float] = []
    longest = 0.0
    with ProcessPoolExecutor(1, initializer=os.nice, initargs=(19,)) as pool:
        for _ in range(TURNS):
            fill(tenant, wanted // TURNS)
            without += requests(credential, lambda: True)
            # The other process is made at the first call, and must not find our connection to close.
            connection.close()
            running = pool.submit(all_jobs)
            during += requests(credential, running_still(running))
            longest = max(longest, running.result())
    report(tenant, without, during, longest)


def running_still(running: Future[float]) -> Callable[[], bool]:
    return lambda: not running.done()


def requests(credential: Credential, goes_on: Callable[[], bool]) -> list[float]:
    """Milliseconds of each, as long as it goes on."""
    send = sender(credential, five_seconds())
    times: list[float] = []
    while len(times) < REQUESTS_PER_TURN and goes_on():
        times.append(milliseconds(lambda: send("recognize", org_id="bench")))
        time.sleep(BETWEEN_REQUESTS_SECONDS)
    return times


def report(tenant: Tenant, without: list[float], during: list[float], longest: float) -> None:
    removed: Counter[str] = Counter()
    for run in CleanupRun.objects.all():
        removed.update(run.counts)
    print("  removed by all jobs: " + ", ".join(f"{what} {count}" for what, count in sorted(removed.items())))
    with acting_as(tenant):
        print(f"  recordings left: {tenant.utterances.exclude(recording='').count()}")
    print(f"  requests without {len(without)}, during {len(during)}")
    verdict("recognize p50, no clean-up", np.percentile(without, 50), "ms")
    verdict("recognize p50, during clean-ups", np.percentile(during, 50), "ms")
    verdict("recognize p95, no clean-up", np.percentile(without, 95), "ms")
    verdict("recognize p95, during clean-ups", np.percentile(during, 95), "ms")
    verdict("p95 during / without", np.percentile(during, 95) / np.percentile(without, 95), "", at_most=1.2)
    verdict("longest transaction", 1000 * longest, "ms", at_most=1000)


# --- In the process that cleans up -----------------------------------------------------------------------------------


def all_jobs() -> float:
    """Each once; returns how many seconds the longest transaction took."""
    stopwatch = Stopwatch()
    with stopwatch:
        for job in JOBS:
            job()
    return stopwatch.longest


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
    paths = [f"bench/20250101/{uuid.uuid4()}.flac" for _ in range(count)]
    recordings.write(paths, [os.urandom(BYTES)] * count)
    with acting_as(tenant):
        library = tenant.libraries.get()
        kept = _people(tenant, library, count // 3, "enrolled")
        said = [
            Utterance(tenant=tenant, speaker=kept[number % len(kept)], recording=path, size_bytes=BYTES, **QUALITY)
            for number, path in enumerate(paths)
        ]
        Utterance.all_tenants.bulk_create(said)
        Utterance.all_tenants.filter(recording__in=paths).update(created=old)
        due = [*_people(tenant, library, OTHERS, "probe"), *_people(tenant, library, OTHERS, "enrolling")]
        Speaker.all_tenants.filter(pk__in=[one.pk for one in due]).update(created=old)
        job = tenant.jobs.create(kind=Job.Kind.IMPORT, state=Job.State.SUCCEEDED, finished=old)
        lines = (JobRow(tenant=tenant, job=job, number=number, outcome="enrolled") for number in range(JOB_LINES))
        JobRow.all_tenants.bulk_create(lines)
        token, _ = issue_token(tenant, scopes=["read"])
        answers = [KeptAnswer(tenant=tenant, token=token, key=str(number), expires=old) for number in range(OTHERS)]
        KeptAnswer.all_tenants.bulk_create(answers)
    with acting_as_platform():
        sessions = (ConsoleSession(session_key=uuid.uuid4().hex, expire_date=old) for _ in range(OTHERS))
        ConsoleSession.objects.bulk_create(sessions)


def _people(tenant: Tenant, library: Any, count: int, status: str) -> list[Speaker]:
    people = (
        Speaker(tenant=tenant, library=library, external_id=uuid.uuid4().hex, status=status) for _ in range(count)
    )
    return Speaker.all_tenants.bulk_create(people)


if __name__ == "__main__":
    main()
