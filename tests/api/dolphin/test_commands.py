"""The command of this dialect: addresses for clients, and their end."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tenants.models import Tenant
from tenants.services import find_token, issue_token
from tests.api.dolphin.client import SUCCESS, USER, Dolphin

pytestmark = pytest.mark.django_db


def printed(*arguments, **options):
    out = io.StringIO()
    call_command("dolphin_token", *arguments, stdout=out, **options)
    return json.loads(out.getvalue())


def asked(client, tenant, base):
    return Dolphin(client, base, tenant).raw("checkUser", {"user_name": USER})


def test_the_printed_address_works(client, acme):
    new = printed("acme")
    assert new.keys() == {"tenant", "base_path", "base_url"}
    assert new["tenant"] == "acme"
    assert asked(client, acme, new["base_path"]).json()["status"] == SUCCESS


def test_the_printed_address_is_the_public_one(acme, settings):
    settings.PUBLIC_URL = "https://voices.example/sub"
    new = printed("acme")
    assert new["base_url"] == "https://voices.example/sub" + new["base_path"]


def test_the_printed_secret_is_long_and_always_new(acme):
    secrets = {printed("acme")["base_path"].removeprefix("/dolphin/") for _ in range(3)}
    assert len(secrets) == 3
    assert all(len(secret) * 6 >= 128 and secret.isascii() and "/" not in secret for secret in secrets)


def test_the_address_opens_nothing_else(acme):
    secret = printed("acme")["base_path"].removeprefix("/dolphin/")
    assert find_token(secret).scopes == ["path"]


def test_a_tenant_of_other_dialects_gets_this_one_too(client, acme):
    Tenant.objects.filter(pk=acme.pk).update(dialects=["abcpen"])
    assert asked(client, acme, printed("acme")["base_path"]).status_code == 200
    assert Tenant.objects.get(pk=acme.pk).dialects == ["abcpen", "dolphin"]


def test_revoking_ends_every_address_of_the_tenant_and_of_no_other(client, acme, globex):
    ours, theirs = [printed("acme")["base_path"] for _ in range(2)], printed("globex")["base_path"]
    _, reader = issue_token(acme, scopes=["read"])
    assert printed("acme", revoke=True) == {"tenant": "acme", "revoked": 2}
    assert [asked(client, acme, base).status_code for base in ours] == [404, 404]
    assert asked(client, globex, theirs).status_code == 200
    assert find_token(reader)


def test_an_unknown_tenant_gets_no_address():
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        printed("nobody")
