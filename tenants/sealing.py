"""Whether the audit trail is what it was: chains verified line by line, and seals under a key the database lacks.

Who can write the database can make a chain anew that hangs together. What was sealed before cannot be made anew, for
the key of the seals is derived from the field keys. docs/audit.md says what that proves and what it does not.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import logging
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import Exists, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from tenants.actions import Action
from tenants.chains import EVENTS, linked_text
from tenants.context import acting_as_platform
from tenants.models import AuditCheck, AuditEvent, AuditHead, AuditSeal, Tenant
from tenants.trail import PLATFORM_CHAIN, note

logger = logging.getLogger("openvpr.audit")

LABEL: Final = b"openvpr audit seals 1"
KEY_BYTES: Final = 32
LINES_AT_ONCE: Final = 2000
# Of a trail that somebody wiped it is enough to say how it begins.
MOST_PROBLEMS: Final = 50
PLATFORM: Final = "platform"


@dataclass(frozen=True)
class Link:
    """Where a chain is: the number of an event and its digest. Before the first event, 0 and nothing."""

    number: int = 0
    digest: bytes = b""


BEGINNING = Link()
Head = Link | None
_number_of = attrgetter("number")


@dataclass(frozen=True)
class Line:
    """An event: its own link, the digest it hangs on, and what it says."""

    link: Link
    previous: bytes
    text: str


@dataclass(frozen=True)
class Problem:
    """What is wrong at which event, or from there up to which, in words for whoever looks after the platform."""

    number: int
    said: str
    until: int | None = None

    @classmethod
    def from_wire(cls, found: Mapping[str, Any]) -> Problem:
        return cls(found["number"], found["said"], found.get("until"))

    def __str__(self) -> str:
        place = f"events {self.number} to {self.until}" if self.until else f"event {self.number}"
        return f"{place}: {self.said}"


@dataclass
class Verdict:
    """Of one chain. `begins`: after which event; `sealed`: up to which event a seal of ours says so."""

    chain: int
    begins: Link = BEGINNING
    events: int = 0
    last: Link = BEGINNING
    sealed: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problems

    def complain(self, number: int, said: str, *, until: int = 0) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(number, said, until if until > number else None))


class TrailBroken(Exception):
    """Nothing is trimmed of a chain that is not intact."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(f"the chain is broken at {len(verdict.problems)} places; {verdict.problems[0]}")


def chain_of(tenant: Tenant | None) -> int:
    return PLATFORM_CHAIN if tenant is None else tenant.pk


def of_platform(action: Action) -> QuerySet[AuditEvent]:
    """What the platform's own chain tells of such deeds."""
    return AuditEvent.all_tenants.filter(tenant_id=PLATFORM_CHAIN, action=action)


def chains() -> list[int]:
    """Every one of which anything is left, and of which there must be something."""
    with acting_as_platform():
        found = {
            number
            for rows in (AuditHead.all_tenants, AuditSeal.all_tenants, AuditEvent.all_tenants, AuditCheck.all_tenants)
            for number in rows.order_by().values_list("tenant_id", flat=True).distinct()
        }
        begun = Tenant.objects.filter(pk__in=of_platform(Action.TENANT_OPENED).values("object_number"))
        return sorted(found | set(begun.values_list("pk", flat=True)))


def _reached(chain: int) -> int:
    """To which event it had come at least: that of its last verification, or the key pair that a tenant begins with."""
    with acting_as_platform():
        check = AuditCheck.all_tenants.filter(pk=chain).first()
        opened = of_platform(Action.TENANT_OPENED).filter(object_number=chain).exists()
        begun = opened and Tenant.objects.filter(pk=chain).exists()
        return max(check.number if check else 0, int(begun))


def verify(chain: int, anchors: Iterable[Link] = ()) -> Verdict:
    """All of a chain, a page at a time. `anchors`: what it is known to have been, from somewhere else."""
    anchored = sorted(anchors, key=_number_of)

    def look(begins: Link) -> Verdict:
        verdict = Verdict(chain, begins)
        known = heapq.merge(_our_seals(verdict), anchored, key=_number_of)
        _walk(verdict, (link for link in known if link.number >= begins.number))
        return verdict

    reached = _reached(chain)
    verdict = _looked_at(chain, _checkpoint, look)
    if verdict.intact and verdict.last.number < reached:
        verdict.complain(verdict.last.number + 1, "missing, to which the chain had come", until=reached)
    problems = [asdict(problem) for problem in verdict.problems]
    # What may have been forged onto a broken chain is not expected of it once it is put right.
    grown = verdict.last.number if verdict.intact else 0
    with acting_as_platform():
        checked = {"number": max(reached, grown), "at": timezone.now(), "problems": problems}
        AuditCheck.all_tenants.update_or_create(tenant_id=chain, defaults=checked)
    return verdict


