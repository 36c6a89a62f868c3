"""Access tokens from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tenants.context import acting_as
from tenants.services import find_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    def run(*arguments: str) -> str:
        call_command(*arguments)
        return capsys.readouterr().out.strip()

    return run


def test_an_issued_token_is_printed_with_all_there_is_to_know(acme, run):
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    printed = json.loads(
        run("issue_token", "acme", "--scopes", "read", "enroll", "--label", "工资", "--expires", tomorrow)
    )
    found = find_token(printed.pop("token"))
    assert printed == {
        "tenant": "acme",
        "id": found.pk,
        "label": "工资",
        "scopes": ["read", "enroll"],
        "enabled": True,
        "expires": tomorrow,
        "last_used": None,
    }


def test_a_token_expires_on_a_day(acme, run):
    printed = json.loads(run("issue_token", "acme", "--scopes", "read", "--expires", "2126-01-31"))
    assert find_token(printed["token"]).expires == datetime(2126, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scopes", "everything"],
        [],
        ["--scopes", "path"],
        ["--scopes", "read", "--expires", "2020-01-01"],
        ["--scopes", "read", "--expires", "soon"],
        ["--scopes", "read", "--label", "a" * 101],
    ],
)
def test_nonsense_issues_nothing(arguments, acme, run):
    with pytest.raises(CommandError):
        run("issue_token", "acme", *arguments)
    with acting_as(acme):
        assert not acme.access_tokens.exists()


def test_an_unknown_tenant_gets_none(db, run):
    with pytest.raises(CommandError, match="no tenant"):
        run("issue_token", "nobody", "--scopes", "read")


def test_tokens_are_listed_without_their_texts(acme, globex, run):
    texts = [json.loads(run("issue_token", "acme", "--scopes", scope))["token"] for scope in ("read", "admin")]
    run("issue_token", "globex", "--scopes", "read")
    listed = run("token", "list", "acme")
    assert [json.loads(line)["scopes"] for line in listed.splitlines()] == [["read"], ["admin"]]
    assert not any(text in listed for text in texts)


def test_a_revoked_token_opens_nothing(acme, run):
    printed = json.loads(run("issue_token", "acme", "--scopes", "read"))
    assert run("token", "revoke", "acme", str(printed["id"])) == f"{printed['id']}: revoked"
    assert find_token(printed["token"]) is None


def test_another_tenants_token_cannot_be_revoked(acme, globex, run):
    printed = json.loads(run("issue_token", "acme", "--scopes", "read"))
    with pytest.raises(CommandError, match="has no token"):
        run("token", "revoke", "globex", str(printed["id"]))
    assert find_token(printed["token"]) is not None
