"""Whatever is sent, the answer is an envelope: no HTML, no traceback, no unforeseen failure."""

import json
import random

import pytest

from tests.api.dolphin.client import SERVICE_ERROR, USER, audio, said, told
from tests.cast import SUSAN

pytestmark = pytest.mark.django_db

OPERATIONS = ["checkUser", "enroll", "verify", "unregister"]
FIELDS = ["user_name", "format", "sample_rate", "enroll_num", "group_id", "data"]
NASTY = [
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    10**40,
    -(10**40),
    1.5,
    1e308,
    "",
    " ",
    "0",
    "wav",
    USER,
    "a" * 5000,
    "\x00",
    "user\x00name",
    "\ud800",
    "\udfff" * 4,
    "\ufffd",
    "\u202e",
    "名字名字",
    "𝄞",
    "../../etc/passwd",
    "'; DROP TABLE",
    "<script>",
    [],
    [None],
    [[[[]]]],
    [0, 1, 2],
    ["\ud800"],
    list(range(1000)),
    {},
    {"a": {"b": []}},
]


def sound():
    return {"user_name": USER, "enroll_num": 1, "format": "wav", "sample_rate": 16000, "data": "AAAA"}


def refuse_anything_but_an_envelope(reply):
    assert reply.status_code == 200
    body = told(reply)
    assert isinstance(body["status"], str)
    assert len(body["status"]) == 5
    assert isinstance(body["message"], str)
    assert body["status"] != SERVICE_ERROR, body


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("field", FIELDS)
def test_junk_in_one_field_is_answered(dolphin, operation, field):
    for value in NASTY:
        refuse_anything_but_an_envelope(dolphin.raw(operation, json.dumps(sound() | {field: value})))


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_recording_is_answered(dolphin, seed):
    chance = random.Random(seed)
    content = bytearray(said(SUSAN))
    for _ in range(chance.randrange(1, 40)):
        content[chance.randrange(60)] = chance.randrange(256)
    for form in ("wav", "pcm"):
        sent = {
            "user_name": USER,
            "enroll_num": 1,
            **audio(bytes(content[: chance.choice([44, 60, 100_000, None])]), form),
        }
        refuse_anything_but_an_envelope(dolphin.raw("enroll", sent))


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0", "a" * 5000, ""])
def test_whatever_a_client_accepts_it_gets_json(dolphin, accept):
    reply = dolphin.client.get(f"{dolphin.base}/getUsers?format=xml", headers={"Accept": accept})
    refuse_anything_but_an_envelope(reply)


def test_a_body_is_no_matter_where_none_is_asked_for(dolphin):
    reply = dolphin.client.generic("GET", f"{dolphin.base}/getUsers", b"\xff{", "application/json")
    refuse_anything_but_an_envelope(reply)
