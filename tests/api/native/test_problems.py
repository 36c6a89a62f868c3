"""Whatever goes wrong is a problem of RFC 9457."""

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import UnreadablePostError

from audio import errors as audio_errors
from tests.api.failures import no_answer_about
from tests.api.native.client import STAFF, encoded, part, problem
from tests.cast import SUSAN, recording, silence
from voiceprints.errors import (
    AnalysisTimedOut,
    EngineFailed,
    EngineUnreachable,
    ModelUnusable,
    StorageFailed,
    TooBusy,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["nothing", "", "libraries/", "libraries/x", "libraries/1/", f"speakers/{'9' * 19}"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_served_elsewhere(path, method, native):
    assert problem(native.ask(method, path)) == (404, "not-found")


def test_the_room_itself_is_no_page(client):
    assert problem(client.get("/api/v1")) == (404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "libraries/1", "DELETE, GET, HEAD, PATCH"),
        ("DELETE", "libraries", "GET, HEAD, POST"),
        ("GET", "enroll", "POST"),
        ("HEAD", "enroll", "POST"),
        ("OPTIONS", "speakers", "GET, HEAD"),
        ("TRACE", "speakers", "GET, HEAD"),
        ("POST", "openapi.json", "GET, HEAD"),
    ],
)
def test_a_method_not_done_here_is_told_which_are(method, path, allowed, native):
    reply = native.ask(method, path)
    assert reply.status_code == 405
    assert reply["Allow"] == allowed
    if method != "HEAD":
        assert problem(reply) == (405, "method-not-allowed")


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "application/xml, text/plain"])
def test_who_accepts_no_json_gets_a_problem(accept, native):
    assert problem(native.get("speakers", headers={"Accept": accept})) == (406, "not-acceptable")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "text/html, application/json;q=0.5", "", "application/problem+json, */*;q=0.1"]
)
def test_who_accepts_json_gets_it(accept, native):
    assert native.get("speakers", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense"])
def test_other_formats_are_refused(kind, native):
    reply = native.client.post("/api/v1/identify", b"org_id=acme", content_type=kind, headers=native.authorization)
    assert problem(reply) == (415, "unsupported-media-type")
    assert reply["Accept"] == "application/json, multipart/form-data"


def test_a_body_too_large_is_refused_by_its_head(native, settings):
    settings.MAX_UPLOAD_BYTES = 100
    reply = native.identify(recording(SUSAN))
    assert problem(reply) == (413, "too-large")
    assert reply.json()["limit_bytes"] == 100


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON, at line 1, column 2"),
        (b'{"org_id":\n nonsense}', "no JSON, at line 2, column 2"),
        (b'{"org_id": "\xff\xfe"}', "not UTF-8, from byte 12 on"),
        (b'{"org_id": "\\ud800"}', "half a character"),
        (b'{"\\udfff": 1}', "half a character"),
        (b'{"org_id": NaN}', "NaN, which is no number of JSON"),
        (b'{"org_id": -Infinity}', "-Infinity, which is no number of JSON"),
        (b'{"org_id": "a", "tag_id": "c", "org_id": "b"}', "the name 'org_id' twice"),
        (b'{"\\ud800\\u0000": 1, "\\ud800\\u0000": 2}', "the name '??' twice"),
        (b'{"limit": ' + b"9" * 5000 + b"}", "too many digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b" ", "no JSON, at line 1, column 2"),
    ],
    ids=lambda sent: str(sent[:20]),
)
def test_what_is_no_json_is_malformed_and_told_why(body, said, native):
    reply = native.post("libraries", body)
    assert problem(reply) == (400, "malformed-request")
    assert said in reply.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"org_id": 5}, "A string is needed, and this is a number."),
        ({"org_id": True}, "A string is needed, and this is a boolean."),
        ({"info": {}}, "A string is needed, and this is an object."),
        ({"org_id": None}, "This field may not be null."),
        ({"audio": "AAAA"}, "An array is needed, and this is a string."),
        ({"audio": {"0": "AAAA"}}, "An array is needed, and this is an object."),
        ({"denoise": "true"}, "true or false is needed, and this is a string."),
        ({"denoise": 1}, "true or false is needed, and this is a number."),
        ({"required_utterances": "2"}, "An integer is needed, and this is a string."),
        ({"required_utterances": [2]}, "An integer is needed, and this is an array."),
        ({"required_utterances": 1.5}, "An integer is needed, and this is a number with a fraction."),
        ({"when_enrolled": ["add"]}, "One of these is needed: refuse, replace, add."),
        ({"when_enrolled": "forget"}, "One of these is needed: refuse, replace, add."),
    ],
)
def test_a_value_of_a_wrong_kind_is_told_in_the_words_of_json(fields, said, native):
    sent = STAFF | {"external_id": "susan", "audio": ["AAAA"]} | fields
    assert [error["detail"] for error in native.post("enroll", sent).json()["errors"]] == [said]