def seal(chain: int) -> Verdict:
    """Put a seal on what came since the last one, unless it does not hang together."""

    def look(begins: Link) -> Verdict:
        verdict = Verdict(chain, begins, sealed=begins.number)
        _walk(verdict, iter(()))
        return verdict

    verdict = _looked_at(chain, _newest_seal, look)
    if verdict.problems:
        logger.error("chain %s is broken and not sealed: %s", chain, verdict.problems[0])
    elif verdict.events:
        with acting_as_platform():
            _put_seal(chain, verdict.last, checkpoint=False)
        verdict.sealed = verdict.last.number
        logger.info("sealed chain=%s number=%s digest=%s", chain, verdict.last.number, verdict.last.digest.hex())
    return verdict


def seal_all() -> int:
    """Every chain that has grown; returns how many seals that made."""
    with acting_as_platform():
        heads = list(AuditHead.all_tenants.values_list("tenant_id", flat=True))
    return sum(seal(chain).events > 0 for chain in heads)


def trim(chain: int, before: datetime) -> int:
    """Let go what is older, under a checkpoint from which the rest still verifies. Raises TrailBroken."""
    verdict = verify(chain)
    if not verdict.intact:
        raise TrailBroken(verdict)
    with acting_as_platform():
        old = AuditEvent.all_tenants.filter(tenant_id=chain, at__lt=before).order_by("at", "number").last()
        if old is None:
            return 0
        doomed = AuditEvent.all_tenants.filter(tenant_id=chain, number__lte=old.number)
        # Of one that broke off, the checkpoint is there already and was told of.
        if not AuditSeal.all_tenants.filter(tenant_id=chain, number__gte=old.number, checkpoint=True).exists():
            _put_seal(chain, Link(old.number, bytes(old.digest)), checkpoint=True)
            events = old.number - verdict.begins.number
            note(_tenant_of(chain), Action.TRAIL_TRIMMED, up_to=old.number, events=events, before=before)
    gone = _deleted(doomed)
    with acting_as_platform():
        AuditSeal.all_tenants.filter(tenant_id=chain, number__lt=old.number).delete()
    return gone


def _deleted(doomed: QuerySet[AuditEvent]) -> int:
    """Few at a time, oldest first, under a checkpoint that covers them all; how many went."""
    gone = 0
    while True:
        with acting_as_platform():
            batch = list(doomed.order_by("number").values_list("pk", flat=True)[:LINES_AT_ONCE])
            if not batch:
                return gone
            AuditEvent.all_tenants.filter(pk__in=batch).delete()
        gone += len(batch)


def _looked_at(chain: int, begins: Callable[[int], Link], look: Callable[[Link], Verdict]) -> Verdict:
    """Looked at again where the chain begins elsewhere by then: what was trimmed meanwhile is not missing."""
    while True:
        beginning = begins(chain)
        verdict = look(beginning)
        if verdict.intact or begins(chain) == beginning:
            return verdict


def _walk(verdict: Verdict, known: Iterator[Link]) -> None:
    """From the event after the beginning to the head; every link in `known`, in their order, must be met."""
    last, awaited = verdict.begins, _Awaited(verdict, known)
    awaited.meet(last)
    goes_on = True
    while goes_on:
        for line in _lines(verdict.chain, last.number):
            if line.link.number > last.number + 1:
                verdict.complain(last.number + 1, "missing", until=line.link.number - 1)
            elif line.previous != last.digest:
                verdict.complain(line.link.number, "does not hang on the one before")
            if hashlib.sha256(line.previous + line.text.encode()).digest() != line.link.digest:
                verdict.complain(line.link.number, "altered")
            last = line.link
            awaited.meet(last)
            verdict.events += 1
        head, goes_on = _end(verdict.chain, last.number)
    verdict.last = last
    _hold_against_head(verdict, head)
    awaited.miss_the_rest()


class _Awaited:
    """What a walk along a chain must come to, in its order."""

    def __init__(self, verdict: Verdict, links: Iterator[Link]) -> None:
        self._verdict, self._links, self._next = verdict, links, next(links, None)

    def meet(self, link: Link) -> None:
        """The walk has come there."""
        while self._next and self._next.number <= link.number:
            if self._next.number < link.number:
                self._miss(self._next)
            elif self._next.digest != link.digest:
                self._verdict.complain(link.number, "not what was sealed")
            self._next = next(self._links, None)

    def miss_the_rest(self) -> None:
        while self._next:
            self._miss(self._next)
            self._next = next(self._links, None)

    def _miss(self, link: Link) -> None:
        self._verdict.complain(link.number, "was sealed and is missing")


