"""How long recordings, probes and incomplete enrollments are kept: rules of a tenant, and of libraries of their own.

Whoever changes a rule may see first what would go. What is due goes with the next clean-up (`expiry.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Final

from django.db.models import QuerySet

from tenants.actions import Action
from tenants.context import acting_as
from tenants.models import LONGEST_PERIOD_DAYS, Tenant
from tenants.targets import tenant_target
from tenants.trail import note
from voiceprints.errors import LibraryNotFound, PeriodRefused
from voiceprints.expiry import RULE, Due, due, due_in, rows
from voiceprints.models import Library
from voiceprints.results import LibraryKey
from voiceprints.targets import library_target

FIELDS: Final = {
    "recordings": "recordings_kept_days",
    "probes": "probes_kept_days",
    "enrollments": "enrollments_kept_days",
}

RULE_OF_LIBRARY: Final = f"""
SELECT {RULE} FROM tenants_tenant AS tenant LEFT JOIN voiceprints_library AS library
ON library.tenant_id = tenant.id AND library.org_id = %(org_id)s AND library.tag_id = %(tag_id)s
WHERE tenant.id = %(tenant)s
"""  # noqa: S608 - words of ours


@dataclass(frozen=True)
class Periods:
    """How many days a tenant keeps what; None: for ever. Without recordings (0) what was measured in them stays."""

    recordings: int | None
    probes: int | None
    enrollments: int | None


@dataclass(frozen=True)
class OwnPeriod:
    """Of the recordings of one library, whatever the tenant's is; None: for ever."""

    days: int | None


@dataclass(frozen=True)
class Ruled:
    """A tenant's periods, and what is kept longer than they and those of its libraries allow."""

    periods: Periods
    due: Due


@dataclass(frozen=True)
class RuledLibrary:
    """`due`: recordings in it that are kept longer than its own period, or its tenant's, allows."""

    library: Library
    due: int

    @property
    def own_period(self) -> OwnPeriod | None:
        return _own_period(self.library)


class _Undone(Exception):
    """What was tried is not to stay."""


def periods_of(tenant: Tenant) -> Periods:
    """As things are now."""
    return Periods(*Tenant.objects.values_list(*FIELDS.values()).get(pk=tenant.pk))


def own_periods(tenant: Tenant) -> list[Library]:
    """The libraries that have a period of their own."""
    with acting_as(tenant):
        return list(tenant.libraries.filter(own_period=True))


def look(tenant: Tenant) -> Ruled:
    with acting_as(tenant):
        return _ruled(tenant)


def look_at_library(tenant: Tenant, library_id: int) -> RuledLibrary:
    """Raises LibraryNotFound."""
    with acting_as(tenant):
        return _ruled_library(_library(tenant.libraries.all(), library_id))


def change(tenant: Tenant, **days: int | None) -> Ruled:
    """Set some of the tenant's periods: recordings, probes, enrollments. Raises PeriodRefused."""
    with acting_as(tenant):
        _set(tenant, days)
        return _ruled(tenant)


def change_library(tenant: Tenant, library_id: int, period: OwnPeriod | None) -> RuledLibrary:
    """Give a library a period of its own, or with None the tenant's again. Raises LibraryNotFound, PeriodRefused."""
    with acting_as(tenant):
        return _ruled_library(_set_of_library(tenant, library_id, period))


def foresee(tenant: Tenant, **days: int | None) -> Ruled:
    """What `change` would come to, with nothing changed. Raises PeriodRefused."""
    with _tried(tenant):
        return change(tenant, **days)


def foresee_library(tenant: Tenant, library_id: int, period: OwnPeriod | None) -> RuledLibrary:
    """What `change_library` would come to, with nothing changed. Raises LibraryNotFound, PeriodRefused."""
    with _tried(tenant):
        return change_library(tenant, library_id, period)


def keeps_recordings(tenant: Tenant, key: LibraryKey) -> bool:
    """Whether what comes into this library, which need not be there yet, is kept for a while. Inside acting_as."""
    ((days,),) = rows(RULE_OF_LIBRARY, {"tenant": tenant.pk, "org_id": key.org_id, "tag_id": key.tag_id})
    return days is None or days > 0


def _set(tenant: Tenant, days: dict[str, int | None]) -> None:
    for period in days.values():
        _refuse_unfit(period)
    locked = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    before = {what: getattr(locked, FIELDS[what]) for what in days}
    changes = {what: [before[what], period] for what, period in days.items() if before[what] != period}
    if changes:
        Tenant.objects.filter(pk=tenant.pk).update(**{FIELDS[what]: days[what] for what in changes})
        note(tenant, Action.RETENTION_CHANGED, tenant_target(tenant), days=changes)


def _set_of_library(tenant: Tenant, library_id: int, period: OwnPeriod | None) -> Library:
    _refuse_unfit(period.days if period else None)
    library = _library(tenant.libraries.select_for_update(no_key=True), library_id)
    before = _own_period(library)
    if before != period:
        library.own_period, library.recordings_kept_days = period is not None, period.days if period else None
        library.save(update_fields=["own_period", "recordings_kept_days"])
        said = [one and asdict(one) for one in (before, period)]
        note(tenant, Action.RETENTION_CHANGED, library_target(library), own_period=said)
    return library


def _library(libraries: QuerySet[Library], library_id: int) -> Library:
    library = libraries.filter(pk=library_id).first()
    if library is None:
        raise LibraryNotFound(library_id=library_id)
    return library


def _ruled(tenant: Tenant) -> Ruled:
    return Ruled(periods_of(tenant), due(tenant))


def _ruled_library(library: Library) -> RuledLibrary:
    return RuledLibrary(library, due_in(library))


def _own_period(library: Library) -> OwnPeriod | None:
    return OwnPeriod(library.recordings_kept_days) if library.own_period else None


def _refuse_unfit(days: int | None) -> None:
    if days is not None and not 0 <= days <= LONGEST_PERIOD_DAYS:
        raise PeriodRefused(days=days, most=LONGEST_PERIOD_DAYS)


@contextmanager
def _tried(tenant: Tenant) -> Iterator[None]:
    """A transaction as the tenant of which nothing stays."""
    with suppress(_Undone), acting_as(tenant):
        yield
        raise _Undone
