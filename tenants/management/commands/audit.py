"""The audit trail: whether it is intact, where it stands, and letting go what is old."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tenants import sealing
from tenants.clocks import WrongClock, refuse_wrong_clock
from tenants.context import acting_as_platform
from tenants.management.base import AttributedCommand, tenant_named
from tenants.models import AuditHead
from tenants.sealing import PLATFORM, Link, TrailBroken, Verdict, name_of
from tenants.trail import PLATFORM_CHAIN

MOST_DAYS = 36_500

Anchor = tuple[int, Link]


class Command(AttributedCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="what", required=True)
        verify = deeds.add_parser("verify", help="every line of each chain; exit status 1 if anything is wrong")
        verify.add_argument(
            "--anchor", type=anchor, action="append", default=[], metavar="CHAIN:NUMBER:DIGEST", help="as `heads` says"
        )
        heads = deeds.add_parser("heads", help="where each chain ends, to be kept elsewhere: CHAIN:NUMBER:DIGEST")
        seal = deeds.add_parser("seal", help="now, and not within minutes")
        trim = deeds.add_parser("trim", help="let go what is old, under a checkpoint")
        trim.add_argument("--older-than-days", type=days, required=True)
        for deed in (verify, heads, seal, trim):
            deed.add_argument("--tenant", metavar="SLUG", help=f"this one alone; {PLATFORM!r} for the platform's own")

    def handle(self, *args: Any, what: str, tenant: str | None, **options: Any) -> str:
        chosen = chains_of(tenant)
        if what == "verify":
            anchors = options["anchor"]
            # Where all are meant, also those of which nothing but an anchor is left.
            anchored = set() if tenant else {chain for chain, _link in anchors}
            return verified(sorted({*chosen, *anchored}), anchors)
        if what == "heads":
            return "\n".join(heads_of(chosen))
        if what == "seal":
            return reported([sealing.seal(chain) for chain in chosen])
        return "\n".join(trimmed(chain, options["older_than_days"]) for chain in chosen)


def chains_of(slug: str | None) -> list[int]:
    if slug is None:
        return sealing.chains()
    return [PLATFORM_CHAIN if slug == PLATFORM else tenant_named(slug).pk]


def verified(chains: Iterable[int], anchors: Iterable[Anchor]) -> str:
    """Raises CommandError with the lines that are wrong."""
    known: dict[int, list[Link]] = {}
    for chain, link in anchors:
        known.setdefault(chain, []).append(link)
    return reported([sealing.verify(chain, known.get(chain, ())) for chain in chains])


def reported(verdicts: Iterable[Verdict]) -> str:
    found = sorted(verdicts, key=lambda verdict: verdict.intact)
    lines = "\n".join(line for verdict in found for line in in_words(verdict))
    if broken := sum(not verdict.intact for verdict in found):
        raise CommandError(f"{broken} of {len(found)} chains broken\n{lines}")
    return lines


def in_words(verdict: Verdict) -> list[str]:
    name = name_of(verdict.chain)
    if verdict.intact:
        return [f"{name}: intact, {verdict.events} events up to {verdict.last.number}, sealed up to {verdict.sealed}"]
    return [f"{name}: {problem}" for problem in verdict.problems]


def heads_of(chains: Iterable[int]) -> list[str]:
    with acting_as_platform():
        heads = AuditHead.all_tenants.filter(tenant_id__in=list(chains)).order_by("tenant_id")
        return [f"{head.tenant_id}:{head.number}:{bytes(head.digest).hex()}" for head in heads]


def trimmed(chain: int, older_than_days: int) -> str:
    try:
        refuse_wrong_clock()
        gone = sealing.trim(chain, timezone.now() - timedelta(days=older_than_days))
    except (TrailBroken, WrongClock) as error:
        raise CommandError(f"{name_of(chain)}: {error}") from None
    return json.dumps({"chain": name_of(chain), "trimmed": gone})


def anchor(text: str) -> Anchor:
    try:
        chain, number, digest = text.split(":")
        return int(chain), Link(int(number), bytes.fromhex(digest))
    except ValueError:
        raise ArgumentTypeError("CHAIN:NUMBER:DIGEST, as `audit heads` says") from None


def days(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= MOST_DAYS:
        raise ArgumentTypeError(f"from 0 to {MOST_DAYS}")
    return int(text)
