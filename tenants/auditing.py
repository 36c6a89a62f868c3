"""Reading the audit trail: pages of one chain, newest first, what happened to one object, and whole exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from tenants.actions import Action, Outcome
from tenants.audit_words import Detail, actor_in_words, details_in_words, object_in_words
from tenants.context import acting_as, acting_as_platform
from tenants.interfaces import interface_name
from tenants.models import AuditCheck, AuditEvent, Tenant
from tenants.names import of_library, visible
from tenants.origins import ActorKind, origin
from tenants.sealing import Problem, chain_of
from tenants.trail import Target, note
from tenants.verifying import AWAITED_FOR, mark_of

ROWS_AT_ONCE = 1000
HISTORY_SHOWN = 100
PROBLEMS_SHOWN = 10


@dataclass(frozen=True)
class Search:
    """Which events are wanted: each member narrows them down, and an empty one does not."""

    action: str = ""
    actor: str = ""
    object: str = ""
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Search()


@dataclass(frozen=True)
class Line:
    """An event in words."""

    event: AuditEvent
    with_addresses: bool = False
    """From where it came, and the id of its request: for readers of the trail alone."""

    @property
    def action(self) -> Any:
        """A consent that was told is no other change of its speaker."""
        if self.event.action == Action.SPEAKER_CHANGED and self.event.details.get("fields") == ["consent"]:
            return _("consent noted")
        return label_of(Action, self.event.action)

    @property
    def outcome(self) -> Any:
        return label_of(Outcome, self.event.outcome)

    @property
    def is_done(self) -> bool:
        return self.event.outcome == Outcome.DONE

    @property
    def actor_kind(self) -> Any:
        return label_of(ActorKind, self.event.actor_kind)

    @property
    def actor(self) -> str:
        """By name alone; what it is stands beside it."""
        event = self.event
        return event.actor_name or actor_in_words(event.actor_kind, event.actor_number, "")

    @property
    def way(self) -> list[str]:
        """How it came to us, beside who it was."""
        event, kind = self.event, str(self.actor_kind)
        job = _("job %(number)s") % {"number": event.job} if event.job else ""
        address = event.address if self.with_addresses else ""
        return list(filter(None, [kind if kind != self.actor else "", interface_name(event.interface), address, job]))

    @property
    def object(self) -> str:
        return visible(object_in_words(self.event.object_kind, self.event.object_number, self.event.object_name))

    @property
    def library(self) -> str:
        """Where it happened, unless to the library itself."""
        library = of_library(self.event.org_id, self.event.tag_id)
        return "" if library == self.event.object_name else visible(library)

    @property
    def details(self) -> list[Detail]:
        return details_in_words(self.event.details)


@dataclass(frozen=True)
class Verification:
    """What the last one of a chain came to, for whoever waits for one after that of the mark, and asked for it then."""

    check: AuditCheck | None
    awaited_after: str = ""
    asked: int | None = None
    """In seconds since 1970."""

    @property
    def under_way(self) -> bool:
        if self.asked is None or self.awaited_after != mark_of(self.check):
            return False
        return 0 <= timezone.now().timestamp() - self.asked < AWAITED_FOR.total_seconds()

    @property
    def problems(self) -> list[Problem]:
        found = self.check.problems if self.check else []
        return [Problem.from_wire(one) for one in found[:PROBLEMS_SHOWN]]

    @property
    def more_problems(self) -> int:
        return max(0, len(self.check.problems) - PROBLEMS_SHOWN) if self.check else 0


def events_of(tenant: Tenant | None, search: Search = EVERYTHING) -> QuerySet[AuditEvent]:
    """Of the tenant or, for None, of the platform. In a transaction that sees them."""
    chain = AuditEvent.all_tenants.filter(tenant_id=chain_of(tenant))
    exactly = {"action": search.action, "actor_name": search.actor, "object_name": search.object}
    found = chain.filter(**{field: text for field, text in exactly.items() if text})
    # Numbers grow with time, and every filter has an index that ends with the number.
    if search.since:
        found = found.filter(number__gte=_first_number(chain, search.since))
    if search.until:
        found = found.filter(number__lt=_first_number(chain, search.until))
    return found


def page_of_events(
    tenant: Tenant | None, search: Search, *, before: int | None, limit: int
) -> tuple[Sequence[AuditEvent], int | None]:
    """Newest first, and `before` which number the next page begins, None on the last."""
    found = events_of(tenant, search).order_by("-number")
    if before is not None:
        found = found.filter(number__lt=before)
    rows = list(found[: limit + 1])
    return rows[:limit], rows[limit - 1].number if len(rows) > limit else None


def done_by_job(tenant: Tenant, job: int, action: Action) -> QuerySet[AuditEvent]:
    """Oldest first."""
    return AuditEvent.all_tenants.filter(tenant_id=tenant.pk, action=action, job=job).order_by("number")


def history_of(tenant: Tenant | None, kind: str, number: int) -> Sequence[AuditEvent]:
    """What happened to one object, newest first, as far as anybody wants to look back on a page."""
    about = AuditEvent.all_tenants.filter(tenant_id=chain_of(tenant), object_kind=kind, object_number=number)
    return list(about.order_by("-number")[:HISTORY_SHOWN])


def told_of(tenant: Tenant, action: Action, *, since: datetime) -> QuerySet[AuditEvent]:
    """What whoever acts now did since then, in the same interface."""
    by = origin()
    actor = {"actor_kind": by.kind, "actor_number": by.number, "interface": by.interface}
    return AuditEvent.all_tenants.filter(tenant_id=chain_of(tenant), action=action, at__gt=since, **actor)


def did_already(tenant: Tenant, action: Action, target: Target, *, since: datetime, **details: Any) -> bool:
    """Whether whoever acts now is told of, with these details, as having done it since then from where they are."""
    about = {"object_kind": target.kind, "object_number": target.number, "details__contains": details}
    return told_of(tenant, action, since=since).filter(address=origin().address, **about).exists()


def last_check(tenant: Tenant | None) -> AuditCheck | None:
    """When the chain was last verified, and what that came to."""
    return AuditCheck.all_tenants.filter(pk=chain_of(tenant)).first()


def note_export(tenant: Tenant | None, search: Search, form: str) -> None:
    """Before anything leaves."""
    with acting_as(tenant) if tenant else acting_as_platform():
        wanted = {field: value for field, value in vars(search).items() if value}
        note(tenant, Action.TRAIL_EXPORTED, form=form, wanted=wanted)


def exported(tenant: Tenant | None, search: Search) -> Iterator[AuditEvent]:
    """Oldest first, up to now; a transaction for each portion, so that nobody who reads slowly keeps one open."""
    last = 0
    while True:
        with acting_as(tenant) if tenant else acting_as_platform():
            rows = list(events_of(tenant, search).filter(number__gt=last).order_by("number")[:ROWS_AT_ONCE])
        yield from rows
        if len(rows) < ROWS_AT_ONCE:
            return
        last = rows[-1].number


def as_plain(event: AuditEvent) -> dict[str, Any]:
    """All that an event says, as programs read it."""
    return {
        "number": event.number,
        "at": event.at.isoformat(),
        "actor_kind": event.actor_kind,
        "actor_id": event.actor_number,
        "actor": event.actor_name,
        "interface": event.interface,
        "address": event.address,
        "request_id": event.request_id,
        "job_id": event.job,
        "action": event.action,
        "outcome": event.outcome,
        "object_kind": event.object_kind,
        "object_id": event.object_number,
        "object": event.object_name,
        "org_id": event.org_id,
        "tag_id": event.tag_id,
        "details": event.details,
        "previous": bytes(event.previous).hex(),
        "digest": bytes(event.digest).hex(),
    }


def label_of(kind: type[Action | Outcome | ActorKind], value: str) -> str | Promise:
    """Also of one that a later version wrote."""
    return kind(value).label if value in kind.values else value


def _first_number(chain: QuerySet[AuditEvent], moment: datetime) -> int:
    """Of what happened from then on, or of what will."""
    first = chain.filter(at__gte=moment).order_by("at", "number").values_list("number", flat=True).first()
    if first is not None:
        return first
    newest = chain.order_by("-number").values_list("number", flat=True).first()
    return (newest or 0) + 1
