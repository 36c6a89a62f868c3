"""What every test of this dialect says: a function, its parameters, what is heard, and who signs."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from api.iflytek.signature import authorization, signature
from tenants.models import Credential

SERVICE, OLDER_SERVICE = "s1aa729d0", "s782b4996"
HOST = "api.xf-yun.com"
SID = re.compile(r"ase000[0-9a-f]{5}@hu[0-9a-f]{11}[0-9]{7}")
WANTED_FORMAT = {"encoding": "utf8", "compress": "raw", "format": "json"}


@dataclass(frozen=True)
class Reply:
    """An answer of the service; `result` is the decoded text, None when it refused."""

    code: int
    message: str
    result: Any = None
    text: str = ""


class Iflytek:
    def __init__(self, client: Client, credential: Credential) -> None:
        self.client, self.credential = client, credential

    @property
    def tenant(self):
        return self.credential.tenant

    def create_group(self, group: str = "g1", **parameters: Any) -> Reply:
        return self.call("createGroup", groupId=group, **parameters)

    def create(self, feature: str, audio: bytes, **parameters: Any) -> Reply:
        return self.call("createFeature", audio, **{"groupId": "g1", "featureId": feature} | parameters)

    def update(self, feature: str, audio: bytes, **parameters: Any) -> Reply:
        return self.call("updateFeature", audio, **{"groupId": "g1", "featureId": feature} | parameters)

    def delete(self, feature: str, group: str = "g1") -> Reply:
        return self.call("deleteFeature", groupId=group, featureId=feature)

    def delete_group(self, group: str = "g1") -> Reply:
        return self.call("deleteGroup", groupId=group)

    def listed(self, group: str = "g1") -> Reply:
        return self.call("queryFeatureList", groupId=group)

    def score(self, feature: str, audio: bytes, **parameters: Any) -> Reply:
        return self.call("searchScoreFea", audio, **{"groupId": "g1", "dstFeatureId": feature} | parameters)

    def search(self, audio: bytes, **parameters: Any) -> Reply:
        return self.call("searchFea", audio, **{"groupId": "g1", "topK": 10} | parameters)

    def call(self, function: str, audio: bytes | None = None, **parameters: Any) -> Reply:
        return self.sent(self.body(function, audio, **parameters))

    def body(self, function: str, audio: bytes | None = None, **parameters: Any) -> dict[str, Any]:
        return request(self.tenant.app_id, function, audio, **parameters)

    def sent(self, body: Any, service: str = SERVICE) -> Reply:
        return read(self.raw(json.dumps(body), service))

    def raw(
        self, body: str | bytes, service: str = SERVICE, content_type: str = "application/json"
    ) -> HttpResponseBase:
        path = f"/v1/private/{service}"
        return self.client.post(f"{path}?{self.query(path)}", body, content_type=content_type)

    def query(self, path: str = f"/v1/private/{SERVICE}", host: str = HOST) -> str:
        """Signed by the server's clock, which a test may have set."""
        return urlencode(signed(self.credential, path, host))


def signed(credential: Credential, path: str, host: str = HOST, date: str = "") -> dict[str, str]:
    date = date or rfc_1123(timezone.now())
    digest = signature(host, date, path, credential.secret)
    return {"authorization": authorization(credential.key_id, digest), "host": host, "date": date}


def request(app_id: str, function: str, audio: bytes | None = None, **parameters: Any) -> dict[str, Any]:
    """A complete body as the vendor prints it; parameters that are None are left out."""
    sent = {name: value for name, value in parameters.items() if value is not None}
    body: dict[str, Any] = {
        "header": {"app_id": app_id, "status": 3},
        "parameter": {SERVICE: {"func": function, **sent, f"{function}Res": WANTED_FORMAT}},
    }
    if audio is not None:
        body["payload"] = {"resource": resource(audio)}
    return body


def resource(audio: bytes, encoding: str = "raw") -> dict[str, Any]:
    return {
        "encoding": encoding,
        "sample_rate": 16000,
        "channels": 1,
        "bit_depth": 16,
        "status": 3,
        "audio": base64.b64encode(audio).decode(),
    }


def read(reply: HttpResponseBase) -> Reply:
    """The answer, which must have the vendor's form in every respect."""
    assert reply.status_code == 200, reply.content
    assert reply["Content-Type"] == "application/json"
    envelope = json.loads(reply.content)
    header = envelope["header"]
    assert set(header) == {"code", "message", "sid"}
    assert type(header["code"]) is int
    assert SID.fullmatch(header["sid"]), header["sid"]
    if header["code"]:
        assert set(envelope) == {"header"}
        return Reply(header["code"], header["message"])
    assert set(envelope) == {"header", "payload"}
    ((_, block),) = envelope["payload"].items()
    assert set(block) == {"text"}
    assert block["text"]
    return Reply(0, header["message"], json.loads(base64.b64decode(block["text"], validate=True)), block["text"])


def gateway_message(reply: HttpResponseBase) -> str:
    """What the vendor's gateway says, in its form."""
    assert reply["Content-Type"] == "text/plain; charset=utf-8"
    ((name, message),) = json.loads(reply.content).items()
    assert name == "message"
    return message


def rfc_1123(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
