"""How long a tenant keeps recordings, probes and incomplete enrollments, and its libraries their recordings."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants.management.base import AttributedCommand, tenant_named
from tenants.models import LONGEST_PERIOD_DAYS, Tenant
from voiceprints import retention, services
from voiceprints.errors import LibraryNotFound
from voiceprints.results import LibraryKey
from voiceprints.retention import OwnPeriod, Ruled, RuledLibrary

FOREVER, AS_TENANT = "forever", "tenant"


class Command(AttributedCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="what", required=True)
        show = deeds.add_parser("show", help="the rules, and what is kept longer than they allow")
        change = deeds.add_parser("set", help="change rules; what is due goes within an hour")
        for deed in (show, change):
            deed.add_argument("tenant")
        change.add_argument("--recordings", type=days, help=f"days, 0 for not at all, {FOREVER!r}, {AS_TENANT!r}")
        change.add_argument("--probes", type=days, help=f"days, or {FOREVER!r}")
        change.add_argument("--enrollments", type=days, help=f"incomplete ones: days, or {FOREVER!r}")
        change.add_argument("--org-id", help=f"of one library, which then has its own period; {AS_TENANT!r} ends that")
        change.add_argument("--tag-id", default="")
        change.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, what: str, tenant: str, **options: Any) -> str:
        owner = tenant_named(tenant)
        if what == "show":
            return json.dumps(shown(retention.look(owner)) | {"libraries": libraries_of(owner)}, ensure_ascii=False)
        ruled = of_tenant(owner, options) if options["org_id"] is None else of_library(owner, options)
        return json.dumps(ruled | {"changed": not options["dry_run"]}, ensure_ascii=False)


def of_tenant(tenant: Tenant, options: dict[str, Any]) -> dict[str, Any]:
    """Raises CommandError."""
    wanted = {what: options[what] for what in retention.FIELDS if options[what] is not None}
    if AS_TENANT in wanted.values() or not wanted:
        raise CommandError("name a period of the tenant's: --recordings, --probes or --enrollments")
    change = retention.foresee if options["dry_run"] else retention.change
    return shown(change(tenant, **{what: in_days(said) for what, said in wanted.items()}))


def of_library(tenant: Tenant, options: dict[str, Any]) -> dict[str, Any]:
    """Raises CommandError."""
    said = options["recordings"]
    if said is None or options["probes"] is not None or options["enrollments"] is not None:
        raise CommandError("a library has a period for its --recordings and for nothing else")
    change = retention.foresee_library if options["dry_run"] else retention.change_library
    try:
        library = services.find_library(tenant, LibraryKey(options["org_id"], options["tag_id"]))
    except LibraryNotFound as error:
        raise CommandError(str(error)) from None
    ruled = change(tenant, library.pk, None if said == AS_TENANT else OwnPeriod(in_days(said)))
    return shown_library(ruled) | {"due": ruled.due}


def shown(ruled: Ruled) -> dict[str, Any]:
    return {"days": {what: in_words(kept) for what, kept in asdict(ruled.periods).items()}, "due": asdict(ruled.due)}


def libraries_of(tenant: Tenant) -> list[dict[str, Any]]:
    return [shown_library(RuledLibrary(library, 0)) for library in retention.own_periods(tenant)]


def shown_library(ruled: RuledLibrary) -> dict[str, Any]:
    own = ruled.own_period
    names = {"org_id": ruled.library.org_id, "tag_id": ruled.library.tag_id}
    return names | {"recordings": in_words(own.days) if own else AS_TENANT}


def in_words(kept: int | None) -> int | str:
    return FOREVER if kept is None else kept


def in_days(said: int | str) -> int | None:
    return None if said == FOREVER else int(said)


def days(text: str) -> int | str:
    if text in {FOREVER, AS_TENANT}:
        return text
    if not text.isdecimal() or int(text) > LONGEST_PERIOD_DAYS:
        raise ArgumentTypeError(f"from 0 to {LONGEST_PERIOD_DAYS} days, {FOREVER!r} or {AS_TENANT!r}")
    return int(text)
