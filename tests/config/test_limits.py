"""Nobody fills the disk or the memory through the console's forms."""

from __future__ import annotations

import pytest
from django.core.files import uploadhandler
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tenants.models import Role
from tests.console.people import member, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def received(monkeypatch):
    """Names of the files that were read from forms."""
    names = []
    monkeypatch.setattr(
        uploadhandler.FileUploadHandler, "new_file", lambda self, field, name, *about, **more: names.append(name)
    )
    return names


def file(size_bytes):
    return SimpleUploadedFile("large.wav", bytes(size_bytes), "audio/wav")


@pytest.mark.parametrize("page", ["login/", "login/code/", "join/", "language", "try/", "account/"])
def test_whoever_is_not_signed_in_sends_no_files(page, received):
    reply = Client(enforce_csrf_checks=True).post(f"/console/{page}", {"file": file(100_000)})
    assert (reply.status_code, received) == (413, [])
    assert "This upload is too large" in reply.content.decode()


def test_whoever_is_not_signed_in_sends_no_long_form(received):
    reply = Client(enforce_csrf_checks=True).post("/console/login/", {"username": "a" * 100_000})
    assert reply.status_code == 413


def test_a_member_sends_no_more_than_recordings_may_be_large(acme, received, settings):
    settings.MAX_UPLOAD_BYTES = 10_000
    client = signed_in(member(acme, Role.VIEWER).user)
    assert client.post("/console/account/", {"file": file(1_100_000)}).status_code == 413
    reply = client.post("/console/try/", {"file": file(1_100_000)}, headers={"HX-Request": "true"})
    assert "The upload is too large." in reply.content.decode()
    assert 'id="result"' in reply.content.decode()
    assert received == []


def test_what_is_a_little_too_large_is_said_by_the_form(acme, settings):
    settings.MAX_UPLOAD_BYTES = 10_000
    reply = signed_in(member(acme, Role.OWNER).user).post(
        "/console/try/", {"library": 1, "asked": "identify", "audio": file(15_000)}
    )
    assert reply.status_code == 200
    assert 'id="result"' in reply.content.decode()


def test_an_import_may_be_larger(acme, settings):
    settings.MAX_UPLOAD_BYTES = 10_000
    reply = signed_in(member(acme, Role.OWNER).user).post("/console/jobs/acme/import/", {"archive": file(100_000)})
    assert reply.status_code != 413


def test_a_length_that_is_none_makes_no_sense(acme):
    assert Client().post("/console/login/", {}, CONTENT_LENGTH="many").status_code == 400


def test_the_cookie_of_the_language_goes_where_the_others_go(settings):
    reply = Client().post("/console/language", {"language": "zh-hans"})
    cookie = reply.cookies["django_language"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
