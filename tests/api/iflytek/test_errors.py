"""Every row of the vendor's error table that this server returns, and the order of the checks."""

import base64
import io
import json

import pytest
from django.core.files.storage import storages
from django.db import OperationalError

from tenants import services as tenant_services
from tenants.models import Tenant
from tests.api.failures import failing
from tests.api.iflytek.client import SERVICE, gateway_message, read, request, signed
from tests.cast import KEN, SUSAN, silence, wav, wav_of
from voiceprints.errors import (
    AnalysisTimedOut,
    EngineFailed,
    EngineUnreachable,
    LibraryNotFound,
    ModelUnusable,
    TooBusy,
)

pytestmark = pytest.mark.django_db

PATH = f"/v1/private/{SERVICE}"
SERVER_ERROR = (11503, "server error :atmos return an error data")


@pytest.fixture
def susan(iflytek):
    iflytek.create_group()
    assert iflytek.create(SUSAN, wav_of(SUSAN)).code == 0
    return iflytek


def told(reply):
    return (reply.code, reply.message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"header": "\xff"}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"header=1&parameter=2",
        b"\x00",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_object_is_said_to_be_none(iflytek, body):
    assert told(read(iflytek.raw(body))) == (10160, "parse request json error")


@pytest.mark.parametrize("app_id", ["other", "", "\ud800", "a" * 5000])
def test_another_application_is_an_invalid_one(iflytek, app_id):
    assert told(iflytek.sent(request(app_id, "createGroup", groupId="g1"))) == (10313, "invalid appid")


def test_the_application_of_another_tenant_is_an_invalid_one(iflytek, globex):
    assert iflytek.sent(request(globex.app_id, "createGroup", groupId="g1")).code == 10313


def test_a_feature_needs_a_group(iflytek):
    assert told(iflytek.create(SUSAN, wav_of(SUSAN))) == (23005, "failed to create feature detail")


@pytest.mark.parametrize("where", [("nobody", "g1"), (SUSAN, "g2")])
def test_what_is_missing_cannot_be_deleted(susan, where):
    assert told(susan.delete(*where)) == (23006, "failed to delete feature detail")


@pytest.mark.parametrize("where", [{"groupId": "g2"}, {"featureId": "nobody", "dstFeatureId": "nobody"}], ids=str)
@pytest.mark.parametrize("function", ["updateFeature", "searchScoreFea"])
def test_what_is_missing_cannot_be_found(susan, function, where):
    parameters = {"groupId": "g1", "featureId": SUSAN, "dstFeatureId": SUSAN} | where
    assert told(susan.call(function, wav_of(SUSAN), **parameters)) == (23007, "failed to find feature detail")


@pytest.mark.parametrize("function", ["deleteGroup", "queryFeatureList", "searchFea"])
def test_a_missing_group_cannot_be_found(susan, function):
    reply = susan.call(function, wav_of(SUSAN), groupId="g2", topK=1)
    assert told(reply) == (23007, "failed to find feature detail")


@pytest.mark.parametrize("function", ["createFeature", "updateFeature", "searchScoreFea", "searchFea"])
@pytest.mark.parametrize(
    "content",
    [b"text", wav(bytes(2 * 800)), silence().read(), b"RIFF\x00\x00\x00\x00WAVE", b"OggS" + bytes(5000)],
    ids=["text", "short", "silent", "header", "damaged"],
)
def test_a_recording_of_no_use_is_invalid_data(susan, function, content):
    parameters = {"groupId": "g1", "featureId": SUSAN, "dstFeatureId": SUSAN, "topK": 1}
    assert told(susan.call(function, content, **parameters)) == (10009, "input invalid data")


def test_an_upload_above_the_limit_of_the_platform_is_a_parameter_error(susan, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    message = "param validate error:/payload/resource 'audio' param is too long"
    assert told(susan.search(wav_of(SUSAN))) == (10163, message)


OURS = {
    TooBusy: (11201, "auth no enough license"),
    AnalysisTimedOut: (10222, "context deadline exceeded"),
    EngineFailed: SERVER_ERROR,
    ModelUnusable: SERVER_ERROR,
    EngineUnreachable: SERVER_ERROR,
    OperationalError: SERVER_ERROR,
    ZeroDivisionError: SERVER_ERROR,
}


@pytest.mark.parametrize("function", ["createFeature", "updateFeature", "searchScoreFea", "searchFea"])
def test_our_own_failures_are_said_in_the_vendors_words(susan, failure, function):
    parameters = {"groupId": "g1", "featureId": SUSAN, "dstFeatureId": SUSAN, "topK": 1}
    assert told(susan.call(function, wav_of(SUSAN), **parameters)) == OURS[failure]


def test_a_storage_that_cannot_be_written_is_a_server_error(susan, monkeypatch):
    monkeypatch.setattr(type(storages["recordings"]), "_save", failing(OSError("disk full")))
    assert susan.create(KEN, wav_of(KEN)).code == 11503
    assert [one["featureId"] for one in susan.listed().result] == [SUSAN]


def test_a_database_that_is_down_is_a_server_error(iflytek, monkeypatch):
    monkeypatch.setattr(tenant_services, "opener_named", failing(OperationalError("connection refused")))
    assert iflytek.listed().code == 11503


def test_a_body_that_does_not_arrive_is_a_timeout(iflytek):
    cut = {"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b'{"header":')}
    reply = iflytek.client.post(f"{PATH}?{iflytek.query()}", content_type="application/json", **cut)
    assert told(read(reply)) == (10200, "read data timeout")


def test_a_tenant_that_asks_too_often_has_not_enough_license(iflytek):
    Tenant.objects.filter(pk=iflytek.tenant.pk).update(requests_per_minute=2)
    assert [iflytek.listed().code for _ in range(3)] == [23007, 23007, 11201]
    assert told(iflytek.listed()) == (11201, "auth no enough license")


def test_a_tenant_that_does_not_use_this_dialect_has_no_license(iflytek):
    Tenant.objects.filter(pk=iflytek.tenant.pk).update(dialects=["abcpen"])
    assert told(iflytek.listed()) == (11200, "auth no license")


def test_a_tenant_that_is_not_active_has_no_service_left(iflytek):
    Tenant.objects.filter(pk=iflytek.tenant.pk).update(active=False)
    assert told(iflytek.listed()) == (10010, "service license not enough")


def test_a_wrong_digest_does_not_learn_that_a_tenant_is_not_active(iflytek):
    Tenant.objects.filter(pk=iflytek.tenant.pk).update(active=False)
    iflytek.credential.secret = "another"
    reply = iflytek.raw("{}")
    assert (reply.status_code, gateway_message(reply)) == (401, "HMAC signature does not match")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/private",
        "/v1/private/",
        "/v1/private/s00000000",
        "/v1/private/s1aa729d0/",
        "/v1/private/s1aa729d0/more",
        "/v1/private/S1AA729D0",
        "/v1/private/s1aa729d0%0A",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "put", "head", "options", "delete"])
