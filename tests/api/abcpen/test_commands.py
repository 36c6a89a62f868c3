"""The commands of this dialect: a signature for curl, and the demonstration over real HTTP."""

import io
from urllib.parse import parse_qs

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from api.abcpen.management.commands import demo
from tenants.services import create_tenant, set_credential_enabled

SIGNATURE = "abcpen_signature"


def printed(*arguments, **options):
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_the_printed_query_signs_a_request(client, acme):
    query = printed(SIGNATURE, "acme").strip()
    assert client.get(f"/voiceid/count?org_id=a&{query}").json()["code"] == "0"


@pytest.mark.django_db
def test_the_printed_query_is_url_encoded(acme, acme_credential):
    query = printed(SIGNATURE, "acme").strip()
    assert parse_qs(query)["appid"] == [acme_credential.key_id]
    assert query.endswith("%3D")


@pytest.mark.django_db
def test_an_unknown_tenant_cannot_sign():
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        call_command(SIGNATURE, "nobody")


@pytest.mark.django_db
def test_a_tenant_without_a_usable_key_cannot_sign(acme, acme_credential):
    set_credential_enabled(acme_credential, False)
    with pytest.raises(CommandError, match="no usable credential"):
        call_command(SIGNATURE, "acme")


@pytest.fixture
def demo_tenant(transactional_db):
    return create_tenant("demo")


def test_the_demonstration_recognises_every_voice_again_and_again(live_server, demo_tenant):
    printed("demo", url=live_server.url)
    again = printed("demo", url=live_server.url)
    assert f"Forgot {len(demo.voices())} sample voices of an earlier run." in again
    assert "24 of 24 recognised." in again


def test_the_demonstration_says_when_a_voice_is_taken_for_another(live_server, demo_tenant, monkeypatch):
    swapped = dict(zip(demo.voices(), demo.voices()[1:] + demo.voices()[:1], strict=True))
    monkeypatch.setattr(demo, "voices", lambda: list(swapped)[:2])
    by_voice = demo.recordings_of
    monkeypatch.setattr(demo, "recordings_of", lambda voice: [by_voice(voice)[0], by_voice(swapped[voice])[1]])
    with pytest.raises(CommandError, match="not every voice"):
        printed("demo", url=live_server.url)


def test_the_demonstration_says_when_nothing_runs(demo_tenant):
    with pytest.raises(CommandError, match="is it running"):
        call_command("demo", url="http://127.0.0.1:9")


def test_the_demonstration_says_when_something_else_runs(live_server, demo_tenant):
    with pytest.raises(CommandError, match="not of this platform"):
        call_command("demo", url=f"{live_server.url}/health")


@pytest.fixture(autouse=True)
def close_connections():
    yield
    connections.close_all()
