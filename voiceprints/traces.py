"""Where the id of a person stands apart from the rows of speakers: jobs, what was uploaded for them and what they made.

Rooms above keep such things, too: each says, once it is loaded, how it forgets them. Jobs are searched by the id alone,
whatever library they name: a speaker may have been moved since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from audio.errors import TooLarge
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import archives, exchange, mentions, recordings, work
from voiceprints.archives import Archive
from voiceprints.errors import ArchiveRefused, FileMissing, ManifestRefused, SubjectErased
from voiceprints.imports import MANIFESTS
from voiceprints.manifests import MANIFEST_BYTES, Fields, quotable, read_rows
from voiceprints.models import Job
from voiceprints.querysets import JobQuerySet
from voiceprints.results import LibraryKey

# A text that is the id, at any depth.
SAID = "jsonb_path_exists({column}, '$.** ? (@ == $id)', jsonb_build_object('id', %s::text))"
ANY_LIBRARY = LibraryKey("any")
UNREADABLE = (ArchiveRefused, ManifestRefused, FileMissing, TooLarge, FileNotFoundError)

Said = tuple[int, str, Fields]
"""Number, external id and fields of a line."""
Forget = Callable[[Tenant, str | None], int]
"""Forgets what is kept about an external id, or for None all of the tenant's; returns how much that was.

It opens its own transactions.
"""
Keeps = Callable[[Tenant, str], bool]
"""Whether there is anything to forget about an external id. It opens its own transactions."""


@dataclass(frozen=True)
class Keeper:
    forget: Forget
    keeps: Keeps


_elsewhere: dict[str, Keeper] = {}


def kept_elsewhere(name: str, forget: Forget, keeps: Keeps) -> None:
    """A room says what it keeps by the ids of speakers, as a receipt counts it."""
    _elsewhere[name] = Keeper(forget, keeps)


def forget_elsewhere(tenant: Tenant, external_id: str | None) -> dict[str, int]:
    return {name: keeper.forget(tenant, external_id) for name, keeper in _elsewhere.items()}


def is_known(tenant: Tenant, external_id: str) -> bool:
    """Whether any job tells of the id."""
    told = (
        tenant.job_rows.filter(external_id=external_id),
        _enrolling(tenant, external_id),
        _saying(tenant, external_id),
    )
    return any(rows.exists() for rows in told)


def may_be_known_elsewhere(tenant: Tenant, external_id: str) -> bool:
    """Whether another room or a job about others tells of the id, or a file, which is not looked at here, may hold it.

    It opens its own transactions.
    """
    if any(keeper.keeps(tenant, external_id) for keeper in _elsewhere.values()):
        return True
    with acting_as(tenant):
        files = _with_files(tenant).exists() or exports_that_read(tenant).exists() or exchange.is_written(tenant)
        return files or recordings.has_let_go(tenant) or mentions.keeps(tenant, external_id)


def exports_that_read(tenant: Tenant) -> JobQuerySet:
    """They may have read whoever was deleted since they started, and there is no file yet that says so."""
    found: JobQuerySet = tenant.jobs.filter(kind=Job.Kind.EXPORT, state=Job.State.RUNNING)
    return found


def take_exports_from_the_dead(tenant: Tenant) -> None:
    """Of a closed tenant nobody else claims an export whose runner was given up: it begins anew if that is restored."""
    given_up = exports_that_read(tenant).unclaimed(timezone.now() - work.GIVEN_UP_AFTER)
    locked = list(given_up.select_for_update(of=["self"]).order_by("pk").values_list("pk", flat=True))
    tenant.jobs.filter(pk__in=locked).update(state=Job.State.QUEUED, runner=None, done=0, dispatched=timezone.now())


@dataclass(frozen=True)
class Line:
    """Of a file of a job. `external_id`: "" where it cannot be read; `texts`: what would be kept of it if it failed."""

    number: int
    external_id: str
    texts: Sequence[str]

    def mentions(self, external_id: str) -> bool:
        return any(mentions.stands_in(text, external_id) for text in self.texts)


@dataclass(frozen=True)
class Seen:
    """Whether the files of a job hold somebody, and if not, which of their lines mention them all the same."""

    named: bool
    mentioned: Sequence[int] = ()


def named_in_files(tenant: Tenant, external_ids: Set[str]) -> set[str]:
    """Which of them a file of a job names, or mentions. What cannot be read is passed over: any id may be mistyped.

    It opens its own transactions. Raises StorageFailed: a file that cannot be reached may name anybody.
    """
    with acting_as(tenant):
        jobs = list(_with_files(tenant))
    named: set[str] = set()
    for job in jobs:
        sought = external_ids - named
        with suppress(*UNREADABLE):
            for line in _lines_in(job):
                said = "\0".join((line.external_id, *line.texts))
                # Of thousands of ids hardly any is in a line at all.
                maybe = [one for one in sought if one in said]
                named.update(one for one in maybe if one == line.external_id or line.mentions(one))
    return named


def hold_imports(tenant: Tenant) -> list[int]:
    """Stop imports, in the caller's transaction, until somebody has seen whom they name; returns which."""
    under_way = tenant.jobs.under_way().filter(kind=Job.Kind.IMPORT).exclude(state=Job.State.PAUSED)
    held = list(under_way.select_for_update().order_by("pk").values_list("pk", flat=True))
    stopped = {"state": Job.State.PAUSED, "runner": None, "attempts": 0, "dispatched": None}
    tenant.jobs.filter(pk__in=held).update(**stopped)
    return held