def test_a_form_and_a_query_know_no_kinds(native):
    assert native.get("libraries", limit="x").json()["errors"][0]["detail"] == "An integer is needed."
    reply = native.form("verify", audio=part(recording(SUSAN)), org_id=part(b"acme"), external_id="susan")
    assert reply.json()["errors"][0]["detail"] == "A string is needed, and this is a file."
    reply = native.form("analyze", audio=part(recording(SUSAN)), denoise="yes")
    assert reply.json()["errors"][0]["detail"] == "true or false is needed."


def test_a_byte_order_mark_is_passed_over(native):
    assert native.post("libraries", b'\xef\xbb\xbf{"org_id": "acme"}').status_code == 201


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_invalid(body, native):
    reply = native.post("libraries", body)
    assert problem(reply) == (422, "invalid-request")
    kinds = {b"[]": "an array", b"1": "a number", b'"text"': "a string", b"null": "null", b"true": "a boolean"}
    detail = f"An object is needed, and this is {kinds[body]}."
    assert reply.json()["errors"] == [{"pointer": "", "detail": detail}]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"org_id": 5}, "/org_id"),
        ({"org_id": True}, "/org_id"),
        ({"org_id": ["acme"]}, "/org_id"),
        ({"org_id": None}, "/org_id"),
        ({"org_id": ""}, "/org_id"),
        ({"org_id": "a" * 65}, "/org_id"),
        ({"org_id": "a\x00b"}, "/org_id"),
        ({"org_id": "a\nb"}, "/org_id"),
        ({"org_id": "\ufffd"}, "/org_id"),
        ({"tag_id": "a" * 65}, "/tag_id"),
        ({"external_id": "a" * 129}, "/external_id"),
        ({"info": "a" * 4097}, "/info"),
        ({"info": "a\x0bb"}, "/info"),
        ({"audio": "AAAA"}, "/audio"),
        ({"audio": []}, "/audio"),
        ({"audio": ["AAAA"] * 11}, "/audio"),
        ({"audio": ["AAAA", "%"]}, "/audio/1"),
        ({"audio": [""]}, "/audio/0"),
        ({"audio": [5]}, "/audio/0"),
        ({"audio": ["é"]}, "/audio/0"),
        ({"denoise": "true"}, "/denoise"),
        ({"denoise": 1}, "/denoise"),
        ({"required_utterances": 0}, "/required_utterances"),
        ({"required_utterances": True}, "/required_utterances"),
        ({"required_utterances": "2"}, "/required_utterances"),
        ({"required_utterances": 1.5}, "/required_utterances"),
        ({"required_utterances": 10**400}, "/required_utterances"),
        ({"when_enrolled": "forget"}, "/when_enrolled"),
        ({"when_enrolled": ["add"]}, "/when_enrolled"),
        ({"pcm_sample_rate": 1}, "/pcm_sample_rate"),
        ({"externalid": "susan"}, "/externalid"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_a_wrong_field_is_pointed_at(fields, pointer, native):
    sent = STAFF | {"external_id": "susan", "audio": ["AAAA"]} | fields
    reply = native.post("enroll", sent)
    assert problem(reply) == (422, "invalid-request")
    assert {error["pointer"] for error in reply.json()["errors"]} == {pointer}


def test_every_wrong_field_is_pointed_at(native):
    reply = native.post("verify", {"org_id": 1, "tag_id": 2})
    pointers = {error["pointer"] for error in reply.json()["errors"]}
    assert pointers == {"/org_id", "/tag_id", "/external_id", "/audio"}


@pytest.mark.parametrize(
    "query",
    [
        {"orgid": "acme"},
        {"limit": "1.5"},
        {"limit": "١"},
        {"limit": "201"},
        {"limit": ""},
        {"org_id": ""},
        {"created_from": "yesterday"},
        {"created_from": "2026-01-31T08:00:00"},
        {"created_from": "0001-01-01T00:00:00+23:00"},
        {"created_from": "2026-02-30T00:00:00Z"},
        {"ordering": "name"},
        {"cursor": "x"},
        {"cursor": ""},
        {"org_id": ["a", "b"]},
        {"org_id": "\x00"},
    ],
)
def test_a_wrong_parameter_is_named(query, native):
    reply = native.get("libraries", **query)
    assert problem(reply) == (422, "invalid-request")
    assert {error["parameter"] for error in reply.json()["errors"]} == set(query)


def test_actions_take_no_parameters(native):
    assert problem(native.ask("POST", "identify", {}, top_k="3")) == (422, "invalid-request")


@pytest.mark.parametrize(("audio", "name"), [(b"text", "unrecognised-audio"), (silence().read(), "not-enough-speech")])
def test_an_unusable_recording_is_told_with_its_numbers(audio, name, native):
    reply = native.post("analyze", {"audio": encoded(audio)})
    assert problem(reply) == (422, name)
    assert "reason" in reply.json() or reply.json()["required_seconds"] == 1.1


FAILURES = [
    (TooBusy(what="recordings", limit=3), 503, "too-busy"),
    (AnalysisTimedOut(deadline_seconds=20.0), 503, "timed-out"),
    (EngineFailed("worker"), 503, "unavailable"),
    (EngineUnreachable("redis"), 503, "unavailable"),
    (StorageFailed("disk"), 503, "unavailable"),
    (ModelUnusable(model="ours", reason="disk"), 500, "model-unusable"),
    (OperationalError("down"), 503, "unavailable"),
    (ZeroDivisionError(), 500, "internal-error"),
    (SuspiciousOperation(), 400, "malformed-request"),
    (UnreadablePostError(), 400, "malformed-request"),
    (audio_errors.TooShort(seconds=0.1, required_seconds=0.2), 422, "too-short"),
    (audio_errors.TooLong(seconds=400.0, limit_seconds=300.0), 422, "too-long"),
    (audio_errors.TooExpensive(cpu_seconds=9.0, limit_seconds=8.0), 422, "too-expensive"),
    (audio_errors.PoorQuality(reason="clipped", clipped_ratio=0.7), 422, "poor-quality"),
    (audio_errors.Damaged(reason="cut"), 422, "damaged-audio"),
    (audio_errors.Undecodable(reason="odd"), 422, "undecodable-audio"),
    (audio_errors.UnexpectedLayout(what="channels", found=2, expected=1), 422, "unusable-audio"),
]


@pytest.mark.parametrize(("error", "status", "name"), FAILURES, ids=[failure[2] for failure in FAILURES])
def test_every_failure_has_its_problem(error, status, name, native, measuring_fails):
    measuring_fails(error)
    reply = native.post("analyze", {"audio": encoded(recording(SUSAN))})
    assert problem(reply) == (status, name)
    assert (reply.get("Retry-After") == "1") is (status == 503)
    for secret in ("down", "disk", "ZeroDivision", "redis"):
        assert secret not in reply.content.decode()


def test_the_numbers_of_a_problem_are_its_members(native, measuring_fails):
    measuring_fails(audio_errors.NotEnoughSpeech(speech_seconds=0.8, required_seconds=2.0))
    said = native.post("analyze", {"audio": encoded(recording(SUSAN))}).json()
    assert (said["speech_seconds"], said["required_seconds"]) == (0.8, 2.0)


def test_the_caller_names_the_request(native):
    reply = native.get("nothing", headers={"X-Request-Id": "trace-7"})
    assert (reply["X-Request-Id"], reply.json()["request_id"]) == ("trace-7", "trace-7")


def test_a_problem_says_where(native):
    assert native.get("speakers/999").json()["instance"] == "/api/v1/speakers/999"


def test_problems_are_in_english_whatever_a_client_would_read(native):
    reply = native.post("libraries", {}, headers={"Accept-Language": "zh-CN"})
    assert reply.json()["errors"][0]["detail"] == "This field is required."
    assert reply["Content-Language"] == "en"


def test_a_form_with_a_text_for_a_recording_is_refused(native):
    reply = native.form("analyze", audio="AAAA")
    assert reply.json()["errors"] == [{"pointer": "/audio", "detail": "Send the recording as a file."}]


def test_an_empty_file_is_refused(native):
    assert native.form("analyze", audio=part(b"")).json()["errors"][0]["detail"] == "The recording is empty."


def test_a_failure_in_reading_rows_is_our_fault(native):
    with no_answer_about("voiceprints_speaker"):
        assert problem(native.get("speakers")) == (503, "unavailable")
