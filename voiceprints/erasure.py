"""Erasing somebody for good, everywhere, with a signed receipt. docs/erasure.md says place by place what happens.

An erasure is a row that knows how far it is. Each step is done in a transaction of its own and may be done again, so
whoever finds it goes on with it, also after a crash: imports are held, rows go, then files and whatever other rooms
keep, and only when all of that is gone the audit trail says so and a receipt is signed. Where no row tells of a person,
files are looked through before anything of that. Nobody who asks through REST or the console waits for files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis import RedisError

from tenants.actions import Action
from tenants.clocks import WrongClock
from tenants.context import acting_as, acting_as_platform
from tenants.locks import alone, one_at_a_time
from tenants.models import Tenant
from tenants.origins import Origin, coming_from, origin
from tenants.resting import resting
from tenants.tracing import part_of_nothing
from tenants.trail import note
from voiceprints import backup_lock, exchange, gallery, leaving, mentions, receipts, recordings, traces, work
from voiceprints.erasing_steps import counted, erasures_of, holding, keep, lock, locked, recordings_of, sign, summed
from voiceprints.errors import ErasureNotFound, ErasureUnfinished, SpeakerNotFound
from voiceprints.models import DoomedRecording, Erasure, Job, Library, Speaker
from voiceprints.paging import Order, Page, Position, page_of
from voiceprints.targets import erasure_target

logger = logging.getLogger(__name__)

GO_ON = "voiceprints.go_on_erasing"
NEWEST_FIRST = Order(("created", "pk"), descending=True)
LAST_FIRST = Order(("pk",), descending=True)
"""As good, where no index by time serves all tenants."""

Kind, State = Erasure.Kind, Erasure.State


def erase_speaker(tenant: Tenant, libraries: QuerySet[Library], external_id: str) -> Erasure:
    """Whoever bears the name in the one library of `libraries`. Raises SpeakerNotFound."""
    with acting_as(tenant):
        _take_turn(tenant, external_id)
        speaker: Speaker | None = tenant.speakers.in_libraries(libraries).named(external_id).oldest_first().first()
        if speaker is None:
            raise SpeakerNotFound(external_id=external_id)
        erasure = _begin(tenant, Kind.SPEAKER, external_id, speaker.library_id)
        _hold_imports(tenant, erasure)
    _remove_rows(tenant, erasure)
    return erasure


def erase_person(tenant: Tenant, external_id: str) -> Erasure:
    """Whoever bears the name in any library, and whatever else is kept of them.

    Where no row tells of them, it is begun if a file or what is told of others may, and those are looked through later.
    Raises SpeakerNotFound.
    """
    try:
        return erase_known_person(tenant, external_id)
    except SpeakerNotFound:
        if not traces.may_be_known_elsewhere(tenant, external_id):
            raise
    with acting_as(tenant):
        _take_turn(tenant, external_id)
        # One that was begun earlier may see less: files that came since it looked, exports that began since.
        erasure = _begin(tenant, Kind.PERSON, external_id, None, join=False)
        transaction.on_commit(lambda: dispatch(tenant.pk, erasure.pk), robust=True)
    return erasure


def erase_known_person(tenant: Tenant, external_id: str) -> Erasure:
    """As `erase_person`, but only if a row tells of them, which is seen at once. Raises SpeakerNotFound."""
    with acting_as(tenant):
        _take_turn(tenant, external_id)
        if not _is_known(tenant, external_id):
            raise SpeakerNotFound(external_id=external_id)
        erasure = _begin(tenant, Kind.PERSON, external_id, None)
        _hold_imports(tenant, erasure)
    _remove_rows(tenant, erasure)
    return erase_known_person(tenant, external_id) if _ended_in_vain(erasure) else erasure


def go_on(tenant: Tenant, erasure_id: int, *, patiently: bool = True) -> Erasure:
    """To the end, from wherever it is. Where somebody else is at it, that is waited for, or else left to them.

    Whom nobody waits for rests in between.

    Raises ErasureNotFound, StorageFailed when a file resists, BackupHoldsFiles while a backup is being made,
    FilesAwaited while one may still be written, and of a tenant ErasureUnfinished while somebody else is at the erasure
    of a person in it.
    """
    with nullcontext() if patiently else resting(), alone(f"erasure {erasure_id}", patiently=patiently) as mine:
        erasure = _found(tenant, erasure_id)
        return _to_its_end(tenant, erasure, patiently=patiently) if mine else erasure


def _to_its_end(tenant: Tenant, erasure: Erasure, *, patiently: bool) -> Erasure:
    with coming_from(Origin(**erasure.origin)):
        if erasure.kind == Kind.TENANT:

            def go_on_with(other: Erasure) -> Erasure:
                return go_on(tenant, other.pk, patiently=patiently)

            leaving.erase(tenant, erasure, go_on_with, patiently=patiently)
            return erasure
        if erasure.state == State.BEGUN:
            _find(tenant, erasure, patiently=patiently)
        while erasure.state == State.REMOVING:
            _look_through_jobs(tenant, erasure)
            _remove_the_rest(tenant, erasure, left_in=State.REMOVING, patiently=patiently)
        if erasure.state == State.REMOVED:
            sign(erasure, tenant.slug)
    return erasure


def find_erasure(tenant: Tenant, erasure_id: int) -> Erasure:
    """Raises ErasureNotFound."""
    erasure = _found(tenant, erasure_id)
    tell_what_keeps(tenant, [erasure])
    return erasure


def _found(tenant: Tenant, erasure_id: int) -> Erasure:
    with acting_as(tenant):
        erasure = erasures_of(tenant).filter(pk=erasure_id).first()
    if erasure is None:
        raise ErasureNotFound(erasure_id=erasure_id)
    return erasure


def newest_of(tenant: Tenant) -> Erasure:
    with acting_as(tenant):
        return erasures_of(tenant).latest("pk")


def receipt_of(tenant: Tenant, erasure_id: int) -> dict[str, Any]:
    """Raises ErasureNotFound, ErasureUnfinished."""
    return _receipt(_found(tenant, erasure_id))


def page_erasures(
    tenant: Tenant,
    *,
    where: dict[str, Any],
    order: Order = NEWEST_FIRST,
    after: Position | None = None,
    limit: int = 50,
) -> Page[Erasure]:
    with acting_as(tenant):
        found = page_of(erasures_of(tenant).filter(**where), order, after=after, limit=limit)
    tell_what_keeps(tenant, found.rows)
    return found


def page_gone(*, where: dict[str, Any], limit: int) -> Page[Erasure]:
    """Of tenants, whether or not they are done, and of whoever was in one that is gone, newest first.

    For the platform's staff.
    """
    with acting_as_platform():
        found = page_of(_of_gone().filter(**where), LAST_FIRST, after=None, limit=limit)
        _tell_what_keeps(found.rows, DoomedRecording.all_tenants.all())
    return found


def receipt_of_gone(erasure_id: int) -> dict[str, Any]:
    """One of `page_gone`. For the platform's staff. Raises ErasureNotFound, ErasureUnfinished."""
    with acting_as_platform():
        erasure = _of_gone().filter(pk=erasure_id).first()
    if erasure is None:
        raise ErasureNotFound(erasure_id=erasure_id)
    return _receipt(erasure)


