"""What the commands that begin a job share."""

from __future__ import annotations

import json
import time

from django.core.management.base import CommandError

from tenants.models import Tenant
from voiceprints import bulk
from voiceprints.failures import from_wire
from voiceprints.models import Job

LOOK_AGAIN_SECONDS = 0.5


def ended(tenant: Tenant, job: Job) -> Job:
    """The job, once it has succeeded. Raises CommandError."""
    while not (job := bulk.find_job(tenant, job.pk)).is_over:
        time.sleep(LOOK_AGAIN_SECONDS)
    return refuse_failure(job)


def refuse_failure(job: Job) -> Job:
    """The job, which is over. Raises CommandError unless it succeeded."""
    if job.problem:
        raise CommandError(f"job {job.pk} failed: {from_wire(job.problem)}")
    if job.state != Job.State.SUCCEEDED:
        raise CommandError(f"job {job.pk} was {job.state}")
    return job


def summary(job: Job) -> str:
    return json.dumps({"job": job.pk, "result": job.result})
