"""Whether the audit trail is what it was: chains verified line by line, and seals under a key the database lacks.

Who can write the database can make a chain anew that hangs together. What was sealed before cannot be made anew, for
the key of the seals is derived from the field keys. docs/audit.md says what that proves and what it does not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
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


@dataclass(frozen=True)
class Link:
    """Where a chain is: the number of an event and its digest. Before the first event, 0 and nothing."""

    number: int = 0
    digest: bytes = b""


BEGINNING = Link()
Head = Link | None


@dataclass(frozen=True)
class Problem:
    """What is wrong at which event, in words for whoever looks after the platform."""

    number: int
    said: str

    def __str__(self) -> str:
        return f"event {self.number}: {self.said}"


@dataclass
class Verdict:
    """Of one chain. `sealed`: up to which event a seal of ours says so."""

    chain: int
    events: int = 0
    last: Link = BEGINNING
    sealed: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problems

    def complain(self, number: int, said: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(number, said))


class TrailBroken(Exception):
    """Nothing is trimmed of a chain that is not intact."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(f"the chain is broken at {len(verdict.problems)} places; {verdict.problems[0]}")


def chain_of(tenant: Tenant | None) -> int:
    return PLATFORM_CHAIN if tenant is None else tenant.pk


def chains() -> list[int]:
    """Every one of which anything is left."""
    with acting_as_platform():
        found = {
            number
            for rows in (AuditHead.all_tenants, AuditSeal.all_tenants, AuditEvent.all_tenants)
            for number in rows.order_by().values_list("tenant_id", flat=True).distinct()
        }
    return sorted(found)


def verify(chain: int, anchors: Iterable[Link] = ()) -> Verdict:
    """All of a chain. `anchors`: what it is known to have been, from somewhere else."""
    with acting_as_platform():
        seals = list(AuditSeal.all_tenants.filter(tenant_id=chain).order_by("number"))
        verdict = Verdict(chain)
        ours = [seal for seal in seals if _is_ours(seal, verdict)]
        trimmed = max((seal for seal in ours if seal.checkpoint), key=lambda seal: seal.number, default=None)
        begins = Link(trimmed.number, bytes(trimmed.digest)) if trimmed else BEGINNING
        known = {seal.number: bytes(seal.digest) for seal in ours} | {one.number: one.digest for one in anchors}
        _walk(verdict, begins, {number: digest for number, digest in known.items() if number >= begins.number})
        verdict.sealed = max((seal.number for seal in ours), default=0)
        found = [problem.__dict__ for problem in verdict.problems]
        checked = {"number": verdict.last.number, "at": timezone.now(), "problems": found}
        AuditCheck.all_tenants.update_or_create(tenant_id=chain, defaults=checked)
    return verdict


def seal(chain: int) -> Verdict:
    """Put a seal on what came since the last one, unless it does not hang together."""
    with acting_as_platform():
        newest = AuditSeal.all_tenants.filter(tenant_id=chain).order_by("number").last()
        begins = Link(newest.number, bytes(newest.digest)) if newest else BEGINNING
        verdict = Verdict(chain, sealed=begins.number)
        _walk(verdict, begins, {})
        if verdict.problems:
            logger.error("chain %s is broken and not sealed: %s", chain, verdict.problems[0])
        elif verdict.events:
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
        old = AuditEvent.all_tenants.filter(tenant_id=chain, at__lt=before).order_by("number").last()
        if old is None:
            return 0
        doomed = AuditEvent.all_tenants.filter(tenant_id=chain, number__lte=old.number)
        # Of one that broke off, the checkpoint is there already and was told of.
        if not AuditSeal.all_tenants.filter(tenant_id=chain, number__gte=old.number, checkpoint=True).exists():
            _put_seal(chain, Link(old.number, bytes(old.digest)), checkpoint=True)
            note(_tenant_of(chain), Action.TRAIL_TRIMMED, up_to=old.number, events=doomed.count(), before=before)
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