def _of_gone() -> QuerySet[Erasure]:
    still_there = Exists(Tenant.objects.filter(pk=OuterRef("tenant_id")))
    return Erasure.all_tenants.filter(Q(kind=Kind.TENANT) | Q(~still_there, state=State.DONE))


def _receipt(erasure: Erasure) -> dict[str, Any]:
    if erasure.receipt is None:
        raise ErasureUnfinished(state=erasure.state)
    receipt: dict[str, Any] = erasure.receipt
    return receipt


def tell_what_keeps(tenant: Tenant, erasures: Sequence[Erasure]) -> None:
    """Those that are not done, since when a backup keeps every file from going, and until when one may be written.

    Of those for which files are to be looked through: also since when an export runs that may have read the person.
    """
    with acting_as(tenant):
        _tell_what_keeps(erasures, tenant.doomed_recordings.all())
        sought = [erasure for erasure in erasures if erasure.kind == Kind.PERSON and _is_sought(erasure)]
        since = _exporting_since(tenant) if sought else None
    for erasure in sought:
        erasure.waits_for_export_since = since if _may_have_been_read(erasure, since) else None


def _tell_what_keeps(erasures: Sequence[Erasure], doomed: QuerySet[DoomedRecording]) -> None:
    waiting = [erasure for erasure in erasures if not erasure.is_done]
    backup = backup_lock.holder() if waiting else None
    written = doomed.filter(planned=True, tenant_id__in={erasure.tenant_id for erasure in waiting})
    for erasure in waiting:
        erasure.waits_for_backup_since = backup.since if backup else None
        its = (file.not_before for file in written if _waits_for(erasure, file))
        erasure.waits_for_files_until = max(its, default=None)


