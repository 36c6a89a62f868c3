"""What every test of our own API says: a method, a path, and the token to say it with."""

from __future__ import annotations

import base64
import json
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.test import Client

from tenants.models import Tenant
from tenants.services import issue_token

EVERYTHING = ["read", "listen", "enroll", "recognise", "admin"]
JSON, PROBLEM_JSON = "application/json", "application/problem+json"
STAFF = {"org_id": "acme", "tag_id": "staff"}


class Native:
    def __init__(self, client: Client, tenant: Tenant, *scopes: str) -> None:
        self.client, self.tenant = client, tenant
        _, self.token = issue_token(tenant, scopes=scopes or EVERYTHING)

    def ask(self, method: str, path: str, body: Any = None, headers: Any = None, **query: Any) -> HttpResponseBase:
        """A JSON body, when there is one."""
        return self.client.generic(
            method,
            f"/api/v1/{path}",
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
            content_type=JSON,
            query_params=query,
            headers=self.authorization | (headers or {}),
        )

    def get(self, path: str, headers: Any = None, **query: Any) -> HttpResponseBase:
        return self.ask("GET", path, headers=headers, **query)

    def post(self, path: str, body: Any = None, headers: Any = None) -> HttpResponseBase:
        return self.ask("POST", path, body, headers)

    def patch(self, path: str, body: Any, headers: Any = None) -> HttpResponseBase:
        return self.ask("PATCH", path, body, headers)

    def delete(self, path: str, headers: Any = None) -> HttpResponseBase:
        return self.ask("DELETE", path, headers=headers)

    def form(self, path: str, **fields: Any) -> HttpResponseBase:
        return self.client.post(f"/api/v1/{path}", fields, headers=self.authorization)

    def enroll(self, name: str, *utterances: bytes, **fields: Any) -> HttpResponseBase:
        body = STAFF | {"external_id": name, "audio": [encoded(content) for content in utterances]} | fields
        return self.post("enroll", body)

    def identify(self, content: bytes, **fields: Any) -> HttpResponseBase:
        return self.post("identify", STAFF | {"audio": encoded(content)} | fields)

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def part(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("audio.opus", content, "audio/ogg")


def problem(reply: HttpResponseBase) -> tuple[int, str]:
    """(status, what went wrong), having checked that it is a problem as RFC 9457 has it."""
    assert reply["Content-Type"] == PROBLEM_JSON
    said = reply.json()
    assert said["status"] == reply.status_code
    assert said["request_id"] == reply["X-Request-Id"]
    assert said["title"]
    return reply.status_code, said["type"].removeprefix("urn:openvpr:problem:")
