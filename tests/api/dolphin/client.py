"""What every test of this dialect says: an operation, its members, and under which base address."""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import Any

import numpy as np
from django.http.response import HttpResponseBase
from django.test import Client

from audio.results import SAMPLE_RATE
from tenants.models import Scope, Tenant
from tenants.services import issue_token
from tests.cast import UUID4, pcm_of, wav

SUCCESS, MISSING, INVALID, NOT_JSON, UNUSABLE, DONE_ALREADY, TOO_EARLY, UNKNOWN, INCOMPLETE = (
    "00000",
    "22111",
    "22121",
    "22123",
    "22124",
    "22131",
    "22132",
    "22133",
    "22134",
)
NOT_UNREGISTERED, NOBODY, SERVICE_ERROR, UNREADABLE = "22135", "22136", "22151", "22152"
USER = "susan"


class Dolphin:
    def __init__(self, client: Client, base: str, tenant: Tenant) -> None:
        self.client, self.base, self.tenant = client, base, tenant

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """The reply's body without its task_id, which is looked at here."""
        return told(self.raw(operation, members))

    def raw(self, operation: str, body: Any, content_type: str = "application/json") -> HttpResponseBase:
        return self.client.post(f"{self.base}/{operation}", body, content_type=content_type)

    def users(self) -> dict[str, Any]:
        return told(self.client.get(f"{self.base}/getUsers"))

    def enroll(self, number: int, content: bytes, name: str = USER, /, **members: Any) -> dict[str, Any]:
        sent = {"user_name": name, "enroll_num": number, **audio(content)} | members
        return self.call("enroll", **sent)

    def verify(self, content: bytes, name: str | None = None, /, **members: Any) -> dict[str, Any]:
        sent = audio(content) | ({} if name is None else {"user_name": name}) | members
        return self.call("verify", **sent)

    def check(self, name: str = USER) -> dict[str, Any]:
        return self.call("checkUser", user_name=name)["data"]

    def enroll_fully(self, voice: str, name: str = USER, group: int = 0) -> None:
        for number in (1, 2, 3):
            assert self.enroll(number, said(voice, number), name, group_id=group)["status"] == SUCCESS


def told(reply: HttpResponseBase) -> dict[str, Any]:
    assert reply["Content-Type"] == "application/json"
    body = reply.json()
    assert list(body) == ["task_id", "status", "message", "data"]
    assert re.fullmatch(UUID4, body.pop("task_id"))
    return body


def address_for(tenant: Tenant) -> str:
    _, secret = issue_token(tenant, scopes=[Scope.PATH])
    return f"/dolphin/{secret}"


def audio(content: bytes, form: str = "wav") -> dict[str, Any]:
    return {"format": form, "sample_rate": SAMPLE_RATE, "data": base64.b64encode(content).decode()}


@cache
def said(voice: str, number: int = 1, seconds: float = 5.0) -> bytes:
    """The first seconds of a recording, as the vendor has it: WAV, mono, 16 bit, 16 kHz."""
    return wav(headerless(voice, number, seconds))


@cache
def headerless(voice: str, number: int = 1, seconds: float = 5.0) -> bytes:
    """Said again and again where the recording is shorter."""
    samples = np.frombuffer(pcm_of(voice, number), "<i2")
    return np.resize(samples, round(seconds * SAMPLE_RATE)).tobytes()
