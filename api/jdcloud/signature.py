"""The vendor's two signatures, as functions over what came over the wire.

Texts are as WSGI hands them over, one character per byte.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from urllib.parse import quote, unquote_to_bytes

from api.protocol import AccessRefused

DATE = "x-jdcloud-date"
CONTENT_SHA256 = "x-jdcloud-content-sha256"
# Clients that upload files sign one of these in place of what they send.
UNCOMPARED_HASHES = {hashlib.sha256(b"").hexdigest(), "UNSIGNED-PAYLOAD"}

# The vendor's document prints it without any space; its clients send them.
AUTHORIZATION = re.compile(
    r"JDCLOUD(?P<generation>[23])-HMAC-SHA256 *"
    r"Credential=(?P<key_id>.+)/(?P<day>\d{8})/(?P<region>[^/,]*)/(?P<service>[^/,]*)/jdcloud(?P=generation)_request,"
    r" *SignedHeaders=(?P<signed_headers>[^, ]+), *Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
DEFAULT_PORT = re.compile(r":(80|443)\Z")
RUN_OF_SPACES = re.compile(r" +")
RUN_OF_SLASHES = re.compile(r"/+")


@dataclass(frozen=True)
class Authorization:
    """The header of that name, taken apart."""

    generation: str
    key_id: str
    day: str
    region: str
    service: str
    signed_headers: str
    signature: str

    @classmethod
    def of(cls, text: str) -> Authorization:
        """Raises AccessRefused for what is no such header, or leaves the date unsigned."""
        parts = AUTHORIZATION.fullmatch(text.strip())
        if parts is None:
            raise AccessRefused
        authorization = cls(**parts.groupdict())
        if DATE not in authorization.names:
            raise AccessRefused
        return authorization

    @property
    def names(self) -> list[str]:
        return sorted(self.signed_headers.lower().split(";"))

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/jdcloud{self.generation}_request"

    def key(self, secret: str) -> bytes:
        steps = [self.day, self.region, self.service, f"jdcloud{self.generation}_request"]
        return reduce(_hmac, map(_bytes, steps), f"JDCLOUD{self.generation}{secret}".encode())

    def expected(self, key: bytes, date: str, canonical_request: bytes) -> str:
        digest = hashlib.sha256(canonical_request).hexdigest()
        to_sign = "\n".join([f"JDCLOUD{self.generation}-HMAC-SHA256", date, self.scope, digest])
        return _hmac(key, _bytes(to_sign)).hex()


@dataclass(frozen=True)
class Sent:
    """What a signature covers. `headers` by lower-case name; `body` is asked for when its hash is needed."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Callable[[], bytes]

    def header(self, name: str) -> str:
        return self.headers.get(name, "").strip()


def is_signed(sent: Sent, authorization: Authorization, secret: str) -> bool:
    """Whether the signature is that of one of the canonical forms in which clients sign such a request."""
    key, date = authorization.key(secret), sent.header(DATE)
    expected = [authorization.expected(key, date, form) for form in canonical_requests(sent, authorization)]
    return any(hmac.compare_digest(one, authorization.signature) for one in expected)


def canonical_requests(sent: Sent, authorization: Authorization) -> list[bytes]:
    """Each spelling once, the plainest first. None when the signed hash is not that of the body."""
    payload_hash = _payload_hash(sent, authorization.names)
    if payload_hash is None:
        return []
    signed_headers = authorization.signed_headers.lower()
    spellings = product(_paths(sent.path), _queries(sent.query), _header_blocks(sent, authorization.names))
    texts = (
        "\n".join([sent.method, path, query, headers, signed_headers, payload_hash])
        for path, query, headers in spellings
    )
    return list(dict.fromkeys(form for text in texts for form in _encodings(text)))


def neuhub_sign(secret: str, timestamp: str) -> str:
    # MD5 is what the vendor's clients compute.
    return hashlib.md5(f"{secret}{timestamp}".encode(), usedforsecurity=False).hexdigest()


def _payload_hash(sent: Sent, names: Iterable[str]) -> str | None:
    """What was signed in place of the body: a hash in a signed header, or that of the body itself."""
    declared = sent.header(CONTENT_SHA256) if CONTENT_SHA256 in names else ""
    if declared in UNCOMPARED_HASHES:
        return declared
    found = hashlib.sha256(sent.body()).hexdigest()
    return found if declared in {"", found} else None


def _paths(path: str) -> Iterator[str]:
    yield path or "/"
    yield _recoded(RUN_OF_SLASHES.sub("/", path or "/"), safe="/")


def _queries(query: str) -> Iterator[str]:
    pairs = [part.partition("=") for part in query.split("&") if part]
    yield query
    yield _joined((name, value) for name, _, value in pairs)
    yield _joined((_recoded(name), _recoded(value)) for name, _, value in pairs)


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _header_blocks(sent: Sent, names: list[str]) -> Iterator[str]:
    """With the host as sent or without a default port, and runs of spaces as sent or squeezed."""
    values = {name: sent.header(name) for name in names}
    for host in dict.fromkeys([sent.header("host"), DEFAULT_PORT.sub("", sent.header("host"))]):
        lines = [f"{name}:{host if name == 'host' else values[name]}\n" for name in names]
        yield "".join(lines)
        yield RUN_OF_SPACES.sub(" ", "".join(lines))


def _recoded(text: str, safe: str = "") -> str:
    return quote(unquote_to_bytes(_bytes(text)), safe=safe)


def _encodings(text: str) -> Iterator[bytes]:
    """The bytes that came, and what a client signed that sent Latin-1 and signed UTF-8."""
    yield _bytes(text)
    yield text.encode()


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
