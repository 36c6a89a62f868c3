"""Fetching a recording by its address, without becoming anybody's way into the networks around us.

A name is resolved once, every address it has must be public, and the connection goes to exactly such an address.
Redirects are followed by hand, so that each hop passes the same door; proxies of the environment are never used.
Why somebody cannot be reached stands in the log alone: who sent the address could learn from it which names there are.
"""

from __future__ import annotations

import logging
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpcore

from audio.errors import AudioError, TooLarge

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 3
MAX_URL_LENGTH = 4096
MAX_HEADER_BYTES = 128 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443}
LOWEST_UNPRIVILEGED_PORT = 1024
REDIRECTS = {301, 302, 303, 307, 308}

GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
UNFIT_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]


class DownloadError(AudioError):
    """The recording could not be had. Carries `reason`."""


class DownloadRefused(DownloadError):
    """The address is one that we do not go to."""


class DownloadFailed(DownloadError):
    """The other side was not reached or did not deliver; `status` when it answered with one."""


def download(
    url: str,
    *,
    deadline_seconds: float,
    limit_bytes: int,
    allow_networks: Iterable[Network] = (),
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """The body behind an http(s) URL. `deadline_seconds` covers everything from the first name to the last byte.

    Private addresses are refused unless in `allow_networks`. Raises DownloadRefused, DownloadFailed or TooLarge.
    """
    deadline = Deadline(deadline_seconds)
    may_receive_bytes = limit_bytes + MAX_HEADER_BYTES
    backend = GuardedBackend(deadline, may_receive_bytes, tuple(allow_networks), resolve or system_addresses)
    with httpcore.ConnectionPool(ssl_context=tls, network_backend=backend) as pool:
        try:
            return _follow(pool, Target.parse(url), limit_bytes)
        except httpcore.TimeoutException:
            raise DownloadFailed(reason="too slow", deadline_seconds=deadline_seconds) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise DownloadFailed(reason=type(error).__name__) from error


@dataclass(frozen=True)
class Target:
    """An address that passed the checks which need no network."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        if len(url) > MAX_URL_LENGTH or UNFIT_IN_URL.search(url):
            raise DownloadRefused(reason="malformed address")
        try:
            parts = urlsplit(url)
            host = _ascii_host(parts.hostname or "")
            port = DEFAULT_PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
            path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + _query(parts.query)
        except ValueError:
            raise DownloadRefused(reason="malformed address") from None
        if parts.scheme not in DEFAULT_PORTS:
            raise DownloadRefused(reason="not http(s)")
        if parts.username is not None or parts.password is not None:
            raise DownloadRefused(reason="credentials in the address")
        if port not in DEFAULT_PORTS.values() and port < LOWEST_UNPRIVILEGED_PORT:
            raise DownloadRefused(reason="port", port=port)
        return cls(parts.scheme, host, port, path)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    def redirected(self, location: str) -> Target:
        try:
            following = Target.parse(urljoin(self.url, location))
        except ValueError:
            raise DownloadRefused(reason="malformed address") from None
        if self.scheme == "https" and following.scheme == "http":
            raise DownloadRefused(reason="redirect from https to http")
        return following

    def request(self) -> httpcore.Request:
        authority = urlsplit(self.url).netloc
        return httpcore.Request(
            "GET",
            httpcore.URL(scheme=self.scheme, host=self.host, port=self.port, target=self.path),
            headers={"Host": authority, "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "OpenVPR"},
        )


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; raises httpcore.ReadTimeout when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


@dataclass
class GuardedBackend(httpcore.NetworkBackend):
    """Connects to public addresses alone, and lets every step take no longer than what is left of the deadline."""

    deadline: Deadline
    limit_bytes: int
    allow_networks: tuple[Network, ...]
    resolve: Resolve
    plain: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: httpcore.NetworkError | httpcore.TimeoutException = httpcore.ConnectError("no address")
        for address in self._addresses(host, port):
            try:
                stream = self.plain.connect_tcp(address, port, self.deadline.left(), local_address, socket_options)
                return GuardedStream(stream, self.deadline, self.limit_bytes)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        addresses = within(self.deadline, lambda: self.resolve(host, port))
        if not all(may_connect(address, self.allow_networks) for address in addresses):
            raise httpcore.ConnectError("not a public address")
        return addresses


class GuardedStream(httpcore.NetworkStream):
    """A connection that ends with the deadline, and when more has come than any acceptable answer has bytes."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline, limit_bytes: int) -> None:
        self._stream, self._deadline, self._left = stream, deadline, limit_bytes

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        content = self._stream.read(max_bytes, self._deadline.left())
        self._left -= len(content)
        if self._left < 0:
            raise DownloadFailed(reason="too much besides the recording")
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return GuardedStream(secured, self._deadline, self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def may_connect(address: str, allow_networks: Iterable[Network] = ()) -> bool:
    """Whether this resolved address is public, or one that the operator allows."""
    ip = ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in allow_networks) or is_public(ip)


# What some releases of the standard library take for global: protocol assignments, 6to4 relays, documentation.
NEVER_PUBLIC = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "64:ff9b:1::/48")))


