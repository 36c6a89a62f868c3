"""Libraries, speakers, jobs and erasures, as the audit trail names them."""

from __future__ import annotations

from tenants.names import of_library
from tenants.trail import Target
from voiceprints.models import Erasure, Job, Library, Speaker


def library_target(library: Library) -> Target:
    name = of_library(library.org_id, library.tag_id)
    return Target("library", library.pk, name, library.org_id, library.tag_id)


def speaker_target(speaker: Speaker) -> Target:
    return Target("speaker", speaker.pk, speaker.external_id, speaker.library.org_id, speaker.library.tag_id)


def job_target(job: Job) -> Target:
    about = (job.parameters or {}).get("key") or job.parameters or {}
    return Target("job", job.pk, str(job.kind), about.get("org_id", ""), about.get("tag_id", ""))


def erasure_target(erasure: Erasure) -> Target:
    """Without the name of whoever is erased."""
    return Target("erasure", erasure.pk, str(erasure.kind))
