"""What the console may do about a job: each deed in words, and what is asked before one is cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tenants.models import Tenant
from voiceprints import bulk
from voiceprints.model_changes import Question
from voiceprints.models import Job


@dataclass(frozen=True)
class Deed:
    """`carry_out` takes who does it, returns the job that goes on, and raises VoiceprintError.

    `ask`: None of a job of which nothing would go.
    """

    carry_out: Callable[[Tenant, int, str], Job]
    said: Callable[[], str]
    ask: Callable[[Job], Question | None] = lambda _: None


def ask_to_cancel(job: Job) -> Question | None:
    if job.is_over:
        return None
    left = job.total - job.done if job.total else 0
    consequences = [ngettext("%d line that was not done yet", "%d lines that were not done yet", left) % left]
    return Question(
        question=_("Cancel this job?"),
        button=_("Cancel the job"),
        lead=_("What it did stays. This goes:"),
        consequences=[*(consequences if left else []), *([_("what was uploaded for it")] if job.inputs else [])]
        or [_("what it was about to do")],
    )


def ask_to_delete_file(job: Job) -> Question | None:
    if not job.output:
        return None
    return Question(
        question=_("Delete the file of this job?"),
        button=_("Delete the file"),
        lead=_("Whoever was exported stays as they are. This goes:"),
        consequences=[_("what the job wrote, which nobody can download any more")],
    )


DEEDS = {
    "cancel": Deed(lambda tenant, job, _by: bulk.cancel_job(tenant, job), lambda: _("Cancelled."), ask_to_cancel),
    "pause": Deed(lambda tenant, job, _by: bulk.pause_job(tenant, job), lambda: _("Paused.")),
    "resume": Deed(lambda tenant, job, _by: bulk.resume_job(tenant, job), lambda: _("It goes on.")),
    "retry": Deed(lambda tenant, job, by: bulk.retry_job(tenant, job, by=by), lambda: _("What failed is tried again.")),
    "delete-file": Deed(
        lambda tenant, job, _by: bulk.delete_file(tenant, job), lambda: _("The file is deleted."), ask_to_delete_file
    ),
}