def is_public(ip: Address) -> bool:
    """Globally routable, and so is every IPv4 address that a tunnel or translator would take it for."""
    if any(ip in network for network in NEVER_PUBLIC):
        return False
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast
    if ip in NAT64:
        return is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
    embedded = [ip.sixtofour, *(ip.teredo or ())]
    return ip in GLOBAL_UNICAST and ip.is_global and all(inner is None or is_public(inner) for inner in embedded)


def system_addresses(host: str, port: int) -> list[str]:
    """Every address the system's resolver knows, in its order of preference. Raises httpcore.ConnectError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("unknown name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def within(deadline: Deadline, call: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What `call` returns or raises; the system's resolver knows no timeout, so it is left behind when late."""
    outcome: queue.Queue[Sequence[str] | httpcore.ConnectError] = queue.Queue(1)

    def run() -> None:
        try:
            outcome.put(call())
        except httpcore.ConnectError as error:
            outcome.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = outcome.get(timeout=deadline.left())
    except queue.Empty:
        raise httpcore.ConnectTimeout from None
    if isinstance(result, httpcore.ConnectError):
        raise result
    return result


def _follow(pool: httpcore.ConnectionPool, target: Target, limit_bytes: int) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        response = _answered(pool, target)
        try:
            if response.status not in REDIRECTS:
                return _body(response, limit_bytes)
            target = target.redirected(_header(response, b"location"))
        finally:
            response.close()
    raise DownloadFailed(reason="too many redirects", limit=MAX_REDIRECTS)


def _answered(pool: httpcore.ConnectionPool, target: Target) -> httpcore.Response:
    try:
        return pool.handle_request(target.request())
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        logger.info("no recording from %s, port %d: %r", target.host, target.port, error)
        raise DownloadFailed(reason="not reachable") from None


def _body(response: httpcore.Response, limit_bytes: int) -> bytes:
    if response.status != 200:
        raise DownloadFailed(reason="status", status=response.status)
    if _header(response, b"content-encoding").lower() not in {"", "identity"}:
        raise DownloadFailed(reason="compressed although we asked for identity")
    declared = _header(response, b"content-length")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise TooLarge(size_bytes=int(declared), limit_bytes=limit_bytes)
    return _joined(response.iter_stream(), limit_bytes)


def _joined(chunks: Iterable[bytes], limit_bytes: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit_bytes:
            raise TooLarge(size_bytes=len(body), limit_bytes=limit_bytes)
    return bytes(body)


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1").strip() for key, value in response.headers if key.lower() == name), "")


def _ascii_host(host: str) -> str:
    """Raises UnicodeError, which is a ValueError, for what is no name in any script."""
    ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    if not ascii_host or "%" in ascii_host:
        raise ValueError("no host")
    return ascii_host


def _query(query: str) -> str:
    return "?" + quote(query, safe="/%:@!$&'()*+,;=~?[]") if query else ""
