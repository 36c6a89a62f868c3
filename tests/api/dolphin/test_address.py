"""The secret in the path, the bare paths, and what is told and logged of either."""

import logging
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.utils import timezone

from api.dolphin import conf
from tenants.models import AccessToken, Tenant
from tenants.services import delete_token, find_token, issue_token
from tests.api.dolphin.client import SERVICE_ERROR, SUCCESS, USER, Dolphin, address_for, told

pytestmark = pytest.mark.django_db

OPERATIONS = ["checkUser", "getUsers", "enroll", "verify", "unregister"]
METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"]
NOT_HERE = {"status": SERVICE_ERROR, "message": "service error", "data": None}


def refused(reply):
    return reply.status_code == 404 and told(reply) == NOT_HERE


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_address_is_not_found_whatever_is_asked_there(client, acme, operation, method):
    address_for(acme)
    reply = getattr(client, method)(f"/dolphin/{'x' * 43}/{operation}")
    assert reply.status_code == 404
    assert method == "head" or told(reply) == NOT_HERE


@pytest.mark.parametrize("token", ["x", "%00", "%ff", "%ed%a0%80", "名", "a" * 2000, "a%0Ab", " ", ".."])
def test_no_other_text_is_a_token(client, acme, token):
    assert refused(client.post(f"/dolphin/{token}/checkUser", {}, content_type="application/json"))


@pytest.mark.parametrize("path", ["", "/", "/checkUser", "//checkUser", "/{token}", "/{token}/", "/{token}/other"])
def test_what_is_no_operation_is_not_found(client, dolphin, path):
    token = dolphin.base.rpartition("/")[2]
    assert refused(client.post("/dolphin" + path.format(token=token), {}, content_type="application/json"))


def test_a_revoked_token_is_not_found(client, acme):
    token, secret = issue_token(acme, scopes=["path"])
    delete_token(token)
    assert refused(Dolphin(client, f"/dolphin/{secret}", acme).raw("checkUser", {"user_name": USER}))


def test_an_expired_token_is_not_found(client, acme):
    _, secret = issue_token(acme, scopes=["path"], expires=timezone.now() - timedelta(seconds=1))
    assert refused(Dolphin(client, f"/dolphin/{secret}", acme).raw("checkUser", {"user_name": USER}))


@pytest.mark.parametrize("scope", ["read", "listen", "enroll", "recognise", "admin"])
def test_a_token_for_something_else_is_not_found(client, acme, scope):
    _, secret = issue_token(acme, scopes=[scope])
    assert refused(Dolphin(client, f"/dolphin/{secret}", acme).raw("checkUser", {"user_name": USER}))


def test_a_closed_tenant_is_not_found(dolphin):
    Tenant.objects.filter(pk=dolphin.tenant.pk).update(active=False)
    assert refused(dolphin.raw("checkUser", {"user_name": USER}))


def test_a_tenant_of_other_dialects_is_not_found(dolphin):
    Tenant.objects.filter(pk=dolphin.tenant.pk).update(dialects=["abcpen"])
    assert refused(dolphin.raw("checkUser", {"user_name": USER}))


def test_a_tenant_has_as_many_addresses_as_it_was_given(client, acme):
    for _ in range(2):
        assert Dolphin(client, address_for(acme), acme).check()["enroll_num"] == 0


def test_using_a_token_is_noted(dolphin):
    dolphin.check()
    assert find_token(dolphin.base.rpartition("/")[2]).last_used


def test_the_secret_is_not_kept(dolphin, acme):
    secret = dolphin.base.rpartition("/")[2]
    dolphin.check()
    assert len(secret) >= 22
    assert all(secret not in str(row) for row in AccessToken.all_tenants.values())


@pytest.mark.parametrize("operation", ["checkUser", "enroll", "verify", "unregister"])
@pytest.mark.parametrize("method", ["get", "put", "delete", "options", "patch", "trace"])
def test_a_wrong_method_is_a_service_error(client, dolphin, operation, method):
    reply = getattr(client, method)(f"{dolphin.base}/{operation}")
    assert (reply.status_code, told(reply)) == (405, NOT_HERE)