def _waits_for(erasure: Erasure, file: DoomedRecording) -> bool:
    return erasure.tenant_id == file.tenant_id and (erasure.kind == Kind.TENANT or file.path in erasure.paths)


def tend() -> int:
    """Begin with tenants whose time has come, and send again what somebody left unfinished; returns how many."""
    try:
        leaving.begin_due()
    except WrongClock as error:
        logger.error("no tenant is erased: %s", error)  # noqa: TRY400 - that says it all
    with acting_as_platform():
        unfinished = list(Erasure.all_tenants.exclude(state=State.DONE).values_list("tenant_id", "pk"))
    with part_of_nothing():
        for tenant_id, erasure_id in unfinished:
            dispatch(tenant_id, erasure_id)
    return len(unfinished)


def dispatch(tenant_id: int, erasure_id: int) -> None:
    """Have a worker go on with it. A message that is lost is sent again."""
    if current_app.conf.task_always_eager:
        current_app.tasks[GO_ON].apply(args=(tenant_id, erasure_id))
        return
    try:
        lifetime = work.SENT_AGAIN_AFTER.total_seconds()
        current_app.send_task(GO_ON, args=[tenant_id, erasure_id], queue=work.QUEUE, expires=lifetime)
    except (RedisError, OperationalError) as error:
        logger.warning("an erasure waits for the queue to come back: %s", type(error).__name__)


def _take_turn(tenant: Tenant, external_id: str) -> None:
    """Of all that is locked here, in everybody's order: the list of jobs, speakers, erasures, single jobs."""
    one_at_a_time(tenant, work.JOBS)
    list(tenant.speakers.named(external_id).select_for_update(of=["self"]).order_by("pk").values_list("pk"))


def _begin(tenant: Tenant, kind: Erasure.Kind, external_id: str, library: int | None, *, join: bool = True) -> Erasure:
    """In the caller's transaction; or to `join`, the same one, if nothing is removed yet."""
    same = erasures_of(tenant).filter(kind=kind, library=library, state=State.BEGUN)
    for begun in same.select_for_update().order_by("pk") if join else ():
        if begun.subject == external_id:
            return begun
    salt = receipts.new_salt()
    erasure = Erasure.all_tenants.create(
        tenant_id=tenant.pk,
        kind=kind,
        library=library,
        subject=external_id,
        salt=salt,
        digest=receipts.digest_of(external_id, salt),
        origin=asdict(origin()),
    )
    note(tenant, Action.ERASURE_BEGUN, erasure_target(erasure), digest=erasure.digest)
    return erasure


def _is_known(tenant: Tenant, external_id: str) -> bool:
    """Whether a row tells of them."""
    known: bool = tenant.speakers.named(external_id).exists() or traces.is_known(tenant, external_id)
    return known


def _ended_in_vain(erasure: Erasure) -> bool:
    """Whether it ended without a step in which rows go, which counts speakers, be they none."""
    return erasure.state in (State.REMOVED, State.DONE) and "speakers" not in erasure.counts


def _hold_imports(tenant: Tenant, erasure: Erasure) -> None:
    """In the caller's transaction, so that nobody is enrolled again before rows go and files were looked through.

    Those that another erasure holds would go on when that has looked through them, and are held by both.
    """
    others = erasures_of(tenant).exclude(pk=erasure.pk).exclude(held=[]).values_list("held", flat=True)
    keep(erasure, held=sorted({*erasure.held, *traces.hold_imports(tenant), *chain.from_iterable(others)}))


def _find(tenant: Tenant, erasure: Erasure, *, patiently: bool) -> None:
    """Rows that tell of them go. Where none does, files are looked through, once for all who wait for that."""
    with acting_as(tenant):
        known = erasure.kind == Kind.SPEAKER or erasure.held or _is_known(tenant, erasure.subject)
    if known:
        _remove(tenant, erasure)
        return
    _look(tenant, erasure, patiently=patiently)
    if _is_sought(erasure) and erasure.paths:
        recordings.await_written(tenant, erasure.paths, patiently=patiently)
        _look(tenant, erasure, patiently=patiently)
    if erasure.state == State.BEGUN and erasure.looked_through:
        _remove_the_rest(tenant, erasure, left_in=State.BEGUN, patiently=patiently)
        if erasure.state == State.BEGUN:
            # A row tells of them by now.
            _remove(tenant, erasure)


