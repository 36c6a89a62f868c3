"""The same recording to every dialect, in turns: what each adds to the ABCPen operation that does the same work."""

from __future__ import annotations

import base64
import http.client
import io
import json
import random
import sys
import time
import uuid
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import urlencode

import numpy as np
from django.conf import settings

from api.abcpen.client import multipart, signed_headers
from api.iflytek import signature as iflytek_signature
from api.jdcloud.signature import neuhub_sign
from api.speakin.signature import DATE_FORMAT, authorization
from audio.decode import decode
from audio.results import SAMPLE_RATE
from bench.analysis import SAMPLES, SECONDS
from tenants.models import Credential, Scope
from tenants.services import issue_token
from voiceprints.results import LibraryKey
from voiceprints.services import save_library

ROUNDS = 80
RECOGNIZE, REGISTER = "abcpen recognize", "abcpen register"
NATIVE_ENROLL = "native enroll, near duplicates too"
# The operations that do what ABCPen's do not.
DOES_MORE = {NATIVE_ENROLL}
IFLYTEK_HOST, IFLYTEK_SERVICE = "api.xf-yun.com", "s1aa729d0"

Deeds = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Figures:
    """Median milliseconds: of each operation, and of what it takes longer than its counterpart in the same round."""

    absolute: dict[str, float]
    beyond_recognize: dict[str, float]
    beyond_register: dict[str, float]


def side_by_side(credential: Credential) -> Figures:
    client = Client(credential, five_seconds())
    recognizing = client.recognizing()
    registering = client.registering()
    others: Deeds = {"speakin compare, no recording": client.speakin_comparing()}
    times = measured(recognizing | registering | others)
    return Figures(
        absolute={name: float(np.median(taken)) for name, taken in times.items()},
        beyond_recognize=beyond(RECOGNIZE, recognizing, times),
        beyond_register=beyond(REGISTER, registering, times),
    )


def measured(deeds: Deeds) -> dict[str, list[float]]:
    """One of each per round, in an order of its own, so that a busy machine and a predecessor are unfair to none."""
    times: dict[str, list[float]] = {name: [] for name in deeds}
    chance = random.Random(1)
    for _ in range(ROUNDS):
        for name in chance.sample(list(deeds), len(deeds)):
            started = time.perf_counter()
            deeds[name]()
            times[name].append(1000 * (time.perf_counter() - started))
    return times


def beyond(counterpart: str, deeds: Deeds, times: Mapping[str, list[float]]) -> dict[str, float]:
    base = np.array(times[counterpart])
    return {name: float(np.median(np.array(times[name]) - base)) for name in deeds if name != counterpart}


def five_seconds() -> bytes:
    """Of speech, as the WAV file that every vendor takes."""
    spoken = np.resize(decode((SAMPLES / "susan" / "2.opus").read_bytes()).samples, int(SECONDS * SAMPLE_RATE))
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((spoken * 32767).astype("<i2").tobytes())
    return written.getvalue()


