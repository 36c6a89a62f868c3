"""Every row of the vendor's error tables that this server returns, and their order."""

import io
import json
from urllib.parse import quote

import pytest
from django.core.files.storage import storages
from django.db import OperationalError

from tenants import services as tenant_services
from tenants.models import Tenant
from tests.api.failures import failing, no_answer_about
from tests.api.speakin.client import (
    BAD_FILE,
    BAD_REQUEST,
    NOBODYS_ID,
    SYSTEM_ERROR,
    TOO_FEW_FILES,
    TOO_MANY_IDS,
    UNKNOWN_ID,
    part,
    scores,
    vec_id,
)
from tests.cast import KEN, SUSAN, recording, silence, wav

pytestmark = pytest.mark.django_db

OPERATIONS = ["vecforregister", "vecforcompare", "compare"]
STAGES = ["", "/release", "/test", "/prepub"]


# --- Files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("present", [[], [1], [2, 3], [1, 2], [1, 3]])
def test_a_registration_needs_all_three_files(speakin, present):
    parts = {f"file{number}": part(recording(SUSAN, number)) for number in present}
    assert speakin.register(**parts) == TOO_FEW_FILES


@pytest.mark.parametrize("present", [[], [2], [2, 3]])
def test_a_probe_needs_the_first_file(speakin, present):
    parts = {f"file{number}": part(recording(SUSAN, number)) for number in present}
    assert speakin.probe(**parts) == TOO_FEW_FILES


def test_a_file_without_content_is_missing(speakin):
    assert speakin.register(recording(SUSAN), b"", recording(SUSAN)) == TOO_FEW_FILES
    assert speakin.probe(b"") == TOO_FEW_FILES


@pytest.mark.parametrize("name", ["", '; filename=""', '; filename="."', '; filename="/"'])
def test_a_part_without_a_file_name_is_missing(speakin, name):
    form = f'--x\r\nContent-Disposition: form-data; name="file1"{name}\r\n\r\n'.encode()
    form += recording(SUSAN) + b"\r\n--x--\r\n"
    reply = speakin.post("vecforcompare", form, content_type="multipart/form-data; boundary=x")
    assert reply.json() == TOO_FEW_FILES


def test_other_parts_are_ignored(speakin):
    vec_id(speakin.probe(recording(SUSAN), file2=part(b"text"), file7=part(b""), name="susan", vecId=NOBODYS_ID))


def test_the_number_of_files_is_told_before_their_content(speakin):
    assert speakin.register(b"text", b"text") == TOO_FEW_FILES


@pytest.mark.parametrize("content", [b"text", b"\x00" * 5000, b"RIFF\x00\x00\x00\x00WAVE", b"<html></html>"])
def test_what_is_no_recording_is_a_bad_file(speakin, content):
    assert speakin.probe(content) == BAD_FILE
    assert speakin.register(content, content, content) == BAD_FILE


@pytest.mark.parametrize("content", [wav(bytes(2 * 1600)), silence().read()])
def test_a_recording_without_enough_speech_is_a_bad_file(speakin, content):
    assert speakin.probe(content) == BAD_FILE


def test_half_a_second_of_speech_is_enough_whatever_the_tenant_asks_for(speakin):
    speakin.tenant.required_speech_seconds = 5.0
    speakin.tenant.save()
    vec_id(speakin.probe(recording(SUSAN)))


def test_an_upload_above_the_limit_is_a_bad_file(speakin, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    assert speakin.probe(recording(SUSAN)) == BAD_FILE


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("operation", ["vecforregister", "vecforcompare"])
def test_a_body_that_is_no_multipart_has_too_few_files(speakin, operation, content_type):
    body = json.dumps({"file1": "a-1.wav", "file2": "a-2.wav", "file3": "a-3.wav"})
    assert speakin.post(operation, body, content_type=content_type).json() == TOO_FEW_FILES


@pytest.mark.parametrize("form", [b"", b"--x", b"junk", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--\r\n"])
@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "multipart/form-data"])
def test_a_damaged_form_has_too_few_files(speakin, form, content_type):
    assert speakin.post("vecforregister", form, content_type=content_type).json() == TOO_FEW_FILES


# --- Ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"vecId": "a"},
        {"vecId": "a", "cmpVecIdList": []},
        {"vecId": "a", "cmpVecIdList": None},
        {"cmpVecIdList": ["a"]},
        {"vecId": "", "cmpVecIdList": ["a"]},
        {"vecId": None, "cmpVecIdList": ["a"]},
        {"vecId": "", "cmpVecIdList": ["a"] * 101},
        {"vecId": "a", "cmpVecIdList": [""]},
        {"vecId": "a", "cmpVecIdList": ["b"], "cmp_vec_id_list": "wrong, but nobody looks"},
    ],
    ids=str,
)
def test_a_missing_or_unknown_id_is_a_wrong_id(speakin, body):
    assert speakin.ask(body) == UNKNOWN_ID


