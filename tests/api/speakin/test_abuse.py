"""Whatever is sent, the answer is the vendor's: no HTML, no traceback, no unforeseen failure."""

import json
import random

import pytest

from tests.api.speakin.client import Speakin
from tests.cast import SUSAN, recording

pytestmark = pytest.mark.django_db

OPERATIONS = ["vecforregister", "vecforcompare", "compare"]
KEYS = ["vecId", "vec_id", "cmpVecIdList", "cmp_vec_id_list", "", "\x00", "\ud800", "file1"]
NASTY = [
    None,
    "",
    " ",
    0,
    -1,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    True,
    [],
    {},
    [[]],
    [None],
    ["a"],
    ["\x00"],
    ["\ud800"],
    ["a"] * 101,
    [{"a": 1}],
    "a" * 5000,
    "\x00",
    "\ud800",
    "\ufffd",
    "测试",
    "𝄞",
    "../../etc/passwd",
    "'; DROP TABLE",
    "<script>",
]
# As a web server hands over what came as UTF-8.
TEXTS = [text.encode("utf-8", "surrogatepass").decode("latin-1") for text in NASTY if isinstance(text, str)]


def refuse_anything_but_the_vendors_answer(reply):
    answer = json.loads(reply.content)
    assert reply["Content-Type"] == "application/json"
    if reply.status_code == 200:
        assert set(answer) == {"data", "errorDesc", "errorId", "hasError"}
        assert (answer["hasError"], answer["errorId"]) in {(True, "LOGINC_ERROR"), (False, "")}, answer
        assert "null" not in reply.content.decode()
    else:
        assert reply.status_code in {401, 403, 404}
        assert isinstance(answer.pop("message"), str)
        assert answer == {}


@pytest.mark.parametrize("seed", range(60))
def test_junk_in_json_is_answered(speakin, seed):
    chance = random.Random(seed)
    for operation in OPERATIONS:
        body = json.dumps({chance.choice(KEYS): chance.choice(NASTY) for _ in range(chance.randrange(6))})
        refuse_anything_but_the_vendors_answer(speakin.post(operation, body, content_type="application/json"))


@pytest.mark.parametrize("seed", range(40))
def test_damaged_json_is_answered(speakin, seed):
    chance = random.Random(seed)
    body = bytearray(b'{"vecId":"92e048c1-7255-4a7e-868f-bd469427a29a","cmpVecIdList":["a","b"]}')
    for _ in range(chance.randrange(1, 10)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    reply = speakin.post("compare", bytes(body[: chance.randrange(len(body))]), content_type="application/json")
    refuse_anything_but_the_vendors_answer(reply)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_form_is_answered(speakin, seed):
    chance = random.Random(seed)
    form = bytearray(
        b'--x\r\nContent-Disposition: form-data; name="file1"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + recording(SUSAN)[:3000]
        + b"\r\n--x--\r\n"
    )
    for _ in range(chance.randrange(1, 20)):
        form[chance.randrange(120)] = chance.randrange(256)
    end = chance.randrange(1, len(form))
    for operation in OPERATIONS:
        content = bytes(form[:end] if seed % 2 else form)
        reply = speakin.post(operation, content, content_type="multipart/form-data; boundary=x")
        refuse_anything_but_the_vendors_answer(reply)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 5000,
        "multipart/form-data; boundary=é",
        "multipart/form-data; boundary=x; charset=no-such-charset",
        "multipart/form-data; boundary=\x00",
        "text/html",
        ";;;",
        "/",
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_strange_content_type_is_answered(speakin, operation, content_type):
    reply = speakin.send(operation, b"junk", content_type)
    refuse_anything_but_the_vendors_answer(reply)
    assert reply.json()["hasError"] is True


@pytest.mark.parametrize(
    "disposition",
    [
        "form-data; name=\"file1\"; filename*=no-such-encoding''x",
        "form-data; name=\"file1\"; filename*=utf-8''%ff%fe",
        'form-data; name="file1"; filename="\\"',
        "form-data; name=" + "n" * 5000,
        "form-data",
    ],
)
def test_a_strange_part_is_answered(speakin, disposition):
    form = f"--x\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--x--\r\n".encode()
    reply = speakin.post("vecforcompare", form, content_type="multipart/form-data; boundary=x")
    refuse_anything_but_the_vendors_answer(reply)
    assert reply.json()["hasError"] is True


@pytest.mark.parametrize("length", ["-1", "abc", "", "1e3"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_strange_content_length_is_answered(speakin, operation, length):
    reply = speakin.post(operation, b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=length)
    refuse_anything_but_the_vendors_answer(reply)


def test_more_parts_than_anybody_needs_are_answered(speakin):
    form = b"".join(b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n' for _ in range(3000))
    reply = speakin.post("vecforcompare", form + b"--x--\r\n", content_type="multipart/form-data; boundary=x")
    refuse_anything_but_the_vendors_answer(reply)


@pytest.mark.parametrize("header", ["Authorization", "Date", "Source"])
@pytest.mark.parametrize("value", TEXTS, ids=ascii)
def test_junk_in_a_header_is_answered(speakin, header, value):
    headers = speakin.headers() | {header: value}
    refuse_anything_but_the_vendors_answer(speakin.client.post("/num/compare", headers=headers))


@pytest.mark.parametrize("name", ["id", "algorithm", "headers", "signature"])
@pytest.mark.parametrize("value", TEXTS, ids=ascii)
def test_junk_in_an_attribute_is_answered(client, acme_credential, name, value):
    ours = Speakin(client, acme_credential)
    attributes = {"id": "a", "algorithm": "hmac-sha1", "headers": "date source", "signature": "b"} | {name: value}
    text = ", ".join(f'{key}="{text}"' for key, text in attributes.items())
    reply = client.post("/num/compare", headers=ours.headers() | {"Authorization": f"hmac {text}"})
    refuse_anything_but_the_vendors_answer(reply)
    assert reply.status_code == 403
