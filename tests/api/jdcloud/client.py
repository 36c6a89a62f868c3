"""What every test of this dialect says: a packet, whose, and who signs."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any
from urllib.parse import urlencode

from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from api.jdcloud.signature import Authorization, Sent, canonical_requests, neuhub_sign
from tenants.models import Credential

VPR = "/jdai/vpr"
UNLIMITED = {"charge": False, "remain": -1, "remainTimes": -1, "remainSeconds": -1}
NORMAL = {"code": "10000", "msg": "查询成功"} | UNLIMITED


class Jdcloud:
    """Sends packets of one user, signed in the NeuHub way; `send` answers the inner result."""

    def __init__(self, client: Client, credential: Credential) -> None:
        self.client, self.credential = client, credential

    @property
    def tenant(self):
        return self.credential.tenant

    def send(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        reply = self.reply(*arguments, **options)
        assert reply.status_code == 200
        assert reply.json() == NORMAL | {"result": reply.json()["result"]}
        return reply.json()["result"]

    def enroll(self, content: bytes, **options: Any) -> dict[str, Any]:
        return self.send(content, mode="enroll", **options)

    def test(self, content: bytes, **options: Any) -> dict[str, Any]:
        return self.send(content, mode="test", **options)

    def reply(
        self,
        content: bytes = b"",
        sequence: int | str = -1,
        *,
        query: str | None = None,
        content_type: str = "application/octet-stream",
        **options: Any,
    ) -> HttpResponseBase:
        """Headers may be given by their names with underscores; None leaves one out."""
        sent = packet_headers(sequence, **options)
        path = f"{VPR}?{self.signed() if query is None else query}"
        return self.client.generic("POST", path, content, content_type, headers=sent)

    def signed(self) -> str:
        """By the server's clock, which a test may have set."""
        return signed(self.credential, int(timezone.now().timestamp() * 1000))


def packet_headers(
    sequence: int | str = -1,
    *,
    mode: str = "enroll",
    request_id: str | None = "",
    user: str | None = "user-0001",
    **headers: str | None,
) -> dict[str, str]:
    given = {
        "Request-Id": str(uuid.uuid4()) if request_id == "" else request_id,
        "Sequence-Id": str(sequence),
        "User-Id": user,
        "Server-Protocol": "1",
        "Net-State": "2",
        "Applicator": "1",
        "Property": described(mode),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return {name: value for name, value in given.items() if value is not None}


def described(mode: str = "enroll", **changes: Any) -> str:
    """A Property header; `changes` go into its `encode` where that has such a field."""
    encode = {"channel": 1, "format": "wav", "sample_rate": 16000}
    inside = {name: value for name, value in changes.items() if name in encode}
    outside = {name: value for name, value in changes.items() if name not in encode}
    properties = {"autoend": False, "platform": "Linux&Centos&7.3", "version": "0.0.0.1", "vpr_mode": mode}
    return json.dumps(properties | {"encode": encode | inside} | outside, separators=(",", ":"))


def signed(credential: Credential, timestamp: int | str) -> str:
    sign = neuhub_sign(credential.secret, str(timestamp))
    return urlencode({"appkey": credential.key_id, "timestamp": timestamp, "sign": sign})


def authorized(
    credential: Credential,
    content: bytes,
    headers: dict[str, str],
    *,
    generation: str = "2",
    query: str = "",
    names: str = "content-type;host;x-jdcloud-date;x-jdcloud-nonce",
    region: str = "cn-north-1",
    content_type: str = "application/octet-stream",
) -> dict[str, str]:
    """`headers` and those of a signature over them, as a client of the test server sends them."""
    now = f"{timezone.now():%Y%m%dT%H%M%SZ}"
    headers = headers | {"x-jdcloud-date": now, "x-jdcloud-nonce": "ed558a3b-9808-4edb-8597-187bda63a4f2"}
    wire = {name.lower(): value for name, value in headers.items()} | {
        "host": "testserver",
        "content-type": content_type,
    }
    parts = Authorization(generation, credential.key_id, now[:8], region, "aiapi", names, "")
    form = canonical_requests(Sent("POST", VPR, query, wire, lambda: content), parts)[0]
    signature = parts.expected(parts.key(credential.secret), now, form)
    return headers | {
        "Host": wire["host"],
        "Content-Type": content_type,
        "Authorization": f"JDCLOUD{generation}-HMAC-SHA256 Credential={credential.key_id}/{parts.scope}, "
        f"SignedHeaders={names}, Signature={signature}",
    }


def halves(content: bytes) -> tuple[bytes, bytes]:
    return content[: len(content) // 2], content[len(content) // 2 :]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