def test_no_body_at_all_is_a_request_without_ids(speakin):
    assert speakin.ask(b"") == UNKNOWN_ID


def test_one_unknown_id_fails_the_whole_call(speakin):
    susan = speakin.probed(SUSAN)
    assert speakin.compare(susan, susan, NOBODYS_ID) == UNKNOWN_ID
    assert speakin.compare(NOBODYS_ID, susan) == UNKNOWN_ID


@pytest.mark.parametrize(
    "name", ["\x00", "\ud800", "测试", "a" * 5000, " ", "\n", "%00", "'; DROP TABLE", "٣", "../../etc/passwd"]
)
def test_whatever_is_no_id_of_ours_is_a_wrong_id(speakin, name):
    susan = speakin.probed(SUSAN)
    assert speakin.compare(susan, name) == UNKNOWN_ID
    assert speakin.compare(name, susan) == UNKNOWN_ID
    assert speakin.compare(susan, susan, name) == UNKNOWN_ID


def test_an_id_with_something_around_it_is_a_wrong_id(speakin):
    susan = speakin.probed(SUSAN)
    for name in (susan.upper(), f" {susan}", f"{susan}\n", f"{{{susan}}}", susan.replace("-", "")):
        assert speakin.compare(susan, name) == UNKNOWN_ID


def test_more_than_a_hundred_ids_are_too_many(speakin):
    susan = speakin.probed(SUSAN)
    assert speakin.compare(susan, *[susan] * 101) == TOO_MANY_IDS


def test_the_number_of_ids_is_told_before_whether_they_exist(speakin):
    assert speakin.compare(NOBODYS_ID, *[NOBODYS_ID] * 101) == TOO_MANY_IDS


@pytest.mark.parametrize(
    "body",
    [
        "nonsense",
        "[]",
        "null",
        "1",
        '"text"',
        "{",
        "[" * 100_000,
        '{"vecId":' * 100_000,
        b"\xff\xfe\x00",
        '{"vecId":1,"cmpVecIdList":["a"]}',
        '{"vecId":true,"cmpVecIdList":["a"]}',
        '{"vecId":false}',
        '{"vecId":0}',
        '{"vecId":NaN,"cmpVecIdList":["a"]}',
        '{"vecId":1e999,"cmpVecIdList":["a"]}',
        '{"vecId":["a"],"cmpVecIdList":["a"]}',
        '{"vecId":{},"cmpVecIdList":["a"]}',
        '{"vecId":"a","cmpVecIdList":"a"}',
        '{"vecId":"a","cmpVecIdList":{}}',
        '{"vecId":"a","cmpVecIdList":false}',
        '{"vecId":"a","cmpVecIdList":0}',
        '{"vecId":"a","cmpVecIdList":[1]}',
        '{"vecId":"a","cmpVecIdList":[null]}',
        '{"vecId":"a","cmpVecIdList":[["a"]]}',
        '{"vecId":"","cmpVecIdList":[1]}',
        '{"vecId":"a","cmpVecIdList":[' + "1," * 200 + "1]}",
        '{"vec_id":1,"cmp_vec_id_list":["a"]}',
    ],
    ids=range(27),
)
def test_a_body_that_is_no_object_or_has_a_wrong_type_is_a_bad_request(speakin, body):
    assert speakin.ask(body) == BAD_REQUEST


def test_a_number_of_any_length_is_a_bad_request(speakin):
    assert speakin.ask('{"vecId":' + "9" * 100_000 + "}") == BAD_REQUEST


def test_a_body_far_longer_than_any_list_of_ids_is_a_bad_request(speakin):
    assert speakin.ask(" " * 1024 * 1024 + "{}") == BAD_REQUEST


def test_a_comparison_may_be_sent_in_chunks(speakin):
    susan = speakin.probed(SUSAN)
    body = json.dumps({"vecId": susan, "cmpVecIdList": [susan]}).encode()
    headers = speakin.headers() | {"Transfer-Encoding": "chunked"}
    reply = speakin.client.post("/num/compare", headers=headers, CONTENT_LENGTH="", **{"wsgi.input": io.BytesIO(body)})
    assert len(scores(reply.json())) == 1


# --- The gateway -----------------------------------------------------------------------------------------------------


