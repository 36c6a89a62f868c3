"""Writing the audit trail: what services note is stored by the transaction that stores what they did.

A note waits until the outermost transaction is about to be committed. Then one statement inserts all of them, and a
trigger hangs each on the chain of its tenant. So the head of a chain is locked for that statement and the commit alone,
and whatever undoes the deed undoes its notes; a note that cannot be stored undoes the deed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from tenants.actions import Action, Outcome
from tenants.chains import HEAD_CATCHES_UP, HEAD_RESTS
from tenants.origins import Origin, origin

if TYPE_CHECKING:
    from tenants.models import Tenant

PLATFORM_CHAIN = 0
"""In place of a tenant: what concerns no tenant, or the tenants as such."""

# What was left to the commit to check is checked before the chain is locked, so that nobody waits in that order.
CHECK_THE_REST = "SET CONSTRAINTS ALL IMMEDIATE; "
COLUMNS = {
    "tenant_id": "bigint",
    "actor_kind": "text",
    "actor_number": "bigint",
    "actor_name": "text",
    "interface": "text",
    "address": "text",
    "request_id": "text",
    "job": "bigint",
    "action": "text",
    "outcome": "text",
    "object_kind": "text",
    "object_number": "bigint",
    "object_name": "text",
    "org_id": "text",
    "tag_id": "text",
    "details": "jsonb",
}
INSERT = f"INSERT INTO tenants_auditevent ({', '.join(COLUMNS)}) "
ROW = f"({', '.join(['%s'] * len(COLUMNS))})"
# The quicker way for hundreds, and the slower one for a few.
FEW = 500
UNNESTED = f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in COLUMNS.values())})"  # noqa: S608 - of constants
HEAD = "SET LOCAL app.head = '{}'; "
"""How the head of the chain follows what is inserted next: chains.LINK_MANY."""


@dataclass(frozen=True)
class Target:
    """What something was done to: its kind, our number for it, the name its owner knows it by, and its library."""

    kind: str = ""
    number: int | None = None
    name: str = ""
    org_id: str = ""
    tag_id: str = ""


NOTHING = Target()


@dataclass(frozen=True)
class Note:
    tenant: int
    by: Origin
    action: str
    outcome: str
    target: Target
    details: str

    def values(self) -> tuple[Any, ...]:
        by, target = vars(self.by).values(), vars(self.target).values()
        return (self.tenant, *by, self.action, self.outcome, *target, self.details)


class NotInATransaction(RuntimeError):
    """Something was noted where nothing would store it. A mistake of ours, which the first test that comes by shows."""


_waiting: ContextVar[list[Note] | None] = ContextVar("notes", default=None)


def note(
    tenant: Tenant | None,
    action: Action,
    target: Target = NOTHING,
    *,
    outcome: Outcome = Outcome.DONE,
    **details: Any,
) -> None:
    """In a transaction of acting_as or its like: somebody did this, in the tenant or, for None, on the platform.

    `details` tell what a reader must know besides: names, numbers and counts; no voice, no score, no secret.
    """
    waiting = _waiting.get()
    if waiting is None:
        raise NotInATransaction(action)
    chain = PLATFORM_CHAIN if tenant is None else tenant.pk
    said = json.dumps(details, ensure_ascii=False, cls=DjangoJSONEncoder)
    waiting.append(Note(chain, origin(), str(action), str(outcome), target, said))


@contextmanager
def collecting(write: Callable[[Sequence[Note]], None]) -> Iterator[None]:
    """What is noted in here is written at the end of the outermost one; what a part notes that fails is forgotten."""
    waiting = _waiting.get()
    if waiting is not None:
        with _forgotten_on_failure(waiting):
            yield
        return
    mine: list[Note] = []
    token = _waiting.set(mine)
    try:
        yield
    finally:
        _waiting.reset(token)
    if mine and not connection.needs_rollback:
        write(mine)


@contextmanager
def _forgotten_on_failure(waiting: list[Note]) -> Iterator[None]:
    known = len(waiting)
    try:
        yield
    except BaseException:
        del waiting[known:]
        raise


def write(notes: Sequence[Note]) -> None:
    """In the caller's transaction, as its last deed. Chains are locked in the same order by everybody."""
    ordered = sorted(notes, key=_chain_of)
    if len(ordered) <= FEW:
        _insert(f"VALUES {', '.join([ROW] * len(ordered))}", [value for one in ordered for value in one.values()])
        return
    for _, chain in groupby(ordered, _chain_of):
        *others, last = chain
        if others:
            columns = zip(*(one.values() for one in others), strict=True)
            _insert(UNNESTED, [list(column) for column in columns], head=HEAD_RESTS)
        _insert(f"VALUES {ROW}", last.values(), head=HEAD_CATCHES_UP)


def _chain_of(one: Note) -> int:
    return one.tenant


def _insert(rows: str, values: Sequence[Any], head: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(CHECK_THE_REST + (HEAD.format(head) if head else "") + INSERT + rows, values)
