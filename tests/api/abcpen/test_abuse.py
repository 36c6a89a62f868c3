"""Whatever is sent, the answer is an envelope: no HTML, no traceback, no unforeseen failure."""

import json
import random

import pytest

from tests.api.abcpen.client import INVALID, signed
from tests.cast import SUSAN, recording

pytestmark = pytest.mark.django_db

GETS = ["count", "list", "voice-url", "del-spk-name", "delete-all", "delete-speakers"]
POSTS = ["register", "register/v2", "recognize", "recognize/v2", "update"]
ENGINE_OR_COMPONENT = {"10700", "16003"}
NASTY = [
    "",
    " ",
    "0",
    "-1",
    "99999999999999999999",
    "1e9",
    "nan",
    "null",
    "true",
    "a" * 5000,
    "\x00",
    "\x01\x02",
    "\ufffd",
    "\u202e",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "张明",
    "𝄞",
    "../../etc/passwd",
    "%",
    "%00",
    "'; DROP TABLE",
    "{}",
    '["\\ud800"]',
    '["a", 1]',
    "[" * 5000,
    "http://",
    "http://127.0.0.1/",
    "http://[::1]:1/",
    "file:///etc/passwd",
    "<script>",
]
FIELDS = [
    "spk_name",
    "org_id",
    "tag_id",
    "app_id",
    "audio",
    "denoise_audio",
    "denoise_enable",
    "audio_preprocess",
    "convert_format",
    "vad_splits",
    "offset",
    "limit",
    "speaker",
    "speakers",
    "spk-name",
    "format",
    "_method",
]


def refuse_anything_but_an_envelope(reply):
    assert reply.status_code in {200, 404, 405}
    assert reply["Content-Type"] == "application/json"
    envelope = json.loads(reply.content)
    assert set(envelope) <= {"code", "msg", "data"}
    assert isinstance(envelope["code"], str)
    assert isinstance(envelope["msg"], str)
    assert envelope.get("data", "") is not None
    assert envelope["code"] not in ENGINE_OR_COMPONENT, envelope


def junk(chance):
    return {chance.choice(FIELDS): chance.choice(NASTY) for _ in range(chance.randrange(6))}


@pytest.mark.parametrize("seed", range(40))
def test_junk_in_a_query_is_answered(abcpen, seed):
    chance = random.Random(seed)
    for operation in GETS:
        refuse_anything_but_an_envelope(abcpen.raw_get(operation, **junk(chance)))


@pytest.mark.parametrize("seed", range(40))
def test_junk_in_a_form_is_answered(abcpen, seed):
    chance = random.Random(seed)
    for operation in POSTS:
        reply = abcpen.client.post(f"/voiceid/{operation}", junk(chance), headers=abcpen.headers())
        refuse_anything_but_an_envelope(reply)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_in_a_query_are_answered(abcpen, seed):
    chance = random.Random(seed)
    for operation in GETS:
        raw = f"org_id=a&tag_id=&spk_name={chance.randbytes(200).decode('latin-1')}"
        reply = abcpen.client.get(f"/voiceid/{operation}", headers=abcpen.headers(), QUERY_STRING=raw)
        refuse_anything_but_an_envelope(reply)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_form_is_answered(abcpen, seed):
    chance = random.Random(seed)
    form = bytearray(
        b'--x\r\nContent-Disposition: form-data; name="org_id"\r\n\r\nacme\r\n'
        b'--x\r\nContent-Disposition: form-data; name="spk_name"\r\n\r\nsusan\r\n'
        b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + recording(SUSAN)[:3000]
        + b"\r\n--x--\r\n"
    )
    for _ in range(chance.randrange(1, 20)):
        form[chance.randrange(300)] = chance.randrange(256)
    end = chance.randrange(1, len(form))
    for operation in POSTS:
        reply = abcpen.client.post(
            f"/voiceid/{operation}",
            bytes(form[:end] if seed % 2 else form),
            content_type="multipart/form-data; boundary=x",
            headers=abcpen.headers(),
        )
        refuse_anything_but_an_envelope(reply)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 5000,
        "multipart/form-data; boundary=é",
        "multipart/form-data; boundary=x; charset=latin-1",
        "multipart/form-data; boundary=x; charset=no-such-charset",
        "multipart/form-data; boundary=\x00",
        "application/x-www-form-urlencoded; charset=gbk",
        "application/json",
        "application/xml",
        "text/html",
        ";;;",
        "/",
    ],
)
def test_a_strange_content_type_is_an_invalid_parameter(abcpen, content_type):
    headers = abcpen.headers()
    reply = abcpen.client.generic("POST", "/voiceid/recognize", b"junk", content_type, headers=headers)
    refuse_anything_but_an_envelope(reply)
    assert reply.json()["code"] == INVALID


@pytest.mark.parametrize(
    "disposition",
    [
        "form-data; name=\"audio\"; filename*=no-such-encoding''x",
        "form-data; name=\"audio\"; filename*=utf-8''%ff%fe",
        'form-data; name="audio"; filename="\\"',
        'form-data; name="spk_name"; filename="name.txt"',
        "form-data; name=" + "n" * 5000,
        "form-data",
    ],
)
def test_a_strange_part_is_an_invalid_parameter(abcpen, disposition):
    form = f"--x\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--x--\r\n".encode()
    headers = abcpen.headers()
    content_type = "multipart/form-data; boundary=x"
    reply = abcpen.client.post("/voiceid/register", form, content_type=content_type, headers=headers)
    refuse_anything_but_an_envelope(reply)
    assert reply.json()["code"] == INVALID


@pytest.mark.parametrize("length", ["-1", "abc", "", "1e3"])
def test_a_strange_content_length_is_answered(abcpen, length):
    reply = abcpen.client.post(
        "/voiceid/recognize",
        b"",
        content_type="multipart/form-data; boundary=x",
        headers=abcpen.headers(),
        CONTENT_LENGTH=length,
    )
    refuse_anything_but_an_envelope(reply)


def test_more_parameters_than_anybody_needs_are_an_invalid_parameter(abcpen):
    query = "&".join(f"p{number}=1" for number in range(3000))
    reply = abcpen.client.get(f"/voiceid/count?org_id=a&{query}", headers=abcpen.headers())
    refuse_anything_but_an_envelope(reply)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0", "a" * 5000, ""])
def test_whatever_a_client_accepts_it_gets_json(abcpen, accept):
    reply = abcpen.client.get("/voiceid/count?org_id=a&format=xml", headers=abcpen.headers() | {"Accept": accept})
    assert reply.json()["code"] == "0"


@pytest.mark.parametrize("header", ["X-App-Key", "X-Timestamp", "X-App-Signature"])
@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
def test_junk_in_a_header_is_answered(client, acme_credential, header, value):
    reply = client.get("/voiceid/count?org_id=a", headers=signed(acme_credential, 0) | {header: value})
    refuse_anything_but_an_envelope(reply)
