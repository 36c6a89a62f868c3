"""What every test of this dialect says: an operation, its files or ids, and who signs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from api.speakin.signature import DATE_FORMAT, authorization
from tenants.models import Credential
from tests.cast import recording

NOBODYS_ID = "00000000-0000-4000-8000-000000000000"


def refusal(text: str, error_id: str = "LOGINC_ERROR") -> dict[str, Any]:
    return {"hasError": True, "errorId": error_id, "errorDesc": text, "data": {}}


TOO_FEW_FILES = refusal("文件个数太少，请重试")
BAD_FILE = refusal("上传文件格式错误，请重试")
UNKNOWN_ID = refusal("vecid错误，请重试")
OTHER_VOICES = refusal("文件不是同一人的声音，请重试")
TOO_MANY_IDS = refusal("一次最多比对100条，请重试")
BAD_REQUEST = refusal("请求参数错误，请重试")
NO_CONSENT = refusal("缺少说话人的同意凭证，请联系管理员")
QUOTA_EXHAUSTED = refusal("已达到配额上限，请联系管理员")
SYSTEM_ERROR = refusal("系统错误，请重试", "SYSTEM_ERROR")


class Speakin:
    def __init__(self, client: Client, credential: Credential) -> None:
        self.client, self.credential = client, credential

    @property
    def tenant(self):
        return self.credential.tenant

    def register(self, *contents: bytes, **parts: Any) -> dict[str, Any]:
        return self.post("vecforregister", files(*contents) | parts).json()

    def probe(self, *contents: bytes, **parts: Any) -> dict[str, Any]:
        return self.post("vecforcompare", files(*contents) | parts).json()

    def compare(self, vec_id: str, *others: str) -> dict[str, Any]:
        return self.ask({"vecId": vec_id, "cmpVecIdList": list(others)})

    def ask(self, body: object, content_type: str = "application/json") -> dict[str, Any]:
        content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body)
        return self.send("compare", content, content_type).json()

    def send(self, operation: str, content: bytes | str, content_type: str, **headers: str) -> HttpResponseBase:
        """The content as it is, whatever its type claims."""
        path = f"/release/num/{operation}"
        return self.client.generic("POST", path, content, content_type, headers=self.headers() | headers)

    def post(self, operation: str, *arguments: Any, **options: Any) -> HttpResponseBase:
        return self.client.post(f"/release/num/{operation}", *arguments, headers=self.headers(), **options)

    def headers(self) -> dict[str, str]:
        """Signed by the server's clock, which a test may have set."""
        return signed(self.credential, timezone.now())

    def registered(self, voice: str) -> str:
        """The id of three of the voice's four recordings."""
        return vec_id(self.register(*[recording(voice, number) for number in (1, 2, 3)]))

    def probed(self, voice: str, number: int = 4) -> str:
        return vec_id(self.probe(recording(voice, number)))


def vec_id(reply: dict[str, Any]) -> str:
    assert reply == {"data": {"vecId": reply["data"]["vecId"]}, "errorDesc": "", "errorId": "", "hasError": False}
    return reply["data"]["vecId"]


def scores(reply: dict[str, Any]) -> list[float]:
    assert not reply["hasError"]
    return [entry["score"] for entry in reply["data"]["cmpResultList"]]


def signed(credential: Credential, moment: datetime, algorithm: str = "hmac-sha1") -> dict[str, str]:
    headers = {"Date": moment.astimezone(UTC).strftime(DATE_FORMAT), "Source": "test"}
    return headers | {"Authorization": authorization(credential.key_id, credential.secret, headers, algorithm)}


def files(*contents: bytes) -> dict[str, Any]:
    return {f"file{number}": part(content) for number, content in enumerate(contents, 1)}


def part(content: bytes, name: str = "a-1.wav", content_type: str = "audio/x-wav") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type)
