"""Signing in with a code of an authenticator app beside the password."""

from __future__ import annotations

import base64
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from tenants import second_factors
from tenants.models import RecoveryCode, Role, SecondFactor, Tenant
from tests.console.authenticator import code_of, give_code, give_password, is_inside, with_app
from tests.console.people import PASSWORD, join, member, signed_in
from tests.threads import all_at_once

pytestmark = pytest.mark.django_db

SET_UP = "/console/account/two-factor/"


@pytest.fixture
def olga(acme):
    return member(acme, Role.OWNER, "olga").user


def test_the_password_alone_opens_nothing(olga):
    seed, _ = with_app(olga)
    client = Client()
    assert give_password(client, olga).headers["Location"] == "/console/login/code/"
    assert not is_inside(client)
    assert client.get("/console/tenants/credential/").status_code == 302
    assert give_code(client, code_of(seed)).headers["Location"] == "/console/"
    assert is_inside(client)


def test_a_code_works_once(olga):
    seed, _ = with_app(olga)
    first, second = Client(), Client()
    for client in (first, second):
        give_password(client, olga)
        page = give_code(client, code_of(seed))
    assert is_inside(first)
    assert "it was used before" in page.content.decode()
    assert not is_inside(second)


@pytest.mark.django_db(transaction=True)
def test_of_several_who_send_the_same_code_at_once_one_passes(olga):
    seed, _ = with_app(olga)
    code = code_of(seed)
    assert sorted(all_at_once(*[lambda: second_factors.passes(olga, code)] * 4)) == [False, False, False, True]


def test_a_code_older_than_one_that_was_used_is_spent(olga):
    seed, _ = with_app(olga)
    assert second_factors.passes(olga, code_of(seed, 1))
    assert not second_factors.passes(olga, code_of(seed))


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_half_a_minute_wrong(steps, good, olga):
    seed, _ = with_app(olga)
    assert second_factors.passes(olga, code_of(seed, steps)) is good


@pytest.mark.parametrize("code", ["", "000000x", "１２３４５６", "0" * 40])
def test_what_is_no_code_lets_nobody_in(code, olga):
    with_app(olga)
    client = Client()
    give_password(client, olga)
    assert give_code(client, code).status_code == 200
    assert not is_inside(client)


def test_a_recovery_code_works_once_however_it_is_typed(olga):
    _, codes = with_app(olga)
    client = Client()
    give_password(client, olga)
    give_code(client, codes[0].replace("-", " ").upper())
    assert is_inside(client)
    assert not second_factors.passes(olga, codes[0])
    assert second_factors.passes(olga, codes[1])


def test_somebody_elses_codes_are_worth_nothing(olga, acme):
    seed, codes = with_app(member(acme, Role.OWNER, "other").user)
    with_app(olga)
    assert not second_factors.passes(olga, code_of(seed))
    assert not second_factors.passes(olga, codes[0])


def test_who_has_few_recovery_codes_left_is_told(olga):
    _, codes = with_app(olga)
    RecoveryCode.objects.exclude(digest=second_factors._digest(codes[0])).delete()
    client = Client()
    give_password(client, olga)
    give_code(client, codes[0])
    assert "You have 0 recovery codes left." in client.get("/console/").content.decode()


def test_halfway_in_ends_after_a_while_and_with_the_password(olga, monkeypatch):
    seed, _ = with_app(olga)
    client = Client()
    give_password(client, olga)
    session = client.session
    session["halfway"] = [*session["halfway"][:3], session["halfway"][3] - 301]
    session.save()
    assert give_code(client, code_of(seed)).headers["Location"] == "/console/login/"
    give_password(client, olga)
    olga.set_password("another battery staple")
    olga.save()
    give_code(client, code_of(seed))
    assert not is_inside(client)


def test_nobody_comes_to_the_second_step_without_the_first(olga):
    with_app(olga)
    assert Client().get("/console/login/code/").headers["Location"] == "/console/login/"


@pytest.mark.parametrize(
    ("wanted", "reached"), [("/console/account/", "/console/account/"), ("https://evil.example/", "/console/")]
)
def test_the_page_that_was_asked_for_comes_after_the_code(wanted, reached, olga):
    seed, _ = with_app(olga)
    client = Client()
    client.post(f"/console/login/?next={wanted}", {"username": "olga", "password": PASSWORD})
    assert give_code(client, code_of(seed)).headers["Location"] == reached


def test_setting_it_up_takes_a_code_and_the_password_and_shows_recovery_codes_once(olga):
    client = signed_in(olga)
    page = client.get(SET_UP).content.decode()
    seed = re.search(r'id="seed"[^>]*>\s*(\w+)', page)[1]
    assert "data:image/svg+xml" in page
    assert "The password is wrong." in set_up(client, code_of(seed), "wrong")
    assert "not the code" in set_up(client, "123456" if code_of(seed) != "123456" else "654321")
    shown = set_up(client, code_of(seed))
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", shown)
    assert len(set(codes)) == 10
    assert second_factors.has_second_factor(olga)
    assert client.get(SET_UP).headers["Location"] == "/console/account/"
    assert "10 recovery codes are left" in client.get("/console/account/").content.decode()
    assert second_factors.passes(olga, codes[3])


def set_up(client, code: str, password: str = PASSWORD) -> str:
    return client.post(SET_UP, {"code": code, "password": password}).content.decode()


def test_the_seed_is_encrypted_and_recovery_codes_are_digests(olga):
    seed, codes = with_app(olga)
    with connection.cursor() as cursor:
        cursor.execute("SELECT seed FROM tenants_secondfactor")
        (kept,) = cursor.fetchone()
        cursor.execute("SELECT string_agg(digest, ' ') FROM tenants_recoverycode")
        (digests,) = cursor.fetchone()
    assert kept.startswith("gAAAA")
    assert base64.b32decode(seed).hex() not in kept
    assert not [code for code in codes if code in digests or code.replace("-", "") in digests]


