"""Who may come in, and what for."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.auditing import Search, events_of
from tenants.context import acting_as
from tenants.services import issue_token
from tests.api.native.client import EVERYTHING, STAFF, Native, encoded, problem
from tests.cast import SUSAN, recording

pytestmark = pytest.mark.django_db

AUDIO = encoded(recording(SUSAN))
NEEDS = [
    ("read", "GET", "libraries", None),
    ("read", "GET", "libraries/1", None),
    ("read", "GET", "speakers", None),
    ("read", "GET", "speakers/1", None),
    ("read", "GET", "utterances", None),
    ("read", "GET", "utterances/1", None),
    ("listen", "GET", "utterances/1/recording", None),
    ("enroll", "POST", "libraries", {"org_id": "acme"}),
    ("enroll", "POST", "enroll", STAFF | {"external_id": "susan", "audio": [AUDIO]}),
    ("enroll", "PATCH", "speakers/1", {}),
    ("enroll", "DELETE", "speakers/1", None),
    ("enroll", "DELETE", "utterances/1", None),
    ("enroll", "POST", "speakers/move", {"speakers": [1], "org_id": "acme"}),
    ("recognise", "POST", "verify", STAFF | {"external_id": "susan", "audio": AUDIO}),
    ("recognise", "POST", "identify", STAFF | {"audio": AUDIO}),
    ("recognise", "POST", "compare", {"one": AUDIO, "other": AUDIO}),
    ("recognise", "POST", "analyze", {"audio": AUDIO}),
    ("admin", "PATCH", "libraries/1", {}),
    ("admin", "DELETE", "libraries/1", None),
    ("admin", "POST", "libraries/1/empty", None),
    ("admin", "GET", "usage", None),
    ("admin", "GET", "opt-outs", None),
    ("admin", "POST", "opt-outs", {"external_id": "susan"}),
    ("admin", "GET", "opt-outs/1", None),
    ("admin", "DELETE", "opt-outs/1", None),
    ("admin", "GET", "erasures", None),
    ("admin", "POST", "erasures", {"external_id": "susan"}),
    ("admin", "GET", "erasures/1", None),
    ("admin", "GET", "erasures/1/receipt", None),
]


@pytest.mark.parametrize(("scope", "method", "path", "body"), NEEDS)
def test_every_operation_needs_its_scope(scope, method, path, body, *, client, acme):
    others = [other for other in ("read", "listen", "enroll", "recognise", "path") if other != scope]
    refused = Native(client, acme, *others).ask(method, path, body)
    assert problem(refused) == (403, "insufficient-scope")
    assert refused.json()["required_scope"] == scope
    assert refused["WWW-Authenticate"] == f'Bearer realm="openvpr", error="insufficient_scope", scope="{scope}"'
    assert Native(client, acme, scope).ask(method, path, body).status_code in {200, 201, 404}


def test_what_the_scopes_of_a_token_forbid_is_told_to_its_tenant_once_an_hour(client, acme, globex):
    native = Native(client, acme, "read")
    for number in range(3):
        native.delete(f"speakers/{number}")
    with acting_as(acme):
        (event,) = events_of(acme, Search(action="access.refused"))
    assert (event.outcome, event.actor_kind, event.object_name) == ("refused", "token", "/api/v1/speakers/…")
    assert event.details == {"method": "DELETE", "needed": "enroll"}
    with acting_as(globex):
        assert not events_of(globex, Search(action="access.refused")).exists()


@pytest.mark.parametrize(("method", "path", "body"), [need[1:] for need in NEEDS])
def test_an_administrator_may_do_everything(method, path, body, client, acme):
    assert Native(client, acme, "admin").ask(method, path, body).status_code in {200, 201, 404}


@pytest.mark.parametrize(
    "header", ["", "Basic YWNtZTpzZWNyZXQ=", "Bearer", "Bearer a b", "Bearer é", f"Bearer {'a' * 300}"]
)
def test_what_is_no_bearer_token_is_asked_for_one(header, native):
    reply = native.get("speakers", headers={"Authorization": header})
    assert problem(reply) == (401, "unauthorized")
    assert reply["WWW-Authenticate"] == 'Bearer realm="openvpr"'


def test_an_unknown_token_is_invalid(native):
    reply = native.get("speakers", headers={"Authorization": "Bearer nobody-has-this"})
    assert problem(reply) == (401, "invalid-token")
    assert reply["WWW-Authenticate"] == 'Bearer realm="openvpr", error="invalid_token"'


def test_the_scheme_is_written_in_any_case(native):
    assert native.get("speakers", headers={"Authorization": f"bearer {native.token}"}).status_code == 200


@pytest.mark.parametrize("change", [{"enabled": False}, {"expires": timezone.now() - timedelta(seconds=1)}])
def test_a_token_switched_off_or_expired_is_as_unknown(change, native, acme):
    with acting_as(acme):
        acme.access_tokens.update(**change)
    assert problem(native.get("speakers")) == (401, "invalid-token")


def test_a_token_that_has_not_expired_is_good(client, acme):
    native = Native(client, acme)
    _, native.token = issue_token(acme, scopes=["read"], expires=timezone.now() + timedelta(minutes=1))
    assert native.get("speakers").status_code == 200


def test_a_closed_tenant_is_told_so(native, acme):
    acme.active = False
    acme.save()
    assert problem(native.get("speakers")) == (403, "tenant-closed")


def test_a_tenant_that_does_not_use_this_api_is_told_so(native, acme):
    acme.dialects = ["abcpen"]
    acme.save()
    assert problem(native.get("speakers")) == (403, "api-closed")


def test_the_use_of_a_token_is_noted(native, acme):
    native.get("speakers")
    with acting_as(acme):
        assert acme.access_tokens.get().last_used is not None


def test_no_cookie_is_set_and_none_is_looked_at(native):
    reply = native.get("speakers")
    assert not reply.cookies
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_tokens_do_not_reach_the_log(native, caplog):
    with caplog.at_level("DEBUG"):
        native.get("speakers")
        native.get("speakers", headers={"Authorization": "Bearer some-secret-text"})
    assert native.token not in caplog.text
    assert "some-secret-text" not in caplog.text


def test_the_description_explains_each_scope(client):
    said = client.get("/api/v1/openapi.json", headers={"Accept-Language": "zh-hans"}).json()
    explained = said["components"]["securitySchemes"]["bearer"]["description"]
    assert "- `listen`: fetch the recordings of speakers." in explained
    assert {f"`{scope}`" for scope in EVERYTHING} == set(re.findall("`[a-z]+`", explained))
