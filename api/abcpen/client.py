"""A client of this dialect, as a customer would write one: for the demonstration, measurements and tests."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpcore

from api.abcpen.signature import signature

TIMEOUTS = {"connect": 5.0, "read": 60.0, "write": 60.0, "pool": 60.0}


class Unreachable(Exception):
    """Nobody answers at the address, or not in this dialect."""


class Refused(Exception):
    def __init__(self, code: str, msg: str) -> None:
        self.code, self.msg = code, msg
        super().__init__(f"{code} {msg}")


class Client:
    def __init__(self, url: str, appid: str, secret: str) -> None:
        self._url, self._appid, self._secret = url.rstrip("/"), appid, secret
        self._pool = httpcore.ConnectionPool()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def register(self, audio: bytes, **fields: str) -> dict[str, Any]:
        registered: dict[str, Any] = self._post("register", audio, fields)
        return registered

    def recognize(self, audio: bytes, **fields: str) -> list[dict[str, Any]]:
        candidates: list[dict[str, Any]] = self._post("recognize", audio, fields)
        return candidates

    def count(self, **fields: str) -> int:
        return int(self._get("count", fields)["count"])

    def delete_speakers(self, **fields: str) -> int:
        return int(self._get("delete-speakers", fields))

    def _get(self, operation: str, fields: Mapping[str, str]) -> Any:
        return self._data("GET", f"{operation}?{urlencode(fields)}", {}, b"")

    def _post(self, operation: str, audio: bytes, fields: Mapping[str, str]) -> Any:
        content_type, body = multipart(fields, audio)
        return self._data("POST", operation, {"Content-Type": content_type}, body)

    def _data(self, method: str, operation: str, headers: Mapping[str, str], body: bytes) -> Any:
        signed = [*headers.items(), *signed_headers(self._appid, self._secret).items()]
        try:
            url = f"{self._url}/voiceid/{operation}"
            reply = self._pool.request(method, url, headers=signed, content=body, extensions={"timeout": TIMEOUTS})
            envelope = json.loads(reply.content)
            code, msg, data = envelope["code"], envelope["msg"], envelope.get("data")
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise Unreachable(type(error).__name__) from error
        except (ValueError, KeyError, TypeError) as error:
            raise Unreachable("the answer is not of this platform") from error
        if code != "0":
            raise Refused(code, msg)
        return data


def signed_headers(appid: str, secret: str) -> dict[str, str]:
    ts = str(int(time.time()))
    return {"X-App-Key": appid, "X-Timestamp": ts, "X-App-Signature": signature(appid, ts, secret)}


def multipart(fields: Mapping[str, str], audio: bytes) -> tuple[str, bytes]:
    """Content type and body of a form with these fields and one recording."""
    boundary = uuid.uuid4().hex
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="{{}}"{{}}\r\n\r\n'
    texts = [part.format(name, "") + value + "\r\n" for name, value in fields.items()]
    opening = "".join(texts) + part.format("audio", '; filename="audio"')
    return f"multipart/form-data; boundary={boundary}", opening.encode() + audio + f"\r\n--{boundary}--\r\n".encode()
