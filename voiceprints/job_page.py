"""What the console's pages about jobs say: how far they are, what came of them, and what may be done about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.template.defaultfilters import filesizeformat
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.actions import Action
from tenants.audit_words import actor_in_words
from tenants.auditing import done_by_job
from tenants.console import number_in
from tenants.context import acting_as
from tenants.models import Tenant
from tenants.names import of_library, visible
from voiceprints import bulk
from voiceprints.failed_lines import FailedRow
from voiceprints.failures import from_wire
from voiceprints.models import Job, JobRow
from voiceprints.paging import Order, Page, Position
from voiceprints.refusals import in_words

STATE_COLOURS = {
    Job.State.RUNNING: "info",
    Job.State.PAUSED: "warning",
    Job.State.SUCCEEDED: "success",
    Job.State.FAILED: "danger",
}
FIGURES = {
    **dict(JobRow.Outcome.choices),
    "speakers": gettext_lazy("speakers"),
    "missing_recordings": gettext_lazy("recordings not found"),
    "size_bytes": gettext_lazy("size"),
    "embedded": gettext_lazy("embedded"),
}
NEWEST_FIRST = Order(("created", "pk"), descending=True)
JOBS_SHOWN = 50
ROWS_SHOWN = 50
# Of the others an interruption would only lose what was done.
PAUSABLE = {Job.Kind.IMPORT, Job.Kind.REEMBED}


@dataclass(frozen=True)
class Progress:
    """A job as a person follows it."""

    job: Job

    @property
    def under_way(self) -> bool:
        return not self.job.is_over

    @property
    def paused(self) -> bool:
        return self.job.state == Job.State.PAUSED

    @property
    def failed(self) -> int:
        """Lines of a job that came to its end all the same."""
        succeeded = self.job.state == Job.State.SUCCEEDED
        return (self.job.result or {}).get(JobRow.Outcome.FAILED, 0) if succeeded else 0

    @property
    def state(self) -> str:
        if not self.failed:
            return str(self.job.get_state_display())
        return _("%(failed)d of %(total)d failed") % {"failed": self.failed, "total": self.job.total or self.failed}

    @property
    def colour(self) -> str:
        return "warning" if self.failed else STATE_COLOURS.get(Job.State(self.job.state), "default")

    @property
    def percent(self) -> int | None:
        """None until the job has counted."""
        return 100 * self.job.done // self.job.total if self.job.total else None

    @property
    def problem(self) -> str:
        return in_words(from_wire(self.job.problem)) if self.job.problem else ""

    @property
    def may_be_paused(self) -> bool:
        return self.under_way and not self.paused and self.job.kind in PAUSABLE

    @property
    def begun_by(self) -> str:
        by = self.job.origin
        return actor_in_words(by["kind"], by["number"], by["name"]) if by else self.job.begun_by

    @property
    def about(self) -> str:
        """The library or the model it is about."""
        said = self.job.parameters
        key = said.get("key", said)
        library = of_library(key.get("org_id", ""), key.get("tag_id", ""))
        return said.get("model") or visible(library)


@dataclass(frozen=True)
class JobsPage:
    """`older` is where the next page begins, "" on the last one."""

    jobs: list[Progress]
    older: str


@dataclass(frozen=True)
class TenantJobs:
    """How many of a tenant's jobs are not over, and when the last one was begun."""

    tenant: Tenant
    under_way: int
    newest: datetime | None


@dataclass(frozen=True)
class JobPage:
    progress: Progress
    failed: list[FailedRow]
    failed_count: int
    further: str
    """The line after which the next page of failed ones begins, "" on the last one."""
    libraries_made: list[str]
    """That were not there before; one may come of a name that was mistyped."""

    @property
    def figures(self) -> list[tuple[Any, Any]]:
        """What came of it, as far as it is numbers."""
        result = self.progress.job.result or {}
        said = {name: result[name] for name in FIGURES if isinstance(result.get(name), int)}
        return [(FIGURES[name], filesizeformat(said[name]) if name == "size_bytes" else said[name]) for name in said]

    @property
    def may_be_retried(self) -> bool:
        job = self.progress.job
        if not job.is_over or not (job.state == Job.State.FAILED or self.failed_count):
            return False
        return bool(job.inputs) or job.kind in {Job.Kind.EXPORT, Job.Kind.REEMBED}


def jobs_page(tenant: Tenant, *, kind: str, state: str, after: str) -> JobsPage:
    """Newest first, after a position; of one kind and state, where they are some."""
    wanted = {"kind": kind, "state": state}
    known = {"kind": Job.Kind.values, "state": Job.State.values}
    where = {name: value for name, value in wanted.items() if value in known[name]}
    page: Page[Job] = bulk.page_jobs(tenant, where=where, order=NEWEST_FIRST, after=_position(after), limit=JOBS_SHOWN)
    return JobsPage([Progress(job) for job in page.rows], _written(page.last) if page.last else "")


def jobs_of_tenants(tenants: Iterable[Tenant]) -> list[TenantJobs]:
    """In their order; of tenants that are shown to whoever asks."""
    keys = [tenant.pk for tenant in tenants]
    unfinished = Job.all_tenants.filter(tenant__in=keys, finished=None)
    under_way = dict(unfinished.values_list("tenant").annotate(Count("pk")))
    newest = Job.all_tenants.filter(tenant=OuterRef("pk")).order_by("-created").values("created")[:1]
    begun = dict(Tenant.objects.filter(pk__in=keys).values_list("pk", Subquery(newest)))
    return [TenantJobs(tenant, under_way.get(tenant.pk, 0), begun[tenant.pk]) for tenant in tenants]


def job_page(tenant: Tenant, job_id: int, *, after: str = "") -> JobPage:
    """Raises JobNotFound."""
    job = bulk.find_job(tenant, job_id)
    last = number_in(after)
    beyond = None if last is None else [last]
    page = bulk.page_rows(tenant, job_id, where={"outcome": JobRow.Outcome.FAILED}, after=beyond, limit=ROWS_SHOWN)
    with acting_as(tenant):
        count = job.failed_rows.count()
        made = [visible(event.object_name) for event in done_by_job(tenant, job_id, Action.LIBRARY_MADE)]
    further = str(page.last[0]) if page.last else ""
    return JobPage(Progress(job), [FailedRow(row) for row in page.rows], count, further, made)


def _written(position: Position) -> str:
    created, pk = position
    return f"{created.isoformat()}_{pk}"


def _position(text: str) -> tuple[datetime, int] | None:
    """None for what is none: the newest, then."""
    moment, _separator, number = text.partition("_")
    try:
        created = parse_datetime(moment)
        return (created, int(number)) if created and created.tzinfo else None
    except ValueError:
        return None
