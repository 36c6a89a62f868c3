"""Opting out: nobody of a name is enrolled any more through any interface, and whoever was is erased."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tenants.actions import Action
from tenants.context import acting_as
from tenants.generations import nobody_storing
from tenants.models import Tenant
from tenants.trail import Target, note
from voiceprints import erasure, optouts
from voiceprints.errors import OptOutNotFound, SpeakerNotFound
from voiceprints.models import Erasure, OptOut
from voiceprints.optouts import EVERYWHERE
from voiceprints.paging import Order, Page, Position, page_of
from voiceprints.results import LibraryKey

OLDEST_FIRST = Order(("created", "pk"))


@dataclass(frozen=True)
class Added:
    """`erasure`: of whoever bore the name, None when nobody did."""

    opt_out: OptOut
    erasure: Erasure | None


def opt_out(
    tenant: Tenant, external_id: str, key: LibraryKey = EVERYWHERE, *, also: Callable[[Added], object] = lambda _: None
) -> Added:
    """In the library, or everywhere. Said again it is the same opt-out.

    Whoever is being stored at this moment was let in before, and is erased with the others. Where no row tells of
    anybody, other rooms are asked once others may store again, unless the caller is in a transaction.
    `also` is done in the transaction that erases where rows tell of somebody, and otherwise at the end.
    """
    with nobody_storing(tenant):
        known = tenant.opt_outs.filter(digest__in=optouts.digests(tenant, key, external_id)).first()
        added: OptOut = known or _added(tenant, external_id, key)
        with suppress(SpeakerNotFound):
            done = Added(added, _erased(tenant, external_id, key))
            also(done)
            return done
    done = Added(added, None)
    if key == EVERYWHERE:
        with suppress(SpeakerNotFound):
            done = Added(added, erasure.erase_person(tenant, external_id))
    also(done)
    return done


def lift(tenant: Tenant, opt_out_id: int) -> None:
    """Whoever it is may be enrolled again. Raises OptOutNotFound."""
    with acting_as(tenant):
        found: OptOut | None = tenant.opt_outs.select_for_update().filter(pk=opt_out_id).first()
        if found is None:
            raise OptOutNotFound
        note(tenant, Action.OPT_OUT_LIFTED, _target(found))
        found.delete()


def find_opt_out(tenant: Tenant, opt_out_id: int) -> OptOut:
    """Raises OptOutNotFound."""
    with acting_as(tenant):
        found: OptOut | None = tenant.opt_outs.filter(pk=opt_out_id).first()
    if found is None:
        raise OptOutNotFound
    return found


def page_opt_outs(
    tenant: Tenant,
    *,
    where: dict[str, Any],
    external_id: str = "",
    order: Order = OLDEST_FIRST,
    after: Position | None = None,
    limit: int = 50,
) -> Page[OptOut]:
    """With an `external_id` those that are about it."""
    with acting_as(tenant):
        chosen = optouts.about(tenant, external_id) if external_id else tenant.opt_outs.all()
        return page_of(chosen.filter(**where), order, after=after, limit=limit)


def _added(tenant: Tenant, external_id: str, key: LibraryKey) -> OptOut:
    digest = optouts.digests(tenant, key, external_id)[0]
    added: OptOut = tenant.opt_outs.create(org_id=key.org_id, tag_id=key.tag_id, digest=digest)
    note(tenant, Action.OPTED_OUT, _target(added))
    return added


def _erased(tenant: Tenant, external_id: str, key: LibraryKey) -> Erasure:
    if key == EVERYWHERE:
        return erasure.erase_known_person(tenant, external_id)
    return erasure.erase_speaker(tenant, tenant.libraries.within(key.org_id, key.tag_id), external_id)


def _target(one: OptOut) -> Target:
    """Without a name."""
    return Target("opt_out", one.pk, "", one.org_id, one.tag_id)