def _is_sought(erasure: Erasure) -> bool:
    return erasure.state == State.BEGUN and erasure.looked_through is None


def _look(tenant: Tenant, erasure: Erasure, *, patiently: bool) -> None:
    if not _is_sought(erasure):
        return
    with alone(f"looking for people of tenant {tenant.pk}", patiently=patiently) as mine:
        if mine and (sought := _ready(tenant)):
            _look_for(tenant, sought)
    with acting_as(tenant):
        erasure.refresh_from_db()


def _ready(tenant: Tenant) -> list[Erasure]:
    """Persons who may be looked for now, of those whose erasures are only begun.

    Whom an export may have read that runs still waits until it is over, and until what is being written at that moment
    is there or gone. That is written down once, so that exports that come later keep nobody waiting.
    """
    with acting_as(tenant):
        begun = erasures_of(tenant).filter(kind=Kind.PERSON, state=State.BEGUN, looked_through=None)
        waiting = list(begun.select_for_update().order_by("pk"))
        if not tenant.active:
            traces.take_exports_from_the_dead(tenant)
        since = _exporting_since(tenant)
        ready = [erasure for erasure in waiting if not _may_have_been_read(erasure, since)]
        written = exchange.being_written(tenant)
        for erasure in ready:
            if written and not erasure.paths:
                keep(erasure, paths=written)
        return [erasure for erasure in ready if not set(written) & set(erasure.paths)]


def _exporting_since(tenant: Tenant) -> datetime | None:
    """Of the exports that run, when the first was started."""
    since: datetime | None = traces.exports_that_read(tenant).aggregate(since=Min("started"))["since"]
    return since


def _may_have_been_read(erasure: Erasure, exporting_since: datetime | None) -> bool:
    """By an export that was started before the erasure was begun."""
    return exporting_since is not None and exporting_since <= erasure.created


def _look_for(tenant: Tenant, sought: Sequence[Erasure]) -> None:
    """Of whoever is named nowhere nothing is to be removed, and neither imports nor exports are disturbed."""
    now = timezone.now()
    named = traces.named_in_files(tenant, {erasure.subject for erasure in sought})
    for erasure in sought:
        if erasure.subject in named:
            with coming_from(Origin(**erasure.origin)):
                _remove(tenant, erasure)
    with acting_as(tenant):
        unnamed = [erasure.pk for erasure in sought if erasure.subject not in named]
        erasures_of(tenant).filter(pk__in=unnamed, state=State.BEGUN).update(looked_through=now)
        transaction.on_commit(lambda: _dispatch_all(tenant, unnamed), robust=True)


def _remove(tenant: Tenant, erasure: Erasure) -> None:
    """Of one that is only begun."""
    with acting_as(tenant):
        _take_turn(tenant, erasure.subject)
        lock(erasure)
        if erasure.state == State.BEGUN:
            _hold_imports(tenant, erasure)
    _remove_rows(tenant, erasure)


def _remove_rows(tenant: Tenant, erasure: Erasure) -> None:
    """From here on nobody finds the speaker any more, and whoever has read them into an export has lost it."""
    with acting_as(tenant):
        # Until the end of the transaction, in which the speaker can still be read, nobody begins an export.
        _take_turn(tenant, erasure.subject)
        lock(erasure)
        if erasure.state != State.BEGUN:
            return
        # Somebody may have let one go on since imports were held.
        _hold_imports(tenant, erasure)
        named = tenant.speakers.named(erasure.subject)
        speakers = named if erasure.library is None else named.filter(library=erasure.library)
        chosen = list(speakers.select_for_update(of=["self"]).order_by("pk").values_list("pk", flat=True))
        files = recordings_of(tenant, chosen)
        counts = counted(tenant, chosen)
        gallery.drop_speakers(tenant, tenant.speakers.filter(pk__in=chosen))
        jobs = traces.forget_jobs(tenant, erasure.subject)
        counts = summed(summed(erasure.counts, counts | {"files": len(files)}), jobs)
        exports = traces.begin_exports_anew(tenant)
        keep(erasure, state=State.REMOVING, paths=exchange.being_written(tenant), counts=counts)
        transaction.on_commit(lambda: _send(tenant, exports), robust=True)
        transaction.on_commit(lambda: dispatch(tenant.pk, erasure.pk), robust=True)


