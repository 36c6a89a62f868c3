"""Access tokens: shown once, kept as a digest, found by whoever can say them."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import AccessToken, Scope
from tenants.services import allow_dialect, delete_token, delete_tokens, find_token, issue_token, note_use

pytestmark = pytest.mark.django_db


def test_a_token_is_found_by_its_text(acme):
    token, plain = issue_token(acme, scopes=["read", "enroll"], label="payroll")
    found = find_token(plain)
    assert (found, found.tenant, found.scopes, found.label) == (token, acme, ["read", "enroll"], "payroll")


def test_the_text_is_not_kept(acme):
    token, plain = issue_token(acme, scopes=["read"])
    with acting_as(acme):
        (row,) = AccessToken.all_tenants.filter(pk=token.pk).values()
    assert plain not in str(row)


def test_every_token_has_a_text_of_its_own(acme):
    texts = {issue_token(acme, scopes=["read"])[1] for _ in range(3)}
    assert len(texts) == 3
    assert all(len(text) >= 43 for text in texts)


@pytest.mark.parametrize("text", ["", "wrong", "\x00", "\ud800", "ü" * 1000])
def test_no_other_text_finds_it(acme, text):
    issue_token(acme, scopes=["read"])
    assert find_token(text) is None


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "root"]])
def test_a_scope_must_be_one_of_ours(acme, scopes):
    with pytest.raises(ValidationError):
        issue_token(acme, scopes=scopes)


def test_an_expired_token_opens_nothing(acme):
    _, plain = issue_token(acme, scopes=["read"], expires=timezone.now() - timedelta(seconds=1))
    assert find_token(plain) is None


def test_a_disabled_token_opens_nothing(acme):
    token, plain = issue_token(acme, scopes=["read"])
    with acting_as(acme):
        AccessToken.all_tenants.filter(pk=token.pk).update(enabled=False)
    assert find_token(plain) is None


def test_a_deleted_token_opens_nothing(acme):
    token, plain = issue_token(acme, scopes=["read"])
    delete_token(token)
    assert find_token(plain) is None


def test_all_tokens_that_open_as_much_are_deleted_at_once(acme, globex):
    gone = [issue_token(acme, scopes=scopes)[1] for scopes in (["path"], ["read", "path"])]
    kept = [issue_token(acme, scopes=["read"])[1], issue_token(globex, scopes=["path"])[1]]
    assert delete_tokens(acme, Scope.PATH) == 2
    assert not any(map(find_token, gone))
    assert all(map(find_token, kept))


@pytest.mark.parametrize(
    ("before", "after"), [([], []), (["abcpen"], ["abcpen", "dolphin"]), (["dolphin"], ["dolphin"])]
)
def test_a_dialect_is_allowed_beside_the_others(acme, before, after):
    acme.dialects = before
    allow_dialect(acme, "dolphin")
    assert acme.dialects == after
    assert acme.speaks("dolphin")


def test_its_use_is_noted(acme):
    token, plain = issue_token(acme, scopes=["read"])
    note_use(token)
    assert find_token(plain).last_used is not None


@pytest.mark.django_db(transaction=True)
def test_tokens_that_could_read_before_hearing_had_a_scope_of_its_own_go_on_hearing(acme, globex):
    plain = {tenant: issue_token(tenant, scopes=["read", "recognise"])[1] for tenant in (acme, globex)}
    _, other = issue_token(acme, scopes=["enroll"])
    call_command("migrate", "tenants", "0018", verbosity=0)
    call_command("migrate", verbosity=0)
    assert [find_token(text).scopes for text in plain.values()] == [["read", "recognise", "listen"]] * 2
    assert find_token(other).scopes == ["enroll"]
