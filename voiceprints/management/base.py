"""What the commands that begin a job share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from django.core.management.base import CommandError

from tenants.models import Tenant
from voiceprints import bulk
from voiceprints.failures import from_wire
from voiceprints.management.stopping import stopped
from voiceprints.models import Job

LOOK_AGAIN_SECONDS = 0.5


def ended(tenant: Tenant, job: Job, seen: Callable[[Job], object] = lambda job: None) -> Job:
    """The job, once it has succeeded; until then it is `seen` now and again. Raises CommandError.

    Whoever has enough of waiting leaves the job to its workers.
    """
    try:
        while not (job := bulk.find_job(tenant, job.pk)).is_over:
            seen(job)
            time.sleep(LOOK_AGAIN_SECONDS)
    except KeyboardInterrupt:
        raise stopped(f"stopped waiting; job {job.pk} goes on") from None
    if job.problem:
        raise CommandError(f"job {job.pk} failed: {from_wire(job.problem)}")
    if job.state != Job.State.SUCCEEDED:
        raise CommandError(f"job {job.pk} was {job.state}")
    return job


def summary(job: Job) -> str:
    return json.dumps({"job": job.pk, "result": job.result})