def not_found(reply, text):
    assert reply["Content-Type"] == "application/json"
    return (reply.status_code, reply.json()) == (404, {"message": f"There is no api match {text}"})


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("path", ["/num", "/num/", "/num/nothing", "/num/compare/", "/num/compare/x", "/num/Compare"])
@pytest.mark.parametrize("method", ["get", "post", "put"])
def test_an_unknown_path_below_a_stage(speakin, stage, path, method):
    reply = getattr(speakin.client, method)(stage + path, headers=speakin.headers())
    assert not_found(reply, f"uri[{stage}{path}]")


@pytest.mark.parametrize("path", ["/release", "/release/", "/test/other", "/prepub/nums", "/num/compare\n", "/num/名"])
def test_a_stage_has_nothing_but_num(speakin, path):
    assert not_found(speakin.client.post(quote(path), headers=speakin.headers()), f"uri[{path}]")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options", "propfind"])
@pytest.mark.parametrize("stage", ["", "/release"])
def test_a_wrong_method(speakin, stage, method, operation):
    reply = speakin.client.generic(method.upper(), f"{stage}/num/{operation}", headers=speakin.headers())
    assert not_found(reply, f"method[{method.upper()}]")


def test_a_head_request_is_a_wrong_method(speakin):
    assert speakin.client.head("/num/compare", headers=speakin.headers()).status_code == 404


@pytest.mark.parametrize("stage", ["debug", "Release", "release2", "发布", "{0}"])
@pytest.mark.parametrize("path", ["compare", "vecforregister", "nothing"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_stage(speakin, stage, path, method):
    reply = getattr(speakin.client, method)(f"/{stage}/num/{path}", headers=speakin.headers())
    assert not_found(reply, f"default env_mapping[{stage}]")


@pytest.mark.parametrize("path", ["/nothing/num/compare", "/release/nothing"])
def test_what_is_not_there_is_told_to_whoever_signs_alone(client, path):
    assert client.post(path).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health/live",
        "/console/",
        "/console/num/compare",
        "/nums",
        "/numbers/compare",
        "/releases/x",
        "/a/b/num/c",
    ],
)
def test_paths_of_others_are_not_touched(client, path):
    assert "message" not in client.post(path).content.decode()


def test_a_tenant_that_does_not_use_this_dialect_has_no_usage_plan(speakin):
    Tenant.objects.filter(pk=speakin.tenant.pk).update(dialects=["abcpen"])
    for path in ("/num/compare", "/num/nothing", "/nothing/num/compare"):
        reply = speakin.client.post(path, headers=speakin.headers())
        assert (reply.status_code, reply.json()) == (403, {"message": "Found no validate usage plan"})


def test_a_tenant_that_asks_too_often_is_told_when_to_come_back(speakin):
    Tenant.objects.filter(pk=speakin.tenant.pk).update(requests_per_minute=1)
    reply = [speakin.post("compare", "{}", content_type="application/json") for _ in range(3)][-1]
    assert (reply.status_code, reply.json()) == (429, {"message": "too many requests"})
    assert 1 <= int(reply["Retry-After"]) <= 60


@pytest.mark.parametrize("kind", [OperationalError("gone"), ZeroDivisionError("a bug")])
@pytest.mark.parametrize("operation", [*OPERATIONS, "nothing"])
def test_a_failure_before_the_business_layer_is_an_internal_error(speakin, monkeypatch, kind, operation):
    headers = speakin.headers()
    monkeypatch.setattr(tenant_services, "opener_named", failing(kind))
    reply = speakin.client.post(f"/num/{operation}", headers=headers)
    assert (reply.status_code, reply.json()) == (500, {"message": "internal error"})


# --- Our own failures ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("failure")
def test_our_own_failures_are_system_errors(speakin):
    assert speakin.probe(recording(SUSAN)) == SYSTEM_ERROR
    assert speakin.register(*[recording(SUSAN)] * 3) == SYSTEM_ERROR


def test_a_comparison_that_fails_is_a_system_error(speakin):
    susan, ken = speakin.probed(SUSAN), speakin.probed(KEN)
    with no_answer_about("voiceprints_voiceprint"):
        assert speakin.compare(susan, ken) == SYSTEM_ERROR


def test_a_storage_that_cannot_be_written_is_a_system_error(speakin, monkeypatch):
    monkeypatch.setattr(type(storages["recordings"]), "_save", failing(OSError("disk full")))
    assert speakin.probe(recording(SUSAN)) == SYSTEM_ERROR


def test_the_log_names_who_did_what_and_how_it_went(speakin, caplog):
    reply = speakin.post("compare", b"[]", content_type="application/json")
    (line,) = [record.message for record in caplog.records if record.name == "openvpr.api"]
    assert line.startswith(f"{reply['X-Request-Id']} tenant=acme operation=compare outcome=LOGINC_ERROR ms=")