def _walk(verdict: Verdict, begins: Link, known: dict[int, bytes]) -> None:
    """From the event after `begins` to the head, in one look at the database; every digest in `known` must be met."""
    last, head, seen = begins, None, {begins.number: begins.digest}
    for number, previous, digest, text, ended in _lines(verdict.chain, begins.number):
        head = ended
        if number > last.number + 1:
            verdict.complain(last.number + 1, f"missing up to {number - 1}")
        elif previous != last.digest:
            verdict.complain(number, "does not hang on the one before")
        if hashlib.sha256(previous + text.encode()).digest() != digest:
            verdict.complain(number, "altered")
        if number in known:
            seen[number] = digest
        last = Link(number, digest)
        verdict.events += 1
    verdict.last = last
    _hold_against_head(verdict, head or _head(verdict.chain))
    for number, digest in sorted(known.items()):
        if seen.get(number) != digest:
            verdict.complain(number, "not what was sealed" if number in seen else "was sealed and is missing")


def _lines(chain: int, beyond: int) -> Iterator[tuple[int, bytes, bytes, str, Head]]:
    """Number, previous, digest and text of each event, and the head as the same look at the database saw it."""
    heads = AuditHead.all_tenants.filter(tenant_id=OuterRef("tenant_id"))
    rows = AuditEvent.all_tenants.filter(tenant_id=chain, number__gt=beyond).order_by("number")
    told = rows.annotate(
        text=RawSQL(linked_text(EVENTS), ()),  # noqa: S611 - of constants
        head_number=Subquery(heads.values("number")),
        head_digest=Subquery(heads.values("digest")),
    )
    columns = ("number", "previous", "digest", "text", "head_number", "head_digest")
    for number, previous, digest, text, head_number, head_digest in told.values_list(*columns).iterator(LINES_AT_ONCE):
        head = None if head_number is None else Link(head_number, bytes(head_digest))
        yield number, bytes(previous), bytes(digest), text, head


def _head(chain: int) -> Head:
    found = AuditHead.all_tenants.filter(tenant_id=chain).first()
    return Link(found.number, bytes(found.digest)) if found else None


def _hold_against_head(verdict: Verdict, head: Head) -> None:
    last = verdict.last
    if head is None:
        if last.number:
            verdict.complain(last.number, "the head of the chain is missing")
        return
    number, digest = head.number, head.digest
    if number > last.number:
        verdict.complain(last.number + 1, f"missing up to {number}, where the chain ended")
    elif number < last.number:
        verdict.complain(number + 1, "comes after the end of the chain")
    elif digest != last.digest:
        verdict.complain(number, "not the one that the chain ended with")


def _is_ours(seal: AuditSeal, verdict: Verdict) -> bool:
    expected = [_mac(key, seal) for key in _keys()]
    if any(hmac.compare_digest(mac, bytes(seal.mac)) for mac in expected):
        return True
    verdict.complain(seal.number, "carries a seal that is not ours")
    return False


def _put_seal(chain: int, link: Link, *, checkpoint: bool) -> None:
    seal = AuditSeal(tenant_id=chain, number=link.number, digest=link.digest, checkpoint=checkpoint)
    seal.mac = _mac(_keys()[0], seal)
    AuditSeal.all_tenants.bulk_create([seal], ignore_conflicts=True)


def _mac(key: bytes, seal: AuditSeal) -> bytes:
    said = json.dumps([seal.checkpoint, seal.tenant_id, seal.number, bytes(seal.digest).hex()])
    return hmac.digest(key, said.encode(), "sha256")


def _keys() -> list[bytes]:
    """The first seals; the others are of field keys that were in use before."""
    return [
        HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=LABEL).derive(urlsafe_b64decode(key))
        for key in settings.FIELD_KEYS
    ]


def _tenant_of(chain: int) -> Tenant | None:
    """None also for a tenant that is gone: then it is the platform's affair."""
    return Tenant.objects.filter(pk=chain).first()
