"""Utterances on their way in, packet by packet."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone

from api.bodies import Malformed
from api.jdcloud import scripts
from api.jdcloud.errors import NothingSaid, NotTheNextPacket, SpeakerTaken
from audio.errors import TooLarge
from tenants.models import Tenant
from voiceprints.errors import EngineUnreachable, TooBusy
from voiceprints.jobs import connection

logger = logging.getLogger(__name__)

PREFIX = "openvpr:jdcloud"
LONGEST_SECONDS = 60.0
# 60 s × 16 000 samples × 8 bytes, and a header: about 8 MB. Whatever has more bytes is longer, in any format.
LARGEST_BYTES = int(LONGEST_SECONDS) * 16_000 * 8 + 512 * 1024
NEXT_PACKET_WITHIN_MS = 60_000
REMEMBERED_MS = 15 * 60_000
# For storing what was measured, after which a speaker whose web process died is free again.
SPARE_SECONDS = 30
STREAMS_PER_TENANT = 64
SCANNED_AT_ONCE = 1000
# No tenant takes more than this part of what unfinished utterances may hold together.
TENANTS_SHARE = 4
LARGEST_POSITION = 2**31


@dataclass(frozen=True)
class PacketNumber:
    """Which packet of which utterance."""

    request_id: str
    sequence: int

    @property
    def position(self) -> int:
        return min(abs(self.sequence), LARGEST_POSITION)

    @property
    def first(self) -> bool:
        return self.position == 1

    @property
    def final(self) -> bool:
        return self.sequence < 0


@dataclass(frozen=True)
class Opening:
    """What the first packet says about the whole utterance."""

    mode: str
    org_id: str
    container: str


@dataclass(frozen=True)
class Packet:
    number: PacketNumber
    external_id: str
    opening: Opening | None
    """None unless this is the first."""
    content: bytes


@dataclass(frozen=True)
class Utterance:
    """`content` is the whole recording once it is complete, and before that what came last."""

    external_id: str
    opening: Opening
    content: bytes
    complete: bool


@contextmanager
def receiving(tenant: Tenant, packet: Packet) -> Iterator[Utterance]:
    """The utterance with this packet, for a block that judges it; it goes on unless that fails or it is complete.

    Raises NotTheNextPacket, SpeakerTaken, TooBusy and EngineUnreachable; and, ending the utterance, Malformed for
    a packet of another user, NothingSaid and TooLarge.
    """
    utterance = _taken(tenant, packet)
    with ExitStack() as ending:
        ending.callback(_quietly, scripts.CLOSE, tenant, packet.number)
        yield utterance
        if not utterance.complete:
            ending.pop_all()


@contextmanager
def refused_on_failure(tenant: Tenant, number: PacketNumber) -> Iterator[None]:
    """For reading a packet: one that cannot be read ends its utterance, if its turn had come."""
    with ExitStack() as failing:
        failing.callback(_quietly, scripts.REFUSE, tenant, number)
        yield
        failing.pop_all()


def forget(tenant: Tenant, user: str | None) -> int:
    """Close all utterances of a user, or of everybody, whatever has come of them; returns how many were unfinished.

    Raises redis.RedisError.
    """
    mine = list(_records(tenant, user))
    for record, _ in mine:
        _evaluate(scripts.CLOSE, tenant, record.decode().rpartition(":")[2], {})
    return sum(state == b"open" for _, state in mine)


def keeps(tenant: Tenant, user: str) -> bool:
    """Whether there is any of the user; where Redis cannot say so, there may be."""
    try:
        return any(True for _ in _records(tenant, user))
    except redis.RedisError:
        return True


def _records(tenant: Tenant, user: str | None) -> Iterator[tuple[bytes, bytes | None]]:
    """Keys and states of the utterances of a user, or of everybody."""
    for record in connection().scan_iter(match=f"{_keys_of(tenant)}:request:*", count=SCANNED_AT_ONCE):
        about: Any = connection().hmget(record, "user", "state")
        if user is None or about[0] == user.encode():
            yield record, about[1]


def size_limit() -> int:
    """Bytes of an utterance at most."""
    return min(LARGEST_BYTES, settings.MAX_UPLOAD_BYTES)


def _taken(tenant: Tenant, packet: Packet) -> Utterance:
    try:
        verdict, *taken = _begun(tenant, packet, packet.opening) if packet.opening else _continued(tenant, packet)
    except redis.RedisError as error:
        raise EngineUnreachable(type(error).__name__) from error
    if verdict != b"taken":
        raise _refusal(verdict.decode(), packet)
    opening, received = taken
    return Utterance(
        external_id=packet.external_id,
        opening=Opening(**json.loads(opening)),
        content=received + packet.content,
        complete=packet.number.final,
    )


def _begun(tenant: Tenant, packet: Packet, opening: Opening) -> Any:
    speaker = f"{_keys_of(tenant)}:speaker:{_digest(opening.org_id)}:{_digest(packet.external_id)}"
    terms = {"opening": json.dumps(asdict(opening)), "stream_limit": STREAMS_PER_TENANT}
    return _run(scripts.BEGIN, tenant, packet.number, speaker, _storable(packet), **_size_terms(packet), **terms)


def _continued(tenant: Tenant, packet: Packet) -> Any:
    return _run(scripts.CONTINUE, tenant, packet.number, "", _storable(packet), **_size_terms(packet))


def _storable(packet: Packet) -> bytes:
    """What is to lie in Redis until the next packet: nothing that is refused or complete anyway."""
    waits = not packet.number.final and len(packet.content) <= size_limit()
    return packet.content if waits else b""


def tenant_limit() -> int:
    """A share of the whole, and at least one utterance."""
    return max(settings.QUEUE_BYTES // TENANTS_SHARE, min(settings.QUEUE_BYTES, size_limit()))


def _size_terms(packet: Packet) -> dict[str, Any]:
    return {
        "user": packet.external_id,
        "size": len(packet.content),
        "size_limit": size_limit(),
        "platform_limit": settings.QUEUE_BYTES,
        "tenant_limit": tenant_limit(),
    }


def _refusal(verdict: str, packet: Packet) -> Exception:
    refusals: dict[str, Exception] = {
        "another user": Malformed("User-Id"),
        "not next": NotTheNextPacket(),
        "speaker taken": SpeakerTaken(),
        "empty": NothingSaid(),
        "too large": TooLarge(size_bytes=len(packet.content), limit_bytes=size_limit()),
        "too many streams": TooBusy(what="unfinished utterances of this tenant", limit=STREAMS_PER_TENANT),
        "too many bytes of tenant": TooBusy(what="bytes of unfinished utterances of this tenant", limit=tenant_limit()),
        "too many bytes": TooBusy(what="bytes of unfinished utterances on this platform", limit=settings.QUEUE_BYTES),
    }
    return refusals[verdict]


def _quietly(script: str, tenant: Tenant, number: PacketNumber) -> None:
    try:
        _run(script, tenant, number)
    except redis.RedisError:
        logger.warning("could not close an utterance; it expires by itself")


def _run(script: str, tenant: Tenant, number: PacketNumber, speaker: str = "", chunk: bytes = b"", **terms: Any) -> Any:
    about = terms | {"position": number.position, "final": number.final}
    return _evaluate(script, tenant, _digest(number.request_id), about, speaker=speaker, chunk=chunk)


def _evaluate(
    script: str, tenant: Tenant, request: str, terms: dict[str, Any], *, speaker: str = "", chunk: bytes = b""
) -> Any:
    keys = [
        f"{_keys_of(tenant)}:request:{request}",
        f"{_keys_of(tenant)}:content:{request}",
        f"{_keys_of(tenant)}:streams",
        f"{PREFIX}:streams",
        f"{PREFIX}:sizes",
        speaker,
    ]
    given = terms | {
        "now": int(timezone.now().timestamp() * 1000),
        "lasts": _measured_within_ms() if terms.get("final") else NEXT_PACKET_WITHIN_MS,
        "remembered": REMEMBERED_MS,
    }
    return connection().eval(script, len(keys), *keys, json.dumps(given), chunk)


def _measured_within_ms() -> int:
    return int(1000 * (settings.ANALYSIS_DEADLINE_SECONDS + SPARE_SECONDS))


def _keys_of(tenant: Tenant) -> str:
    return f"{PREFIX}:{tenant.pk}"


def _digest(text: str) -> str:
    """One length, and no character with a meaning."""
    return hashlib.sha256(text.encode()).hexdigest()
