"""A tenant that leaves: closed at once, restorable for a while, and then erased with everything it ever had.

The end comes by itself once its time has come. It goes in small steps that can be repeated, and what comes last is one
transaction that lets the tenant go only when nothing of it is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from tenants import sealing
from tenants.actions import Action
from tenants.clocks import refuse_wrong_clock
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditEvent, Tenant
from tenants.origins import BY_ITSELF, Origin
from tenants.targets import tenant_target
from tenants.trail import note
from voiceprints import gallery, jobs, receipts, recordings, traces
from voiceprints.erasing_steps import State, counted, erasures_of, keep, locked, recordings_of, sign, summed
from voiceprints.errors import ErasureUnfinished, TenantErasing, TenantStays
from voiceprints.models import Erasure, Job, StockChange

GRACE = timedelta(days=30)
LONGEST_GRACE = timedelta(days=365)
SPEAKERS_AT_ONCE = 100
ROWS_AT_ONCE = 2000
KEYS_AT_ONCE = 1000


def close(tenant: Tenant, *, grace: timedelta = GRACE) -> Tenant:
    """Nobody comes in any more, and once the time has passed everything is erased. Asked again, the time begins anew.

    Raises TenantErasing.
    """
    with acting_as_platform():
        current = _locked(tenant)
        current.active, current.erased_from = False, timezone.now() + grace
        current.save(update_fields=["active", "erased_from"])
        note(None, Action.TENANT_LEAVING, tenant_target(current), erased_from=current.erased_from)
    return current


def restore(tenant: Tenant) -> Tenant:
    """As it was, and open. Raises TenantStays for one that does not leave, TenantErasing when it is too late."""
    with acting_as_platform():
        current = _locked(tenant)
        if current.erased_from is None:
            raise TenantStays(slug=current.slug)
        current.active, current.erased_from = True, None
        current.save(update_fields=["active", "erased_from"])
        note(None, Action.TENANT_RESTORED, tenant_target(current))
    return current


def closed_since(tenant: Tenant) -> datetime | None:
    """When it was last told to leave, as the audit trail says; None where that was let go."""
    with acting_as_platform():
        event = _last_leaving(tenant)
    return event.at if event else None


def has_begun(tenant: Tenant) -> bool:
    """Whether it is being erased, from where there is no way back."""
    with acting_as_platform():
        begun: bool = _erasures_of(tenant).exists()
    return begun


def begin_due() -> list[Erasure]:
    """Of tenants whose time has come; from then on there is no way back. Raises WrongClock where one seems due."""
    begun = []
    for tenant in Tenant.objects.filter(erased_from__lte=timezone.now()).order_by("pk"):
        refuse_wrong_clock()
        salt = receipts.new_salt()
        about: dict[str, Any] = {"subject": tenant.slug, "salt": salt, "digest": receipts.digest_of(tenant.slug, salt)}
        with acting_as_platform():
            due = Tenant.objects.select_for_update().filter(pk=tenant.pk, erased_from__lte=timezone.now())
            if due.exists() and not _erasures_of(tenant).exists():
                about |= {"origin": asdict(_closed_by(tenant)), "kind": Erasure.Kind.TENANT}
                erasure = Erasure.all_tenants.create(tenant_id=tenant.pk, **about)
                begun.append(erasure)
    return begun


def erase(tenant: Tenant, erasure: Erasure, go_on: Callable[[Erasure], object], *, patiently: bool) -> None:
    """To the end, from wherever it is. `go_on` brings the erasure of somebody in the tenant to its end.

    Raises ErasureUnfinished where that was left to somebody else, StorageFailed, BackupHoldsFiles, FilesAwaited,
    redis.RedisError, and TrailBroken for a broken chain.
    """
    while erasure.state == State.BEGUN:
        _end_jobs(tenant)
        _remove_speakers(tenant, erasure)
        _remove_jobs(tenant, erasure)
        _count(erasure, **traces.forget_elsewhere(tenant, None))
        _forget_keys(tenant)
        recordings.remove_let_go(tenant, patiently=patiently)
        for other in _others_unfinished(tenant):
            go_on(other)
        recordings.refuse_awaited(tenant)
        _let_go(tenant, erasure)
    if erasure.state == State.REMOVED:
        if sealing.chain_of(tenant) in sealing.chains():
            sealing.trim(sealing.chain_of(tenant), timezone.now())
        sign(erasure, erasure.subject)


def _locked(tenant: Tenant) -> Tenant:
    """Nobody else's to change until the transaction ends. Raises TenantErasing."""
    current = Tenant.objects.select_for_update().filter(pk=tenant.pk).first()
    if current is None or has_begun(tenant):
        raise TenantErasing(slug=tenant.slug)
    return current


