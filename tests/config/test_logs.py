"""How the log is written, and what Django itself would write about a request that went wrong."""

import http.client
import io
import json
import logging
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.test import Client

from config import settings as config_settings
from config import urls
from config.logs import JsonLines
from config.telling import tell_that_it_runs
from tenants import invitations
from tenants.models import Role
from tenants.origins import Origin, coming_from
from tenants.services import Provisioned, create_tenant
from tests.console.people import member, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def broken(monkeypatch):
    """A client of an installation in which a view outside every room breaks."""

    def broken(request):
        raise ZeroDivisionError

    monkeypatch.setattr(urls.urlpatterns[2], "callback", broken)
    return Client(raise_request_exception=False)


def lines(caplog):
    return [record for record in caplog.records if record.name.startswith("django")]


@pytest.mark.parametrize("path", ["/no/such-secret", "/voiceid/such-secret", "/voiceid/count?signa=such-secret"])
@pytest.mark.parametrize("method", ["get", "put"])
def test_addresses_of_clients_stay_out_of_the_log(client, caplog, path, method):
    with caplog.at_level(logging.DEBUG):
        assert getattr(client, method)(path).status_code in {200, 404, 405}
    assert "such-secret" not in caplog.text


def test_what_broke_is_logged_without_the_address(broken, caplog):
    assert broken.get("/health/live?such-secret").status_code == 500
    (line,) = lines(caplog)
    assert (line.getMessage(), line.exc_info[0]) == ("an answer with status 500", ZeroDivisionError)
    assert "/health/live" not in line.getMessage()


def test_addresses_of_the_console_are_logged(admin_client, caplog):
    assert admin_client.get("/console/nothing-here/").status_code == 404
    assert [line.getMessage() for line in lines(caplog)] == ["Not Found: /console/nothing-here/"]


@pytest.fixture
def written(monkeypatch):
    """What the process writes, as its settings say."""
    stream = io.StringIO()
    (handler,) = [one for one in logging.getLogger().handlers if one.get_name() == "console"]
    monkeypatch.setattr(handler, "stream", stream)
    return lambda: stream.getvalue().splitlines()


def test_a_refused_request_is_one_line(written, acme):
    client = signed_in(member(acme, Role.VIEWER).user)
    assert client.get("/console/tenants/credential/").status_code == 403
    (line,) = written()
    assert line.endswith("WARNING django.request Forbidden (Permission denied): /console/tenants/credential/")


REFUSED = [
    "tenants/credential/?secret__startswith=a",
    "tenants/credential/?nothing__exact=1",
    "autocomplete/?app_label=tenants&model_name=credential&field_name=secret",
    "voiceprints/speaker/1/delete/",
    "jobs/globex/",
    "nothing/",
]


@pytest.mark.parametrize("page", REFUSED)
def test_what_a_member_is_refused_is_no_error(page, written, acme):
    assert signed_in(member(acme, Role.OWNER).user).get(f"/console/{page}").status_code >= 300
    assert [line for line in written() if " ERROR " in line] == []


def test_refusals_are_not_written_where_only_errors_are_wanted(written, acme, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "level", logging.ERROR)
    monkeypatch.setattr(logging.getLogger("django"), "level", logging.ERROR)
    client = signed_in(member(acme, Role.OWNER).user)
    assert client.get("/console/tenants/credential/?secret__startswith=a").status_code == 400
    assert written() == []


def test_a_form_with_too_many_fields_is_one_line(written, acme):
    client = signed_in(member(acme, Role.OWNER).user)
    fields = {f"field{number}": "" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)}
    assert client.post("/console/tenants/credential/add/", fields).status_code == 400
    assert len(written()) == 1


def test_what_broke_is_written_with_where_it_broke(written, broken):
    assert broken.get("/health/live").status_code == 500
    assert any("ZeroDivisionError" in line for line in written())


def test_the_secret_of_an_invitation_stays_out_of_the_log_when_a_form_is_sent_to_its_link(caplog):
    caplog.set_level(logging.DEBUG)
    assert Client(enforce_csrf_checks=True).post("/console/join/such-secret/", {"a": "b"}).status_code == 403
    assert "such-secret" not in caplog.text


def test_the_secret_of_an_invitation_stays_out_of_the_log_when_its_link_breaks(monkeypatch, caplog):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr(invitations, "digest_of", broken)
    assert Client(raise_request_exception=False).get("/console/join/such-secret/").status_code == 500
    (line,) = lines(caplog)
    assert (line.getMessage(), line.exc_info[0]) == ("an answer with status 500", ZeroDivisionError)
    assert "such-secret" not in caplog.text


