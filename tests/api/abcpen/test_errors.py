"""Every row of the vendor's error table that this server returns."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network

import pytest
from django.core.files.storage import storages
from django.db import OperationalError

from api.abcpen import conf
from tenants import services as tenant_services
from tenants.models import Tenant
from tests.api.abcpen.client import ILLEGAL, INVALID, part
from tests.api.failures import failing
from tests.cast import SUSAN, recording, silence, wav
from tests.shared_data import shared
from voiceprints.errors import (
    AnalysisTimedOut,
    EngineFailed,
    EngineUnreachable,
    LibraryNotFound,
    ModelUnusable,
    TooBusy,
)

pytestmark = pytest.mark.django_db

UNDECODABLE = "Audio encode error, only support pcm, aac, mpeg2, opus and flac"


@pytest.fixture
def web_recording(monkeypatch):
    """The address of a recording on a web server in an allowed network."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            content = recording(SUSAN)
            self.send_response(200 if self.path == "/susan.opus" else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setattr(conf, "DOWNLOAD_ALLOW_NETWORKS", (ip_network("127.0.0.1"),))
        yield f"http://127.0.0.1:{server.server_port}/susan.opus"
        server.shutdown()


def test_a_recording_is_fetched_by_its_address(abcpen, web_recording):
    assert abcpen.register(b"", audio=web_recording)["code"] == "0"


def test_a_form_without_files_may_be_urlencoded(abcpen, web_recording):
    reply = abcpen.client.post(
        "/voiceid/recognize",
        f"org_id=acme&audio={web_recording}",
        content_type="application/x-www-form-urlencoded",
        headers=abcpen.headers(),
    )
    assert reply.json() == {"code": "0", "msg": "success", "data": []}


def test_a_recording_that_is_not_there_cannot_be_downloaded(abcpen, web_recording):
    reply = abcpen.register(b"", audio=web_recording + ".gone")
    assert (reply["code"], reply["msg"]) == ("10111", "HTTP异常: reason status, status 404")


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.wav", "http://169.254.169.254/latest", "http://u:p@example.com/"])
def test_an_address_we_do_not_go_to_cannot_be_downloaded(abcpen, url):
    assert abcpen.register(b"", audio=url)["code"] == "10111"


@pytest.mark.parametrize(
    "url", ["ftp://x/y.wav", "x.wav", "http:", "http://", "https:///y", "javascript:1", "http://[/"]
)
def test_a_text_that_is_no_web_address_is_said_to_be_none(abcpen, url):
    assert abcpen.register(b"", audio=url) == {"code": "10109", "msg": "audio url is not valid http(s) url"}


@pytest.mark.parametrize("content", [b"text", b"\x00" * 5000, b"RIFF\x00\x00\x00\x00WAVE", b"<html></html>"])
def test_what_is_no_recording_cannot_be_decoded(abcpen, content):
    assert abcpen.register(content) == {"code": "10701", "msg": UNDECODABLE}


def test_a_recording_that_is_too_short_is_illegal(abcpen):
    reply = abcpen.register(wav(bytes(2 * 1600)))
    assert (reply["code"], reply["msg"]) == (ILLEGAL, "illegal parameter: seconds 0.1, required_seconds 0.2")


def test_a_recording_without_speech_is_illegal(abcpen):
    assert abcpen.register(silence().read())["code"] == ILLEGAL


def test_an_upload_above_the_limit_is_illegal(abcpen, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    assert abcpen.register(recording(SUSAN))["code"] == ILLEGAL


def test_only_the_first_five_minutes_of_a_long_recording_are_used(abcpen):
    content = shared("hostile", "long_300s.opus").read_bytes()
    assert abcpen.recognize(content)["code"] == "0"


OURS = {
    TooBusy: ("10800", "over max connect limit: limit of 3 recordings reached"),
    AnalysisTimedOut: ("10800", "over max connect limit: not measured within 20 s"),
    EngineFailed: ("10700", "engine error"),
    ModelUnusable: ("10700", "engine error"),
    EngineUnreachable: ("10700", "engine error"),
    OperationalError: ("16003", "basic component error"),
    ZeroDivisionError: ("16003", "basic component error"),
}


def test_our_own_failures_are_said_in_the_vendors_words(failure, abcpen):
    code, message = OURS[failure]
    assert abcpen.register(recording(SUSAN)) == {"code": code, "msg": message}


def test_a_storage_that_cannot_be_written_is_a_component_error(abcpen, monkeypatch):
    monkeypatch.setattr(type(storages["recordings"]), "_save", failing(OSError("disk full")))
    assert abcpen.register(recording(SUSAN)) == {"code": "16003", "msg": "basic component error"}


def test_a_database_that_is_down_is_a_component_error(client, monkeypatch, abcpen):
    headers = abcpen.headers()
    monkeypatch.setattr(tenant_services, "opener_named", failing(OperationalError("connection refused")))
    assert client.get("/voiceid/count?org_id=acme", headers=headers).json()["code"] == "16003"


@pytest.mark.parametrize(
    "path",
    [
        "/voiceid",
        "/voiceid/",
        "/voiceid/nothing",
        "/voiceid/register/v3",
        "/voiceid/count/",
        "/voiceid/acme/20250101/x.flac",
        "/voiceid/count%0A",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "put", "head"])
def test_an_unknown_path_is_an_invalid_parameter(client, path, method):
    reply = getattr(client, method)(path)
    assert reply.status_code == 404
    assert method == "head" or reply.json() == {"code": INVALID, "msg": "invalid parameter"}


@pytest.mark.parametrize(("method", "operation"), [("get", "register"), ("post", "count"), ("put", "recognize")])
def test_an_unknown_method_is_an_invalid_parameter(client, method, operation):
    reply = getattr(client, method)(f"/voiceid/{operation}")
    assert (reply.status_code, reply.json()["code"]) == (405, INVALID)


def test_a_body_in_another_format_is_an_invalid_parameter(abcpen):
    reply = abcpen.client.post("/voiceid/recognize", "{}", content_type="application/json", headers=abcpen.headers())
    assert (reply.status_code, reply.json()["code"]) == (200, INVALID)


def test_a_chunked_body_is_an_invalid_parameter(abcpen):
    headers = abcpen.headers() | {"Transfer-Encoding": "chunked"}
    reply = abcpen.client.post("/voiceid/recognize", headers=headers)
    assert reply.json()["code"] == INVALID


# Each request has the fault of its row and of all rows below it.
ORDER = [
    ("10105", {"signed": False}),
    ("10106", {"vad_splits": "maybe"}),
    ("10107", {"org_id": "a/b"}),
    ("10109", {"audio": "ftp://x"}),
]


@pytest.mark.parametrize("row", range(len(ORDER)))
def test_faults_are_told_in_the_order_of_the_specification(abcpen, row):
    fields = {"org_id": "acme"}
    for _, fault in ORDER[row:]:
        fields |= fault
    headers = abcpen.headers() if fields.pop("signed", True) else {}
    reply = abcpen.client.post("/voiceid/recognize", fields, headers=headers)
    assert reply.json()["code"] == ORDER[row][0]


def test_whether_the_speaker_exists_is_asked_before_the_download(abcpen):
    abcpen.register(recording(SUSAN))
    assert abcpen.register(b"", audio="http://127.0.0.1/")["code"] == ILLEGAL
    unknown = abcpen.post("update", org_id="acme", spk_name="nobody", audio="http://127.0.0.1/")
    assert unknown["code"] == ILLEGAL


def test_decoding_comes_before_length(abcpen):
    assert abcpen.register(b"x")["code"] == "10701"


def test_nothing_is_kept_of_a_recording_that_was_refused(abcpen, recordings_folder):
    abcpen.register(silence().read())
    assert abcpen.get("count", org_id="acme")["data"] == {"count": 0}
    assert list(recordings_folder.rglob("*.flac")) == []


def test_the_log_names_who_did_what_and_how_it_went(abcpen, caplog):
    abcpen.client.get("/voiceid/count?org_id=acme&signa=secret", headers=abcpen.headers() | {"X-Request-Id": "r-1"})
    (line,) = [record.message for record in caplog.records if record.name == "openvpr.api"]
    assert line.startswith("r-1 tenant=acme operation=count outcome=0 ms=")
    assert "secret" not in line


def test_a_request_id_that_could_forge_log_lines_is_replaced(abcpen):
    headers = abcpen.headers() | {"X-Request-Id": "a b\tc"}
    assert " " not in abcpen.client.get("/voiceid/count?org_id=acme", headers=headers)["X-Request-Id"]


def test_a_large_part_is_told_by_its_form(abcpen):
    fields = {f"field{number}": "x" for number in range(2500)}
    assert abcpen.post("recognize", org_id="acme", audio=part(b"x"), **fields)["code"] == INVALID


def test_a_tenant_that_is_not_active_has_no_license(abcpen):
    Tenant.objects.filter(pk=abcpen.tenant.pk).update(active=False)
    assert abcpen.get("count", org_id="acme") == {"code": "10110", "msg": "no license"}


def test_a_tenant_that_uses_other_dialects_only_has_no_license(abcpen):
    Tenant.objects.filter(pk=abcpen.tenant.pk).update(dialects=["another"])
    assert abcpen.get("count", org_id="acme") == {"code": "10110", "msg": "no license"}
    Tenant.objects.filter(pk=abcpen.tenant.pk).update(dialects=["another", "abcpen"])
    assert abcpen.get("count", org_id="acme")["code"] == "0"


def test_a_wrong_signature_does_not_learn_that_a_tenant_is_not_active(abcpen):
    Tenant.objects.filter(pk=abcpen.tenant.pk).update(active=False)
    abcpen.credential.secret = "another"
    assert abcpen.get("count", org_id="acme")["code"] == "10105"


def test_a_library_deleted_this_moment_is_an_illegal_parameter(abcpen, monkeypatch):
    monkeypatch.setattr("voiceprints.gallery.admit", failing(LibraryNotFound(org_id="acme")))
    assert abcpen.register(recording(SUSAN))["code"] == ILLEGAL