def _lines(chain: int, beyond: int) -> Iterator[Line]:
    """Each page in a look at the database of its own, so that none is long however old the chain is."""
    rows = AuditEvent.all_tenants.filter(tenant_id=chain).order_by("number")
    told = rows.annotate(text=RawSQL(linked_text(EVENTS), ()))  # noqa: S611 - of constants
    while True:
        with acting_as_platform():
            columns = told.filter(number__gt=beyond).values_list("number", "digest", "previous", "text")
            page = [
                Line(Link(number, bytes(digest)), bytes(previous), text)
                for number, digest, previous, text in columns[:LINES_AT_ONCE]
            ]
        if not page:
            return
        yield from page
        beyond = page[-1].link.number


def _end(chain: int, last: int) -> tuple[Head, bool]:
    """The head, and whether in the same look at the database there are events after the `last`."""
    later = AuditEvent.all_tenants.filter(tenant_id=chain, number__gt=last)
    with acting_as_platform():
        found = AuditHead.all_tenants.filter(tenant_id=chain).annotate(goes_on=Exists(later)).first()
    return (Link(found.number, bytes(found.digest)), found.goes_on) if found else (None, False)


def _hold_against_head(verdict: Verdict, head: Head) -> None:
    last = verdict.last
    if head is None:
        if last.number:
            verdict.complain(last.number, "the head of the chain is missing")
        return
    number, digest = head.number, head.digest
    if number > last.number:
        verdict.complain(last.number + 1, "missing, with which the chain ended", until=number)
    elif number < last.number:
        verdict.complain(last.number, "added after the event that the chain ended with")
    elif digest != last.digest:
        verdict.complain(number, "not the one that the chain ended with")


def _our_seals(verdict: Verdict) -> Iterator[Link]:
    """In their order, a page at a time: those that are there now, for what is sealed later may have been passed."""
    seals = AuditSeal.all_tenants.filter(tenant_id=verdict.chain, number__lte=_newest_seal(verdict.chain).number)
    left = seals.order_by("number", "checkpoint")
    while True:
        with acting_as_platform():
            page = list(left[:LINES_AT_ONCE])
        if not page:
            return
        for seal in page:
            if _is_ours(seal):
                verdict.sealed = seal.number
                yield _link_of(seal)
            else:
                verdict.complain(seal.number, "carries a seal that is not ours")
        last = page[-1]
        same_number = Q(number=last.number, checkpoint__gt=last.checkpoint)
        left = seals.filter(Q(number__gt=last.number) | same_number).order_by("number", "checkpoint")


def _checkpoint(chain: int) -> Link:
    """The newest of ours, under which the chain was trimmed."""
    with acting_as_platform():
        seals = list(AuditSeal.all_tenants.filter(tenant_id=chain, checkpoint=True).order_by("-number"))
    return next((_link_of(seal) for seal in seals if _is_ours(seal)), BEGINNING)


def _newest_seal(chain: int) -> Link:
    with acting_as_platform():
        newest = AuditSeal.all_tenants.filter(tenant_id=chain).order_by("number").last()
    return _link_of(newest) if newest else BEGINNING


def _link_of(seal: AuditSeal) -> Link:
    return Link(seal.number, bytes(seal.digest))


def _is_ours(seal: AuditSeal) -> bool:
    return any(hmac.compare_digest(_mac(key, seal), bytes(seal.mac)) for key in _keys())


def _put_seal(chain: int, link: Link, *, checkpoint: bool) -> None:
    seal = AuditSeal(tenant_id=chain, number=link.number, digest=link.digest, checkpoint=checkpoint)
    seal.mac = _mac(_keys()[0], seal)
    AuditSeal.all_tenants.bulk_create([seal], ignore_conflicts=True)


def _mac(key: bytes, seal: AuditSeal) -> bytes:
    said = json.dumps([seal.checkpoint, seal.tenant_id, seal.number, bytes(seal.digest).hex()])
    return hmac.digest(key, said.encode(), "sha256")


def _keys() -> list[bytes]:
    """The first seals; the others are of field keys that were in use before."""
    return _derived(tuple(settings.FIELD_KEYS))


@cache
def _derived(field_keys: tuple[str, ...]) -> list[bytes]:
    return [
        HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=LABEL).derive(urlsafe_b64decode(key))
        for key in field_keys
    ]


def name_of(chain: int) -> str:
    """As people know it, also where the tenant is gone."""
    if chain == PLATFORM_CHAIN:
        return PLATFORM
    tenant = _tenant_of(chain)
    return tenant.slug if tenant else f"tenant {chain}"


def _tenant_of(chain: int) -> Tenant | None:
    """None also for a tenant that is gone: then it is the platform's affair."""
    return Tenant.objects.filter(pk=chain).first()