class Client:
    """Speaks every dialect over one kept connection, as barely as the standard library can.

    Whatever recognizes does so among the one speaker that was enrolled beforehand, whatever registers makes a new one.
    "The same once more" shows how far chance alone goes.
    """

    def __init__(self, credential: Credential, content: bytes) -> None:
        self.credential, self.tenant, self.content = credential, credential.tenant, content
        self.encoded = base64.b64encode(content).decode()
        self.token = issue_token(self.tenant, scopes=[Scope.ENROLL, Scope.RECOGNISE])[1]
        self.dolphin_token = issue_token(self.tenant, scopes=[Scope.PATH])[1]
        self.names = (f"speaker{number}" for number in count())
        self.connection = http.client.HTTPConnection(settings.LOCAL_URL.removeprefix("http://"))

    def recognizing(self) -> Deeds:
        self.abcpen("register", tag_id="one", spk_name="susan")
        self.native("enroll", tag_id="one", external_id="susan")
        self.iflytek("createGroup", groupId="one")
        self.iflytek("createFeature", self.encoded, groupId="one", featureId="susan")
        for number in (1, 2, 3):
            self.jdcloud("enroll", "susan")
            self.dolphin("enroll", user_name="susan", enroll_num=number)
        return {
            RECOGNIZE: lambda: self.abcpen("recognize", tag_id="one"),
            "the same once more": lambda: self.abcpen("recognize", tag_id="one"),
            "native identify": lambda: self.native("identify", tag_id="one"),
            "iflytek searchFea": lambda: self.iflytek("searchFea", self.encoded, groupId="one", topK=10),
            "jdcloud test": lambda: self.jdcloud("test", "susan"),
            "dolphin verify": lambda: self.dolphin("verify", user_name="susan"),
        }

    def registering(self) -> Deeds:
        self.iflytek("createGroup", groupId="many")
        # Everybody here has one voice, and the own API names whom a newcomer sounds like: so each is alone there.
        tags = [f"alone{number}" for number in range(ROUNDS)]
        for tag in tags:
            save_library(self.tenant, LibraryKey("dialects-native", tag))
        alone = iter(tags)
        return {
            REGISTER: lambda: self.abcpen("register", tag_id="many", spk_name=next(self.names)),
            NATIVE_ENROLL: lambda: self.native("enroll", tag_id=next(alone), external_id="susan"),
            "iflytek createFeature": lambda: self.iflytek(
                "createFeature", self.encoded, groupId="many", featureId=next(self.names)
            ),
            "jdcloud enroll": lambda: self.jdcloud("enroll", next(self.names)),
            "dolphin enroll": lambda: self.dolphin("enroll", user_name=next(self.names), enroll_num=1),
            "speakin vecforcompare": self.speakin_probe,
        }

    def speakin_comparing(self) -> Callable[[], object]:
        one, other = self.speakin_probe(), self.speakin_probe()
        body = json.dumps({"vecId": one, "cmpVecIdList": [other]}).encode()
        return lambda: self.speakin("compare", body, "application/json")

    def abcpen(self, operation: str, **fields: str) -> None:
        content_type, body = multipart({"org_id": "dialects"} | fields, self.content)
        headers = signed_headers(self.credential.key_id, self.credential.secret) | {"Content-Type": content_type}
        refuse(self.post(f"/voiceid/{operation}", body, headers), lambda reply: reply["code"] == "0")

    def native(self, operation: str, **fields: str) -> None:
        content_type, body = multipart({"org_id": "dialects-native"} | fields, self.content)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        refuse(self.post(f"/api/v1/{operation}", body, headers), lambda reply: "type" not in reply)

    def iflytek(self, function: str, audio: str | None = None, **parameters: Any) -> None:
        path, date = f"/v1/private/{IFLYTEK_SERVICE}", now()
        digest = iflytek_signature.signature(IFLYTEK_HOST, date, path, self.credential.secret)
        origin = iflytek_signature.authorization(self.credential.key_id, digest)
        query = urlencode({"authorization": origin, "host": IFLYTEK_HOST, "date": date})
        result = {"encoding": "utf8", "compress": "raw", "format": "json"}
        body: dict[str, Any] = {
            "header": {"app_id": self.tenant.app_id, "status": 3},
            "parameter": {IFLYTEK_SERVICE: {"func": function, **parameters, f"{function}Res": result}},
        }
        if audio is not None:
            form = {"encoding": "raw", "sample_rate": 16000, "channels": 1, "bit_depth": 16, "status": 3}
            body["payload"] = {"resource": form | {"audio": audio}}
        reply = self.post(f"{path}?{query}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        refuse(reply, lambda reply: reply["header"]["code"] == 0)

    def jdcloud(self, mode: str, user: str) -> None:
        timestamp = str(int(time.time() * 1000))
        sign = neuhub_sign(self.credential.secret, timestamp)
        query = urlencode({"appkey": self.credential.key_id, "timestamp": timestamp, "sign": sign})
        encode = {"channel": 1, "format": "wav", "sample_rate": 16000}
        properties = {"autoend": False, "platform": "Linux", "version": "0.0.0.1", "vpr_mode": mode, "encode": encode}
        headers = {
            "Content-Type": "application/octet-stream",
            "Request-Id": str(uuid.uuid4()),
            "Sequence-Id": "-1",
            "User-Id": user,
            "Server-Protocol": "1",
            "Net-State": "2",
            "Applicator": "1",
            "Property": json.dumps(properties),
        }
        refuse(self.post(f"/jdai/vpr?{query}", self.content, headers), lambda reply: reply["result"]["status"] == 0)

    def dolphin(self, operation: str, **members: Any) -> None:
        body = json.dumps(members | {"format": "wav", "sample_rate": SAMPLE_RATE, "data": self.encoded}).encode()
        path = f"/dolphin/{self.dolphin_token}/{operation}"
        reply = self.post(path, body, {"Content-Type": "application/json"})
        refuse(reply, lambda reply: reply["status"] == "00000")

    def speakin_probe(self) -> str:
        boundary = uuid.uuid4().hex
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="file1"; filename="a.wav"\r\n\r\n'
        body = part.encode() + self.content + f"\r\n--{boundary}--\r\n".encode()
        vec_id: str = self.speakin("vecforcompare", body, f"multipart/form-data; boundary={boundary}")["vecId"]
        return vec_id

    def speakin(self, operation: str, body: bytes, content_type: str) -> dict[str, Any]:
        signed = {"Date": now(), "Source": "bench"}
        signed["Authorization"] = authorization(self.credential.key_id, self.credential.secret, signed)
        reply = self.post(f"/release/num/{operation}", body, signed | {"Content-Type": content_type})
        refuse(reply, lambda reply: reply["hasError"] is False)
        data: dict[str, Any] = reply["data"]
        return data

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        self.connection.request("POST", path, body, dict(headers))
        reply: dict[str, Any] = json.loads(self.connection.getresponse().read())
        return reply


def refuse(reply: dict[str, Any], is_good: Callable[[dict[str, Any]], bool]) -> None:
    """Leave with what was said when that is not what it should be."""
    try:
        good = is_good(reply)
    except (KeyError, TypeError):
        good = False
    if not good:
        sys.exit(f"refused: {reply}")


def now() -> str:
    return datetime.now(UTC).strftime(DATE_FORMAT)
