"""The conversation of the vendor's document, request by request."""

import json
import re

import pytest
from django.utils import timezone

from tests.api.abcpen.client import part
from tests.cast import KEN, SUSAN, UUID4, recording
from tests.clock import NEW_YEAR, fixed

SIGNED = {"X-App-Key": "test1", "X-Timestamp": "1735689600", "X-App-Signature": "Yu0LMR6HahQ5HkN1xx4yXX5wiMk="}
IN_QUERY = "appid=test1&ts=1735689600&signa=Yu0LMR6HahQ5HkN1xx4yXX5wiMk%3D"
URL = re.compile(rf"https?://.+/voiceid/acme/20250101/{UUID4}\.flac")
COUNT = "/voiceid/count?org_id=acme&tag_id=t1"
NOBODY = {"code": "0", "msg": "success", "data": {"count": 0}}


def test_the_golden_conversation(client, vector_b, monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))

    def get(path, headers=SIGNED):
        return client.get(path, headers=headers).json()

    def post(operation, **fields):
        return client.post(f"/voiceid/{operation}", fields, headers=SIGNED).json()

    alice = {"spk_name": "alice", "org_id": "acme", "tag_id": "t1"}
    alice_1, alice_2, zhang_1 = recording(SUSAN, 1), recording(SUSAN, 2), recording(KEN, 1)

    assert get(COUNT) == NOBODY

    registered = post("register", audio=part(alice_1), **alice)
    assert registered == {"code": "0", "msg": "success", "data": {"audio_url": registered["data"]["audio_url"]}}
    assert URL.fullmatch(registered["data"]["audio_url"])

    assert post("register", audio=part(alice_1), **alice)["code"] == "10107"

    assert post("register/v2", spk_name="张明", org_id="acme", tag_id="t1", audio=part(zhang_1))["code"] == "0"

    recognized = post("recognize", org_id="acme", audio=part(alice_2))
    first, second = recognized["data"]
    assert recognized["code"] == "0"
    assert (first.pop("spk_name"), first.pop("tag")) == ("alice", "t1")
    assert URL.fullmatch(first.pop("audio_path"))
    assert first.pop("score") > second["score"]
    assert first == {}
    assert second["spk_name"] == "张明"

    assert [entry["spk_name"] for entry in get("/voiceid/list?org_id=acme&tag_id=t1&limit=1")["data"]] == ["alice"]
    assert [entry["spk_name"] for entry in get("/voiceid/list?app_id=acme&offset=1")["data"]] == ["张明"]

    found = get("/voiceid/voice-url?org_id=acme&tag_id=t1&spk-name=alice")
    assert found == {"code": "0", "msg": "success", "data": {"audio_path": found["data"]["audio_path"]}}
    assert URL.fullmatch(found["data"]["audio_path"])

    without_audio = post("register", spk_name="bob", org_id="acme", tag_id="t1")
    assert without_audio["code"] == "10106"
    assert without_audio["msg"].startswith("invalid parameter")

    assert post("recognize", org_id="acme", audio="ftp://x/y.wav") == {
        "code": "10109",
        "msg": "audio url is not valid http(s) url",
    }

    deleted = {"code": "0", "msg": "success", "data": 1}
    assert get("/voiceid/delete-speakers?org_id=acme&tag_id=t1&speaker=alice") == deleted
    assert get("/voiceid/delete-all?org_id=acme&tag_id=t1") == deleted

    assert get(f"{COUNT}&{IN_QUERY}", headers={}) == NOBODY

    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + 301))
    assert get(COUNT) == {"code": "10105", "msg": "illegal access"}


@pytest.mark.django_db
def test_replies_are_compact_utf8_json(abcpen):
    abcpen.register(recording(SUSAN), "张明")
    reply = abcpen.raw_get("count", org_id="acme")
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.content == b'{"code":"0","msg":"success","data":{"count":1}}'
    assert "张明".encode() in abcpen.raw_get("list", org_id="acme").content
    assert json.loads(reply.content)["data"] == {"count": 1}