@pytest.mark.parametrize("method", ["post", "put", "options"])
def test_users_can_only_be_got(client, dolphin, method):
    reply = getattr(client, method)(f"{dolphin.base}/getUsers")
    assert (reply.status_code, told(reply)) == (405, NOT_HERE)


# --- What is logged --------------------------------------------------------------------------------------------------


def test_the_log_names_who_did_what_and_the_task(dolphin, caplog):
    task = dolphin.raw("checkUser", {"user_name": USER}).json()["task_id"]
    (line,) = [record.message for record in caplog.records if record.name == "openvpr.api"]
    assert f" tenant=acme operation=check_user outcome={SUCCESS} task_id={task} ms=" in line


@pytest.mark.parametrize("path", ["/checkUser", "/other", "", "/checkUser/x"])
@pytest.mark.parametrize("method", ["get", "post", "put"])
def test_the_token_never_gets_into_the_log(client, dolphin, caplog, path, method):
    with caplog.at_level(logging.DEBUG):
        getattr(client, method)(dolphin.base + path)
    lines = [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
    assert any("operation=" in line for line in lines)
    assert not any(dolphin.base.rpartition("/")[2] in line for line in lines)


def test_the_token_never_gets_into_a_reply(client, dolphin):
    replies = [client.get(dolphin.base + path) for path in ("/checkUser", "/other", "/getUsers", "")]
    assert not any(dolphin.base.rpartition("/")[2].encode() in reply.content for reply in replies)


# --- The bare paths --------------------------------------------------------------------------------------------------


@pytest.fixture
def root(client, acme, monkeypatch):
    """A client of tenant acme that knows no secret."""
    monkeypatch.setattr(conf, "ROOT_TENANT", "acme")
    return Dolphin(client, "", acme)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("method", ["get", "post", "put"])
def test_the_bare_paths_are_not_found_unless_they_are_bound(client, acme, operation, method):
    assert refused(getattr(client, method)(f"/{operation}"))


def test_bound_bare_paths_serve_their_tenant(root, dolphin):
    assert root.call("checkUser", user_name=USER)["status"] == SUCCESS
    assert root.users() == dolphin.users() == {"status": SUCCESS, "message": "success", "data": []}


def test_bare_paths_of_no_tenant_are_not_found(root, monkeypatch, caplog):
    monkeypatch.setattr(conf, "ROOT_TENANT", "nobody")
    assert refused(root.raw("checkUser", {"user_name": USER}))
    assert "OPENVPR_DOLPHIN_ROOT_TENANT names no tenant" in caplog.text


def test_bare_paths_of_a_closed_tenant_are_not_found(root, acme):
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    assert refused(root.raw("checkUser", {"user_name": USER}))


@pytest.mark.parametrize(
    ("peer", "served"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1", True),
        ("10.2.0.1", False),
        ("::1", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_bare_paths_serve_only_their_networks(root, monkeypatch, peer, served):
    monkeypatch.setattr(conf, "ROOT_NETWORKS", (ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    reply = root.client.post("/checkUser", {"user_name": USER}, content_type="application/json", REMOTE_ADDR=peer)
    assert refused(reply) is not served


def test_a_forwarded_address_is_not_believed(root, monkeypatch):
    monkeypatch.setattr(conf, "ROOT_NETWORKS", (ip_network("10.1.0.0/16"),))
    reply = root.client.get("/getUsers", headers={"X-Forwarded-For": "10.1.2.3", "X-Real-Ip": "10.1.2.3"})
    assert refused(reply)


def test_a_wrong_method_on_a_bare_path_is_a_service_error(root):
    reply = root.client.get("/enroll")
    assert (reply.status_code, told(reply)) == (405, NOT_HERE)