def test_an_unknown_path_is_said_in_json(client, path, method):
    reply = getattr(client, method)(path)
    assert (reply.status_code, reply["Content-Type"]) == (404, "application/json")
    assert method == "head" or reply.json() == {"message": "there is nothing at this path"}


@pytest.mark.parametrize("method", ["get", "put", "head", "options", "delete", "patch", "trace"])
@pytest.mark.parametrize("service", ["s1aa729d0", "s782b4996"])
def test_another_method_is_said_in_json(client, service, method):
    reply = getattr(client, method)(f"/v1/private/{service}")
    assert (reply.status_code, reply["Content-Type"]) == (405, "application/json")
    assert method == "head" or reply.json() == {"message": "only POST is answered here"}


def test_a_signed_get_deletes_nothing(susan):
    body = json.dumps(susan.body("deleteGroup", groupId="g1"))
    reply = susan.client.generic("GET", f"{PATH}?{susan.query()}", body, "application/json")
    assert reply.status_code == 405
    assert len(susan.listed().result) == 1


# Each request has the fault of its row and of all rows below it.
ORDER = [
    ("authentication", 401),
    ("JSON", 10160),
    ("application", 10313),
    ("function", 10139),
    ("parameter", 10163),
    ("Base64", 10161),
    ("speaker", 23007),
    ("audio", 10009),
]


@pytest.mark.parametrize("row", range(len(ORDER)))
def test_faults_are_told_in_the_order_of_the_specification(susan, row):
    faults = {name for name, _ in ORDER[row:]}
    body = susan.body("searchScoreFea", b"no audio", groupId="g1", dstFeatureId=SUSAN)
    parameters, resource = body["parameter"][SERVICE], body["payload"]["resource"]
    body["header"]["app_id"] = "other" if "application" in faults else susan.tenant.app_id
    parameters["func"] = "nothing" if "function" in faults else "searchScoreFea"
    parameters["dstFeatureId"] = "nobody" if "speaker" in faults else SUSAN
    resource["sample_rate"] = "x" if "parameter" in faults else 16000
    resource["audio"] = "***" if "Base64" in faults else resource["audio"]
    text = "{" if "JSON" in faults else json.dumps(body)
    query = "host=a" if "authentication" in faults else susan.query()
    reply = susan.client.post(f"{PATH}?{query}", text, content_type="application/json")
    code = reply.status_code if reply.status_code != 200 else read(reply).code
    assert code == ORDER[row][1]


def test_a_missing_group_is_told_whatever_the_recording_is(iflytek):
    assert iflytek.create(SUSAN, b"no audio").code == 23005
    assert iflytek.update(SUSAN, b"no audio").code == 23007
    assert iflytek.score(SUSAN, b"no audio").code == 23007
    assert iflytek.search(b"no audio").code == 23007


def test_a_group_deleted_this_moment_cannot_be_enrolled_into(susan, monkeypatch):
    monkeypatch.setattr("voiceprints.gallery.admit", failing(LibraryNotFound(org_id="g1")))
    assert susan.create(KEN, wav_of(KEN)).code == 23005


def test_nothing_is_kept_of_a_recording_that_was_refused(iflytek, recordings_folder):
    iflytek.create_group()
    iflytek.create(SUSAN, silence().read())
    assert iflytek.listed().result == []
    assert list(recordings_folder.rglob("*.flac")) == []


def test_every_call_has_an_id_of_its_own(iflytek):
    replies = [iflytek.raw("{").json()["header"]["sid"] for _ in range(50)]
    assert len(set(replies)) == 50


def test_the_log_names_who_did_what_how_it_went_and_which_call(iflytek, caplog):
    body = json.dumps(iflytek.body("queryFeatureList", groupId="g1"))
    sid = iflytek.raw(body).json()["header"]["sid"]
    (line,) = [record.message for record in caplog.records if record.name == "openvpr.api"]
    assert f" tenant=acme operation=queryFeatureList outcome=23007 sid={sid} ms=" in line
    signature = base64.b64decode(signed(iflytek.credential, PATH)["authorization"]).decode()
    assert iflytek.credential.key_id in signature
    assert iflytek.credential.key_id not in line


def test_no_cache_may_keep_a_reply(susan):
    for reply in [
        susan.raw("{"),
        susan.client.post(PATH),
        susan.raw(json.dumps(susan.body("createGroup", groupId="g1"))),
    ]:
        assert reply["Cache-Control"] == "no-store"