def line_of(message="told", **about):
    record = logging.LogRecord("openvpr.api", logging.INFO, __file__, 1, message, (), None)
    vars(record).update(about)
    return json.loads(JsonLines().format(record))


def test_a_line_is_one_object_whatever_is_said():
    told = line_of('a "quoted"\nline\u2028and more é')
    assert told["message"] == 'a "quoted"\nline\u2028and more é'
    assert (told["level"], told["logger"], told["process"]) == ("INFO", "openvpr.api", os.getpid())
    assert datetime.fromisoformat(told["time"]).tzinfo is UTC
    assert "\n" not in JsonLines().format(logging.makeLogRecord({"msg": "a\nb"}))


def test_a_line_tells_on_whose_request_or_job_it_was_written():
    with coming_from(Origin(interface="abcpen", request_id="r-1", job=7)):
        told = line_of()
    assert (told["interface"], told["request_id"], told["job"]) == ("abcpen", "r-1", 7)
    assert "request_id" not in line_of()


def test_a_line_has_the_fields_that_were_given():
    assert line_of(said={"tenant": "acme", "milliseconds": 12})["milliseconds"] == 12


def test_what_broke_stands_in_its_line():
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        told = line_of(exc_info=sys.exc_info())
    assert "ZeroDivisionError" in told["exception"]


@pytest.mark.parametrize(
    ("given", "returned"),
    [("my-id.7", "my-id.7"), ("a b", None), ("x" * 65, None), ("inject\ted", None), ("", None)],
)
def test_a_request_keeps_the_name_it_came_with_when_that_is_fit_for_a_log(client, given, returned):
    reply = client.get("/api/v1/speakers", headers={"X-Request-Id": given})
    assert reply["X-Request-Id"] == returned or (returned is None and len(reply["X-Request-Id"]) == 32)


PROCESSES = [
    ["celery", "--quiet", "-A", "config.celery", "worker", "-Q", "maintenance", "-P", "solo"],
    ["celery", "--quiet", "-A", "config.celery", "beat", "--pidfile", ""],
    ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"],
]


@pytest.mark.parametrize("command", PROCESSES, ids=["worker", "beat", "web"])
def test_every_line_of_every_process_is_an_object(command, tmp_path, free_port):
    """But Celery's farewell, which it writes past all logging."""
    environment = os.environ | {"OPENVPR_LOG_FORMAT": "json", "OPENVPR_EAGER": "0", "OPENVPR_PORT": str(free_port)}
    extra = ["--schedule", str(tmp_path / "schedule")] if "beat" in command else []
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *extra], env=environment, cwd=settings.BASE_DIR, stdout=log, stderr=log
        )
        try:
            wait_for(lambda: len((tmp_path / "log").read_text().splitlines()) >= 2)
            *lines, _ = (tmp_path / "log").read_text().split("\n")
        finally:
            process.terminate()
            process.wait(30)
    assert all({"time", "level", "logger", "message"} <= json.loads(line).keys() for line in lines)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_web_server_logs_no_address_that_was_asked_for(form, tmp_path, free_port):
    environment = os.environ | {
        "OPENVPR_LOG_FORMAT": form,
        "OPENVPR_LOG_LEVEL": "DEBUG",
        "OPENVPR_PORT": str(free_port),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=log, stderr=log)
        try:
            wait_for(lambda: answers(free_port, "/health/live"))
            assert answers(free_port, "/voiceid/count?org_id=acme&signa=such-a-signature")
            assert answers(free_port, "/dolphin/such-a-secret-address/checkUser")
            wait_for(lambda: (tmp_path / "log").read_text().count("operation=") >= 2)
        finally:
            process.terminate()
            process.wait(30)
    logged = (tmp_path / "log").read_text()
    assert "such-a" not in logged
    assert "/voiceid" not in logged


def answers(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_launcher_tells_no_secret_where_its_lines_are_collected(monkeypatch, caplog, capsys):
    monkeypatch.setattr(config_settings, "LOG_FORMAT", "json")
    credential = create_tenant("fresh")
    caplog.set_level(logging.INFO)
    tell_that_it_runs(Provisioned("admin", "such-a-password", credential))
    assert len(caplog.records) == 3
    lines = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert not [secret for secret in ("such-a-password", credential.secret, credential.key_id) if secret in lines]
    assert capsys.readouterr().out == ""


def test_the_launcher_shows_a_person_what_is_shown_once(capsys):
    credential = create_tenant("fresh")
    tell_that_it_runs(Provisioned("admin", "such-a-password", credential))
    assert {"such-a-password", credential.secret} <= set(capsys.readouterr().out.split())