def begin_exports_anew(tenant: Tenant) -> list[int]:
    """Those under way may have read the speaker: whoever runs them has lost them. Returns which."""
    under_way = tenant.jobs.under_way().filter(kind=Job.Kind.EXPORT).exclude(state=Job.State.PAUSED)
    begun = list(under_way.select_for_update().order_by("pk").values_list("pk", flat=True))
    anew = {"state": Job.State.QUEUED, "runner": None, "done": 0, "dispatched": timezone.now()}
    tenant.jobs.filter(pk__in=begun).update(**anew)
    return begun


def forget_jobs(tenant: Tenant, external_id: str) -> Counter[str]:
    """In the caller's transaction: enrollments of the id, lines about it, and where others' results name it.

    Returns how much that was.
    """
    doomed = list(_enrolling(tenant, external_id).select_for_update().order_by("pk"))
    saying = _saying(tenant, external_id).exclude(pk__in=[job.pk for job in doomed])
    others = list(saying.select_for_update().order_by("pk"))
    paths = [path for job in doomed for path in job.inputs]
    recordings.let_go(tenant, paths)
    lines, _ = tenant.job_rows.filter(external_id=external_id).delete()
    tenant.jobs.filter(pk__in=[job.pk for job in doomed]).delete()
    for job in others:
        job.result, job.problem = _without(job.result, external_id), _without(job.problem, external_id)
        job.save(update_fields=["result", "problem"])
    return Counter(jobs=len(doomed), uploads=len(paths), job_lines=lines, job_results=len(others))


def jobs_with_files(tenant: Tenant) -> list[int]:
    """Uploads and exports are looked through, whoever they are of."""
    return list(_with_files(tenant).values_list("pk", flat=True))


def seen_in(job: Job, external_id: str) -> Seen:
    """What cannot be read is taken to hold the id. Raises StorageFailed."""
    mentioned = []
    try:
        for line in _lines_in(job):
            if line.external_id in ("", external_id):
                return Seen(named=True)
            if line.mentions(external_id):
                mentioned.append(line.number)
    except UNREADABLE:
        return Seen(named=True)
    return Seen(named=False, mentioned=mentioned)


def keep_nothing_of(tenant: Tenant, job_id: int, lines: Sequence[int]) -> None:
    """In the caller's transaction: if they fail from now on. An upload is kept, and they may be tried again with it."""
    for job in tenant.jobs.filter(pk=job_id).select_for_update():
        job.parameters[work.EMPTIED] = sorted({*job.parameters.get(work.EMPTIED, ()), *lines})
        job.save(update_fields=["parameters"])