def _erasures_of(tenant: Tenant) -> QuerySet[Erasure]:
    return Erasure.all_tenants.filter(tenant_id=tenant.pk, kind=Erasure.Kind.TENANT)


def _others_unfinished(tenant: Tenant) -> list[Erasure]:
    """Of whoever was in it. They end before its trail does, in which their last event stands."""
    with acting_as(tenant):
        others = erasures_of(tenant).exclude(kind=Erasure.Kind.TENANT)
        return list(others.exclude(state=State.DONE).order_by("pk"))


def _closed_by(tenant: Tenant) -> Origin:
    """Whoever wanted it, as the audit trail says."""
    event = _last_leaving(tenant)
    if event is None:
        return BY_ITSELF
    return Origin(event.actor_kind, event.actor_number, event.actor_name, event.interface)


def _last_leaving(tenant: Tenant) -> AuditEvent | None:
    return sealing.of_platform(Action.TENANT_LEAVING).filter(object_number=tenant.pk).order_by("number").last()


def _end_jobs(tenant: Tenant) -> None:
    """Whoever runs one has lost it."""
    with acting_as(tenant):
        gone = {"state": Job.State.CANCELLED, "runner": None, "finished": timezone.now()}
        # In everybody's order, so that nobody waits for one while holding another.
        held = list(tenant.jobs.under_way().order_by("pk").select_for_update().values_list("pk", flat=True))
        tenant.jobs.filter(pk__in=held).update(**gone)


def _remove_speakers(tenant: Tenant, erasure: Erasure) -> None:
    while True:
        with acting_as(tenant):
            chosen = list(tenant.speakers.order_by("pk").values_list("pk", flat=True)[:SPEAKERS_AT_ONCE])
            if not chosen:
                return
            counts, files = counted(tenant, chosen), recordings_of(tenant, chosen)
            gallery.drop_speakers(tenant, tenant.speakers.filter(pk__in=chosen))
            _add(erasure, counts | {"files": len(files)})


def _remove_jobs(tenant: Tenant, erasure: Erasure) -> None:
    while True:
        with acting_as(tenant):
            job: Job | None = tenant.jobs.order_by("pk").select_for_update().first()
            if job is None:
                return
            lines = list(job.rows.values_list("pk", flat=True)[:ROWS_AT_ONCE])
            job.rows.filter(pk__in=lines).delete()
            _add(erasure, {"job_lines": len(lines)})
            if len(lines) == ROWS_AT_ONCE:
                continue
            recordings.let_go(tenant, [*job.inputs, *filter(None, [job.output])])
            _add(erasure, {"jobs": 1, "uploads": len(job.inputs), "exports": int(bool(job.output))})
            job.delete()


def _forget_keys(tenant: Tenant) -> None:
    """Counts and admissions in Redis, whose names have our number of the tenant in them."""
    redis = jobs.connection()
    for pattern in (f"openvpr:*:{tenant.pk}", f"openvpr:*:{tenant.pk}:*"):
        for key in redis.scan_iter(match=pattern, count=KEYS_AT_ONCE):
            redis.delete(key)


def _let_go(tenant: Tenant, erasure: Erasure) -> None:
    """The tenant with all that hangs on it, unless somebody was enrolled this moment. Raises ErasureUnfinished."""
    with acting_as_platform():
        # Whoever is storing something has the row, too; who comes later finds none.
        current = Tenant.objects.select_for_update().filter(pk=tenant.pk).first()
        if current is None or locked(erasure).state != State.BEGUN:
            erasure.refresh_from_db()
            return
        if any(rows.exists() for rows in (tenant.speakers, tenant.jobs, tenant.doomed_recordings)):
            return
        if others := _others_unfinished(tenant):
            raise ErasureUnfinished(state=others[0].state)
        accesses = {"libraries": tenant.libraries, "credentials": tenant.credentials, "tokens": tenant.access_tokens}
        _add(erasure, {name: rows.count() for name, rows in accesses.items()} | {"members": tenant.memberships.count()})
        note(None, Action.TENANT_ERASED, tenant_target(current), removed=erasure.counts)
        current.delete()
        # What is noted of stocks when rows go points at nobody.
        StockChange.all_tenants.filter(tenant_id=tenant.pk).delete()
        keep(erasure, state=State.REMOVED)


def _count(erasure: Erasure, **counts: int) -> None:
    with acting_as_platform():
        _add(erasure, counts)


def _add(erasure: Erasure, counts: dict[str, int]) -> None:
    """In the caller's transaction."""
    keep(erasure, counts=summed(locked(erasure).counts, counts))