def _look_through_jobs(tenant: Tenant, erasure: Erasure) -> None:
    """Uploads and exports in which the subject is go; held imports in which it is not go on."""
    with acting_as(tenant):
        kept = traces.jobs_with_files(tenant)
        erasure.refresh_from_db()
    if erasure.state != State.REMOVING:
        return
    for job_id in [*kept, *(job for job in erasure.held if job not in kept)]:
        with acting_as(tenant):
            job = tenant.jobs.filter(pk=job_id).first()
        seen = traces.seen_in(job, erasure.subject) if job else traces.Seen(named=False)
        if seen.named:
            _drop_files(tenant, erasure, job_id)
            continue
        if seen.mentioned:
            with acting_as(tenant):
                traces.keep_nothing_of(tenant, job_id, seen.mentioned)
        if job_id in erasure.held:
            _release(tenant, erasure, job_id)


def _drop_files(tenant: Tenant, erasure: Erasure, job_id: int) -> None:
    with acting_as(tenant):
        current = locked(erasure)
        counts = traces.drop_files(tenant, job_id)
        held = [held for held in current.held if held != job_id]
        keep(erasure, counts=summed(current.counts, counts), held=held)


def _release(tenant: Tenant, erasure: Erasure, job_id: int) -> None:
    """It goes on, unless another erasure holds it as well."""
    with acting_as(tenant):
        # Of two that hold it, the second sees that the first does no longer.
        one_at_a_time(tenant, work.JOBS)
        current = locked(erasure)
        if job_id in current.held and not holding(tenant, job_id).exclude(pk=erasure.pk).exists():
            waiting = {"state": Job.State.QUEUED, "dispatched": timezone.now()}
            tenant.jobs.filter(pk=job_id, state=Job.State.PAUSED).update(**waiting)
            transaction.on_commit(lambda: _send(tenant, [job_id]), robust=True)
        keep(erasure, held=[held for held in current.held if held != job_id])


def _remove_the_rest(tenant: Tenant, erasure: Erasure, *, left_in: Erasure.State, patiently: bool) -> None:
    """What other rooms keep, and files; then the audit trail says that it is done, once.

    Not where somebody else has gone on with it since, nor while an import is held that somebody let go on meanwhile,
    nor where nothing was to be removed and a row tells of them now.
    """
    _forget_mentions(tenant, erasure, left_in=left_in)
    if erasure.state != left_in:
        return
    recordings.await_written(tenant, erasure.paths, patiently=patiently)
    # Rows that told whose they were may have gone before.
    recordings.remove_let_go(tenant, patiently=patiently)
    # Again: a request that had read the subject before may have been answered since.
    elsewhere = traces.forget_elsewhere(tenant, erasure.subject)
    with acting_as(tenant):
        # Whoever asks for the same erasure has been joined to this one or begins another.
        _take_turn(tenant, erasure.subject)
        lock(erasure)
        _count(erasure, elsewhere)
        if erasure.state != left_in:
            return
        if erasure.held or (left_in == State.BEGUN and _is_known(tenant, erasure.subject)):
            return
        keep(erasure, state=State.REMOVED, subject="", paths=[])
        note(tenant, Action.ERASURE_DONE, erasure_target(erasure), digest=erasure.digest, removed=erasure.counts)


def _forget_mentions(tenant: Tenant, erasure: Erasure, *, left_in: Erasure.State) -> None:
    """What other rooms, and lines and jobs about others, say of the subject, whatever keeps files from going."""
    if erasure.state != left_in:
        return
    elsewhere = {} if erasure.forgotten_elsewhere else traces.forget_elsewhere(tenant, erasure.subject)
    with acting_as(tenant):
        _take_turn(tenant, erasure.subject)
        lock(erasure)
        _count(erasure, elsewhere)
        if erasure.state == left_in:
            _count(erasure, mentions.forget(tenant, erasure.subject))
            keep(erasure, forgotten_elsewhere=left_in == State.REMOVING)


def _count(erasure: Erasure, gone: Mapping[str, int]) -> None:
    """Of one that is locked, although somebody else may have moved it on; what is done is signed."""
    if erasure.state in (State.BEGUN, State.REMOVING):
        keep(erasure, counts=summed(erasure.counts, gone))


@part_of_nothing()
def _dispatch_all(tenant: Tenant, erasures: Sequence[int]) -> None:
    for erasure_id in erasures:
        dispatch(tenant.pk, erasure_id)


@part_of_nothing()
def _send(tenant: Tenant, jobs: Sequence[int]) -> None:
    for job_id in jobs:
        work.dispatch(tenant.pk, job_id)