def test_an_unconfirmed_seed_protects_nothing(olga):
    second_factors.begin(olga)
    client = Client()
    give_password(client, olga)
    assert is_inside(client)


def test_turning_it_on_ends_the_sessions_that_were_begun_without(olga):
    here, elsewhere = signed_in(olga), signed_in(olga)
    page = here.get(SET_UP).content.decode()
    set_up(here, code_of(re.search(r'id="seed"[^>]*>\s*(\w+)', page)[1]))
    assert is_inside(here)
    assert not is_inside(elsewhere)


def test_turning_it_off_takes_the_password(olga):
    seed, _ = with_app(olga)
    client = signed_in(olga)
    client.post("/console/account/two-factor/off/", {"password": "wrong"})
    assert second_factors.has_second_factor(olga)
    client.post("/console/account/two-factor/off/", {"password": PASSWORD})
    assert not second_factors.has_second_factor(olga)
    assert not RecoveryCode.objects.exists()
    assert not second_factors.passes(olga, code_of(seed))


def test_new_recovery_codes_replace_the_old(olga):
    _, old = with_app(olga)
    page = signed_in(olga).post("/console/account/recovery-codes/", {"password": PASSWORD}).content.decode()
    new = re.findall(r"<code>([a-z2-7-]{19})</code>", page)
    assert not second_factors.passes(olga, old[0])
    assert second_factors.passes(olga, new[0])


def test_a_tenant_that_requires_it_shows_nothing_else_before(olga, acme):
    Tenant.objects.filter(pk=acme.pk).update(two_factor_required=True)
    client = Client()
    give_password(client, olga)
    for page in ["", "tenants/credential/", "voiceprints/speaker/", "account/", "password_change/"]:
        assert client.get(f"/console/{page}").headers["Location"] == SET_UP
    page = client.get(SET_UP).content.decode()
    assert "required here" in page
    set_up(client, code_of(re.search(r'id="seed"[^>]*>\s*(\w+)', page)[1]))
    assert is_inside(client)
    assert client.post("/console/logout/").status_code == 200


def test_one_who_must_set_it_up_may_work_for_another_tenant(olga, acme, globex):
    join(olga, globex, Role.VIEWER)
    Tenant.objects.filter(pk=acme.pk).update(two_factor_required=True)
    client = signed_in(olga)
    assert not is_inside(client)
    client.post("/console/tenant/", {"tenant": globex.pk})
    assert is_inside(client)


@pytest.mark.parametrize("required", [True, False])
def test_the_platform_may_require_it_of_its_staff(required, client_of, settings):
    settings.STAFF_NEED_TWO_FACTORS = required
    assert is_inside(client_of("staff")) is not required
    assert is_inside(client_of("owner"))


def test_staff_turn_it_off_for_somebody_who_lost_the_app(olga, client_of):
    with_app(olga)
    theirs = signed_in(olga)
    address = f"/console/auth/user/{olga.pk}/two-factor-off/"
    staff = client_of("staff")
    assert "Turn off two-factor sign-in of olga?" in staff.get(address).content.decode()
    assert second_factors.has_second_factor(olga)
    staff.post(address)
    assert not second_factors.has_second_factor(olga)
    assert not is_inside(theirs)
    assert client_of("owner").post(address).status_code == 403


def test_wrong_codes_lead_to_a_pause(olga):
    seed, _ = with_app(olga)
    client = Client()
    give_password(client, olga)
    wrong = "123456" if code_of(seed) != "123456" else "654321"
    for _ in range(5):
        give_code(client, wrong)
    assert "Too many failed attempts" in give_code(client, code_of(seed)).content.decode()
    assert not is_inside(client)
    assert SecondFactor.objects.get().last_step == 0


def test_a_command_lets_in_who_lost_the_app_or_is_locked_out(olga):
    with_app(olga)
    for _ in range(5):
        give_password(Client(), olga, "wrong")
    client = Client()
    call_command("let_in", "olga", stdout=StringIO())
    assert give_password(client, olga).headers["Location"] == "/console/login/code/"
    call_command("let_in", "olga", "--without-second-factor", stdout=StringIO())
    give_password(client, olga)
    assert is_inside(client)
    with pytest.raises(CommandError, match="no user"):
        call_command("let_in", "nobody")


def test_an_owner_requires_it_of_all_members_after_a_question(olga, acme, client_of):
    member(acme, Role.VIEWER, "victor")
    with_app(olga)
    client = signed_in(olga)
    rule = "/console/tenants/membership/two-factor-rule/"
    assert "1 member<" in client.get(rule).content.decode()
    client.post(rule, {"required": "yes"})
    acme.refresh_from_db()
    assert acme.two_factor_required
    assert not is_inside(client_of("viewer"))
    assert not is_inside(client)
    client = Client()
    give_password(client, olga)
    give_code(client, code_of(app_seed(olga)))
    client.post(rule, {"required": "no"})
    acme.refresh_from_db()
    assert not acme.two_factor_required


def app_seed(user) -> str:
    return base64.b32encode(bytes.fromhex(SecondFactor.objects.get(user=user).seed)).decode()


def test_the_rule_of_one_tenant_is_not_changed_by_another(acme, client_of):
    client_of("globex").post("/console/tenants/membership/two-factor-rule/", {"required": "yes", "tenant": acme.pk})
    acme.refresh_from_db()
    assert not acme.two_factor_required
