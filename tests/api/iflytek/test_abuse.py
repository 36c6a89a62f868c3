"""Whatever is sent, the answer is an envelope of the vendor: no HTML, no traceback, no unforeseen failure."""

import io
import json
import random

import pytest

from tests.api.iflytek.client import SERVICE, read

pytestmark = pytest.mark.django_db

PATH = f"/v1/private/{SERVICE}"
SERVER_ERROR = 11503
FUNCTIONS = [
    "createGroup",
    "deleteGroup",
    "createFeature",
    "updateFeature",
    "deleteFeature",
    "queryFeatureList",
    "searchScoreFea",
    "searchFea",
]
NASTY = [
    None,
    True,
    0,
    -1,
    10**40,
    1e308,
    0.1,
    "",
    " ",
    "\x00",
    "\x01\x02",
    "\ufffd",
    "\u202e",
    "\ud800",
    "a" * 5000,
    "张明",
    "𝄞",
    "../../etc/passwd",
    "'; DROP TABLE",
    "<script>",
    [],
    [[]],
    {},
    {"a": {"b": "\udfff"}},
    {"": None},
]


def refuse_anything_but_an_answer(reply):
    assert read(reply).code != SERVER_ERROR


def places(value, above=()):
    """The path to everything inside a body."""
    yield above
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*above, name))


def with_junk_at(body, path, junk):
    if not path:
        return junk
    return body | {path[0]: with_junk_at(body[path[0]], path[1:], junk)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_junk_in_any_place_of_a_body_is_answered(iflytek, function):
    iflytek.create_group()
    body = iflytek.body(
        function,
        b"x",
        groupId="g1",
        featureId="f",
        dstFeatureId="f",
        topK=1,
        cover=True,
        featureInfo="i",
        groupName="n",
    )
    for path in places(body):
        for junk in NASTY:
            refuse_anything_but_an_answer(iflytek.raw(json.dumps(with_junk_at(body, path, junk))))


def test_a_body_with_a_byte_order_mark_is_read(iflytek):
    assert read(iflytek.raw(b"\xef\xbb\xbf" + json.dumps(iflytek.body("createGroup", groupId="g1")).encode())).code == 0


def test_of_a_name_that_comes_twice_the_last_counts(iflytek):
    text = json.dumps(iflytek.body("createGroup", groupId="second"))
    twice = text.replace('"groupId"', '"groupId": "first", "groupId"')
    assert read(iflytek.raw(twice)).result["groupId"] == "second"


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 30, "１"])
def test_a_strange_content_length_is_answered(iflytek, length):
    environment = {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": length}
    reply = iflytek.client.post(f"{PATH}?{iflytek.query()}", content_type="a/b", **environment)
    assert read(reply).code in {10160, 10163}


@pytest.mark.parametrize("name", ["authorization", "host", "date"])
@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_in_the_query_are_answered(iflytek, name, seed):
    junk = "".join(f"%{byte:02X}" for byte in random.Random(seed).randbytes(300))
    query = "&".join(f"{name}={junk}" if part.startswith(name) else part for part in iflytek.query().split("&"))
    reply = iflytek.client.post(PATH, QUERY_STRING=query)
    assert (reply.status_code, reply["Content-Type"]) == (401, "text/plain; charset=utf-8")


def test_more_parameters_than_anybody_needs_are_passed_over(iflytek):
    query = iflytek.query() + "".join(f"&p{number}=1" for number in range(3000))
    assert read(iflytek.client.post(f"{PATH}?{query}", "{", content_type="a/b")).code == 10160


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0", "a" * 5000, ""])
def test_whatever_a_client_accepts_it_gets_json(iflytek, accept):
    path = f"{PATH}?{iflytek.query()}&format=xml"
    assert read(iflytek.client.post(path, "{", content_type="a/b", headers={"Accept": accept})).code == 10160


def test_a_form_is_no_json(iflytek):
    reply = iflytek.client.post(f"{PATH}?{iflytek.query()}", {"_method": "DELETE", "audio": "x"})
    assert read(reply).code == 10160
