"""The conversation of the vendor's document, request by request."""

import json
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from tests.api.dolphin.client import (
    DONE_ALREADY,
    INCOMPLETE,
    INVALID,
    NOBODY,
    NOT_JSON,
    NOT_UNREGISTERED,
    SUCCESS,
    TOO_EARLY,
    UNKNOWN,
    UNUSABLE,
    said,
    told,
)
from tests.cast import KEN, SUSAN

pytestmark = pytest.mark.django_db

NEW_YEAR = datetime(2022, 1, 1, 12, 0, 0, tzinfo=UTC)


def test_the_golden_conversation(dolphin, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NEW_YEAR)
    a_1, a_2, a_3, a_4 = (said(SUSAN, number) for number in (1, 2, 3, 4))
    b_1 = said(KEN, 1)

    def enroll(number, content, **members):
        return dolphin.enroll(number, content, "test", **members)

    unknown = {"user_name": "test", "enroll_num": 0, "update_time": "", "group_id": None}
    assert dolphin.call("checkUser", user_name="test") == answer(SUCCESS, "success", unknown)

    assert enroll(2, a_1) == answer(
        TOO_EARLY, "invalid operation: the previous registration has not been completed", progress(0)
    )
    assert dolphin.verify(a_1, "test") == answer(UNKNOWN, "the user_name hasn't been registered", progress(0))
    assert enroll(1, a_1, group_id=5) == answer(
        SUCCESS, "the first time you enroll successfully, you need to enroll twice more", progress(1)
    )
    assert dolphin.verify(a_2, "test") == answer(
        INCOMPLETE, "the user_name hasn't been registered completely", progress(1)
    )
    assert enroll(2, b_1, group_id=5) == answer(
        UNUSABLE, "Voiceprint mismatch with that of the initial registration", progress(1)
    )
    assert enroll(2, a_2, group_id=5) == answer(
        SUCCESS, "the second registration is successful, please register one more time", progress(2)
    )
    assert enroll(3, a_3) == answer(
        SUCCESS, "the third registration is successful, registration completed", progress(3)
    )
    assert enroll(3, a_3) == answer(
        DONE_ALREADY, "invalid operation: the registration process has already been completed", progress(3)
    )

    known = {"user_name": "test", "enroll_num": 3, "update_time": "2022-01-01 12:00:00", "group_id": 0}
    assert dolphin.users() == answer(SUCCESS, "success", [known])

    verified = dolphin.verify(a_4, "test", group_id=[5])
    assert verified == answer(SUCCESS, "success", {"user_name": "test", "confidence": verified["data"]["confidence"]})
    assert 0.7 < verified["data"]["confidence"] <= 1

    assert dolphin.verify(a_4, group_id=[5]) == answer(NOBODY, "no available user_name", None)
    found = {"user_name": "test", "confidence": verified["data"]["confidence"], "group_id": 0}
    assert dolphin.verify(a_4, group_id=[0]) == answer(SUCCESS, "success", [found])

    assert dolphin.verify(said(SUSAN, 1, 2.0), "test") == answer(
        UNUSABLE, "audio data in data does not meet the required constraints", progress(3)
    )
    assert dolphin.call("checkUser", user_name="ab")["status"] == INVALID
    assert told(dolphin.raw("checkUser", "{")) == answer(NOT_JSON, "json string error", None)

    assert dolphin.call("unregister", user_name="test") == answer(SUCCESS, "success", {"user_name": "test"})
    assert dolphin.call("unregister", user_name="test") == answer(
        NOT_UNREGISTERED, "unregistration failed: this user_name hasn't been registered", {"user_name": "test"}
    )


def test_each_reply_has_a_task_of_its_own(dolphin):
    tasks = {dolphin.raw("checkUser", {"user_name": "test"}).json()["task_id"] for _ in range(5)}
    assert len(tasks) == 5


def test_replies_are_compact_utf8_json(dolphin):
    reply = dolphin.raw("checkUser", {"user_name": "名"})
    assert (reply.status_code, reply["Content-Type"], reply["Cache-Control"]) == (200, "application/json", "no-store")
    body = json.loads(reply.content)
    assert reply.content.decode() == json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def answer(status, message, data):
    return {"status": status, "message": message, "data": data}


def progress(done):
    return {"user_name": "test", "enroll_num": done}