def drop_files(tenant: Tenant, job_id: int) -> Counter[str]:
    """In the caller's transaction: uploads and exports of the job go, and with its uploads what is left to be done."""
    job: Job | None = tenant.jobs.filter(pk=job_id).select_for_update().first()
    if job is None:
        return Counter()
    paths = [*job.inputs, *filter(None, [job.output])]
    counts = Counter(uploads=len(job.inputs), exports=int(bool(job.output)))
    if job.is_over:
        recordings.let_go(tenant, paths)
        tenant.jobs.filter(pk=job_id).update(
            inputs=[], inputs_expire=None, output="", expires=None, files_erased=timezone.now()
        )
    else:
        work.cancel(tenant, job_id, because=SubjectErased())
    return counts


def _with_files(tenant: Tenant) -> QuerySet[Job]:
    kept = tenant.jobs.exclude(Q(inputs=[]) & Q(output="")).exclude(kind=Job.Kind.ENROLL)
    found: QuerySet[Job] = kept.order_by("pk")
    return found


def _enrolling(tenant: Tenant, external_id: str) -> QuerySet[Job]:
    found: QuerySet[Job] = tenant.jobs.filter(kind=Job.Kind.ENROLL, parameters__external_id=external_id)
    return found


def _saying(tenant: Tenant, external_id: str) -> QuerySet[Job]:
    found: QuerySet[Job] = tenant.jobs.filter(Q(_says("result", external_id)) | Q(_says("problem", external_id)))
    return found


def _says(column: str, external_id: str) -> RawSQL:
    return RawSQL(SAID.format(column=column), [external_id], BooleanField())  # noqa: S611


def _without(value: Any, external_id: str) -> Any:
    """The same with whatever tells of the id left out of its lists, and nothing in its place elsewhere."""
    if isinstance(value, list):
        return [_without(one, external_id) for one in value if not _tells_of(one, external_id)]
    if isinstance(value, dict):
        return {name: _without(one, external_id) for name, one in value.items()}
    return "" if value == external_id else value


def _tells_of(value: Any, external_id: str) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value == external_id or any(_tells_of(one, external_id) for one in parts)


def _lines_in(job: Job) -> Iterator[Line]:
    """Raises StorageFailed, and one of UNREADABLE."""
    emptied = frozenset(job.parameters.get(work.EMPTIED, ()))
    for number, external_id, fields in _read(job):
        may_be_kept = job.kind == Job.Kind.IMPORT and number not in emptied
        yield Line(number, external_id, quotable(fields) if may_be_kept else ())


def _read(job: Job) -> Iterator[Said]:
    with ExitStack() as stack:
        given = str(job.parameters.get("manifest") or "")
        paths = [*job.inputs, *filter(None, [job.output])]
        files = [stack.enter_context(recordings.opened(path)) for path in paths]
        if given and files:
            yield from _listed(files.pop(0).read(MANIFEST_BYTES + 1), given)
        for file in files:
            archive = stack.enter_context(archives.opened(file, limit_bytes=settings.MAX_IMPORT_BYTES))
            for number, external_id, fields in _packed(archive):
                # Beside a list that was given, the job reads none in an archive, nor keeps what that says.
                yield number, external_id, {} if given else fields


def _packed(archive: Archive) -> Iterator[Said]:
    if exchange.SPEAKERS in archive.names:
        for number, line in enumerate(archive.lines(exchange.SPEAKERS, exchange.LINE_BYTES), 1):
            fields = exchange.line_fields(line)
            yield number, str(fields.get("external_id", "")), fields
    for name in MANIFESTS:
        if name in archive.names:
            yield from _listed(archive.read(name, MANIFEST_BYTES), name)


def _listed(manifest: bytes, name: str) -> Iterator[Said]:
    for row in read_rows(manifest, name, default=ANY_LIBRARY, once=False):
        yield row.number, row.external_id, row.fields
