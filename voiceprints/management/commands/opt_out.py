from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants.management.base import AttributedCommand, tenant_named
from tenants.models import Tenant
from voiceprints import erasure, opting_out
from voiceprints.errors import VoiceprintError
from voiceprints.management.unfinished import UNFINISHED, goes_on
from voiceprints.models import Erasure
from voiceprints.results import LibraryKey


class Command(AttributedCommand):
    help = "Keep somebody from being enrolled, and erase them; list and lift such opt-outs."

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        add = deeds.add_parser("add", help="nobody of this external id is enrolled any more; whoever was is erased")
        add.add_argument("tenant")
        add.add_argument("external_id")
        add.add_argument("--org-id", default="", help="of one library; left out, of all")
        add.add_argument("--tag-id", default="")
        add.add_argument("--yes", action="store_true", help="really: there is no way back from the erasure")
        listed = deeds.add_parser("list")
        listed.add_argument("tenant")
        listed.add_argument("--external-id", default="", help="those that are about it")
        lift = deeds.add_parser("lift", help="whoever it is may be enrolled again")
        lift.add_argument("tenant")
        lift.add_argument("number", type=int)

    def handle(self, *args: Any, deed: str, **options: Any) -> str | None:
        tenant = tenant_named(options["tenant"])
        try:
            if deed == "lift":
                opting_out.lift(tenant, options["number"])
                return None
            if deed == "list":
                named = options["external_id"]
                rows = opting_out.page_opt_outs(tenant, where={}, external_id=named, limit=sys.maxsize - 1).rows
                return "\n".join(json.dumps(_as_plain(one)) for one in rows)
            if not options["yes"]:
                raise CommandError("there is no way back from the erasure; say --yes if you mean it")
            key = LibraryKey(options["org_id"], options["tag_id"]) if options["org_id"] else LibraryKey("")
            added = opting_out.opt_out(tenant, options["external_id"], key)
            if added.erasure:
                self._erase(tenant, added.erasure)
            return json.dumps(_as_plain(added.opt_out) | {"erasure": added.erasure and added.erasure.pk})
        except VoiceprintError as error:
            raise CommandError(str(error)) from None

    def _erase(self, tenant: Tenant, begun: Erasure) -> None:
        """The opt-out stands, whenever that ends."""
        try:
            erasure.go_on(tenant, begun.pk)
        except UNFINISHED as reason:
            self.stderr.write(goes_on(begun, tenant.slug, reason))


def _as_plain(one: Any) -> dict[str, Any]:
    return {"id": one.pk, "org_id": one.org_id, "tag_id": one.tag_id, "created": one.created.isoformat()}
