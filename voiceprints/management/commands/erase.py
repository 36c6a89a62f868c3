from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants.clocks import WrongClock
from tenants.management.base import AttributedCommand, tenant_named
from tenants.models import Tenant
from voiceprints import erasure, leaving, receipts, vacuuming
from voiceprints.errors import VoiceprintError
from voiceprints.management.saying import words_of
from voiceprints.management.unfinished import UNFINISHED, goes_on
from voiceprints.models import Erasure

VACUUMS = ("plain", "full")
PLATFORM = "platform"


class Command(AttributedCommand):
    help = "Erase somebody for good and print the signed receipt; verify receipts. Needs --yes to erase."

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        speaker = deeds.add_parser("speaker", help="one speaker of a library")
        speaker.add_argument("tenant")
        speaker.add_argument("org_id")
        speaker.add_argument("external_id")
        speaker.add_argument("--tag-id", default="")
        person = deeds.add_parser("person", help="whoever has the external id, in all libraries of the tenant")
        person.add_argument("tenant")
        person.add_argument("external_id")
        tenant = deeds.add_parser("tenant", help="close a tenant at once, and erase everything once its time is over")
        tenant.add_argument("tenant")
        tenant.add_argument("--grace-days", type=int, default=leaving.GRACE.days, help="until then it can be restored")
        for parser_of_deed in (speaker, person, tenant):
            _add_assent(parser_of_deed)
        listed = deeds.add_parser("list", help="the erasures of a tenant, or of tenants, newest first")
        listed.add_argument("tenant", help=f"or {PLATFORM}: of tenants that are gone")
        receipt = deeds.add_parser("receipt", help="print the receipt of an erasure again")
        receipt.add_argument("tenant", help=f"or {PLATFORM}: of a tenant that is gone")
        receipt.add_argument("erasure", type=int)
        verify = deeds.add_parser("verify", help="whether a receipt is ours and as it was")
        verify.add_argument("receipt", type=Path)
        verify.add_argument("--external-id", help="and whether it is about this id")
        verify.add_argument("--key", type=Path, help="a public key in PEM, in place of those of this installation")
        deeds.add_parser("public-key", help="print the public keys of receipts, the one that signs first")
        deeds.add_parser("new-key", help="print a new key, to be put first in OPENVPR_RECEIPT_KEYS")
        vacuum = deeds.add_parser("vacuum", help="have the database clear away what was removed")
        vacuum.add_argument("--full", action="store_true", help="write every table anew; it is locked meanwhile")

    def handle(self, *args: Any, deed: str, **options: Any) -> str | None:
        try:
            return getattr(self, f"_{deed.replace('-', '_')}")(options)  # type: ignore[no-any-return]
        except (VoiceprintError, receipts.ReceiptRefused, WrongClock, OSError) as error:
            raise CommandError(words_of(error)) from None

    def _speaker(self, options: dict[str, Any]) -> str:
        tenant = tenant_named(options["tenant"])
        libraries = tenant.libraries.within(options["org_id"], options["tag_id"])
        _refuse_without_assent(options)
        return _done(options, tenant, erasure.erase_speaker(tenant, libraries, options["external_id"]))

    def _person(self, options: dict[str, Any]) -> str:
        tenant = tenant_named(options["tenant"])
        _refuse_without_assent(options)
        return _done(options, tenant, erasure.erase_person(tenant, options["external_id"]))

    def _tenant(self, options: dict[str, Any]) -> str:
        """Its end comes by itself; without any time to wait, now."""
        tenant, days = tenant_named(options["tenant"]), options["grace_days"]
        _refuse_without_assent(options)
        if not 0 <= days <= leaving.LONGEST_GRACE.days:
            raise CommandError(f"the grace may be 0 to {leaving.LONGEST_GRACE.days} days")
        closed = leaving.close(tenant, grace=timedelta(days=days))
        if days:
            return json.dumps(
                {"tenant": closed.slug, "erased_from": closed.erased_from and closed.erased_from.isoformat()}
            )
        leaving.begin_due()
        return _done(options, tenant, erasure.newest_of(tenant))

    def _list(self, options: dict[str, Any]) -> str:
        every: dict[str, Any] = {"where": {}, "limit": sys.maxsize - 1}
        if options["tenant"] == PLATFORM:
            of_gone = erasure.page_gone(**every).rows
            return "\n".join(json.dumps(_as_plain(one) | {"tenant": one.slug}) for one in of_gone)
        found = erasure.page_erasures(tenant_named(options["tenant"]), **every)
        return "\n".join(json.dumps(_as_plain(one)) for one in found.rows)

    def _receipt(self, options: dict[str, Any]) -> str:
        number = options["erasure"]
        if options["tenant"] == PLATFORM:
            return _shown(erasure.receipt_of_gone(number))
        return _shown(erasure.receipt_of(tenant_named(options["tenant"]), number))

    def _verify(self, options: dict[str, Any]) -> str:
        document = receipts.read(options["receipt"].read_bytes())
        given = options["key"]
        key = receipts.verify(document, [receipts.key_in(given.read_bytes())] if given else receipts.public_keys())
        external_id = options["external_id"]
        if external_id is not None and not receipts.is_about(document, external_id):
            raise CommandError(f"signed with the key {key.id}, and not about {external_id!r}")
        said = document["receipt"]
        return json.dumps({"intact": True, "key": key.id} | {name: said[name] for name in ("kind", "done", "removed")})

    def _public_key(self, options: dict[str, Any]) -> str:
        return "".join(key.pem for key in receipts.public_keys()).rstrip()

    def _new_key(self, options: dict[str, Any]) -> str:
        return receipts.new_key()

    def _vacuum(self, options: dict[str, Any]) -> None:
        vacuuming.vacuum(full=options["full"])


def _add_assent(parser: CommandParser) -> None:
    parser.add_argument("--yes", action="store_true", help="really: there is no way back")
    parser.add_argument(
        "--vacuum",
        nargs="?",
        choices=VACUUMS,
        const="plain",
        help="have the database clear away what was removed at once; full: every table is written anew",
    )


def _refuse_without_assent(options: dict[str, Any]) -> None:
    if not options["yes"]:
        raise CommandError("there is no way back from this; say --yes if you mean it")


def _done(options: dict[str, Any], tenant: Tenant, begun: Erasure) -> str:
    """The receipt, once everything is gone.

    Raises CommandError while a backup holds the files, some may still be written or resist, and where the end waits
    for somebody else, such as for an export that may have read the person.
    """
    try:
        erasure.go_on(tenant, begun.pk)
        receipt = erasure.receipt_of(tenant, begun.pk)
    except UNFINISHED as reason:
        whose = PLATFORM if begun.kind == Erasure.Kind.TENANT else tenant.slug
        raise CommandError(goes_on(begun, whose, reason)) from None
    if options["vacuum"]:
        vacuuming.vacuum_erased(full=options["vacuum"] == "full")
    return _shown(receipt)


def _shown(receipt: dict[str, Any]) -> str:
    return json.dumps(receipt, indent=2, ensure_ascii=False)


def _as_plain(one: Erasure) -> dict[str, Any]:
    moments = {name: value and value.isoformat() for name, value in (("created", one.created), ("done", one.done))}
    about = {"id": one.pk, "kind": one.kind, "state": one.state, "library": one.library, "removed": one.counts}
    return about | moments
