"""Signing in by password: the brake on guessing, changing the password, and where one is signed in."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from tenants.models import ConsoleSession, Guesses, Role, Tenant
from tenants.tasks import sweep_sign_ins
from tests.console.authenticator import give_password, is_inside
from tests.console.people import PASSWORD, join, member, signed_in

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
NEW_PASSWORD = "another battery staple"


@pytest.fixture
def olga(acme):
    return member(acme, Role.OWNER, "olga").user


@pytest.mark.parametrize("name", ["olga", "nobody at all", "root"])
def test_a_pause_is_the_same_whether_or_not_there_is_such_an_account(name, olga):
    get_user_model().objects.create_superuser("root", password=PASSWORD)
    said = []
    for password in [*["wrong"] * 5, PASSWORD]:
        page = give_password(Client(), name, password).content.decode()
        said.append("paused" if "Try again in 1 minute." in page else "wrong")
    assert said == [*["wrong"] * 5, "paused"]


def test_a_right_password_is_refused_while_the_pause_lasts(olga):
    for _ in range(5):
        give_password(Client(), olga, "wrong")
    client = Client()
    assert "Too many failed attempts" in give_password(client, olga).content.decode()
    Guesses.objects.update(paused_until=timezone.now())
    give_password(client, olga)
    assert is_inside(client)
    assert not Guesses.objects.filter(user=olga).exists()


def test_an_address_that_guesses_many_names_must_wait(olga):
    for number in range(30):
        give_password(Client(), f"name {number}", "wrong")
    assert "Too many failed attempts" in give_password(Client(), olga).content.decode()
    client = Client(REMOTE_ADDR="198.51.100.1")
    give_password(client, olga)
    assert is_inside(client)


@pytest.mark.parametrize(("behind_proxy", "counted"), [(True, "198.51.100.1"), (False, "127.0.0.1")])
def test_a_forwarded_address_counts_only_from_a_proxy_that_is_believed(behind_proxy, counted, olga, settings):
    settings.BEHIND_TLS_PROXY = behind_proxy
    give_password(Client(), olga, "wrong", headers={"x-forwarded-for": "203.0.113.9, 198.51.100.1"})
    assert Guesses.objects.exclude(address="").get().address == counted


def test_staff_see_lock_outs_and_lift_them(olga, client_of):
    for _ in range(5):
        give_password(Client(), olga, "wrong")
    staff = client_of("staff")
    listing = staff.get("/console/tenants/guesses/").content.decode()
    assert "olga" in listing
    assert "127.0.0.1" in listing
    staff.post(f"/console/auth/user/{olga.pk}/lift/")
    client = Client()
    give_password(client, olga)
    assert is_inside(client)


def test_staff_lift_the_lock_out_of_an_address(olga, client_of):
    for number in range(30):
        give_password(Client(), f"name {number}", "wrong")
    locked = Guesses.objects.exclude(address="").get()
    staff, lift = client_of("staff"), f"/console/tenants/guesses/{locked.pk}/delete/"
    assert "Lift this lock-out?" in staff.get(lift).content.decode()
    staff.post(lift, {"post": "yes"})
    client = Client()
    give_password(client, olga)
    assert is_inside(client)


def test_guessing_the_password_of_an_open_session_leads_to_a_pause(olga):
    client = signed_in(olga)
    for _ in range(5):
        change_password(client, "wrong")
    assert "Too many failed attempts" in change_password(client, PASSWORD).content.decode()
    assert get_user_model().objects.get(pk=olga.pk).check_password(PASSWORD)


def change_password(client, old: str, new: str = NEW_PASSWORD):
    data = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/console/password_change/", data)


def test_changing_the_password_ends_the_other_sessions(olga):
    here, elsewhere = Client(), Client()
    give_password(here, olga)
    give_password(elsewhere, olga)
    assert change_password(here, PASSWORD).headers["Location"] == "/console/account/"
    assert is_inside(here)
    assert not is_inside(elsewhere)
    assert ConsoleSession.objects.filter(user=olga).count() == 1


@pytest.mark.parametrize("weak", ["short", "password1234", "123456789012"])
def test_a_weak_password_is_refused(weak, olga):
    assert change_password(signed_in(olga), PASSWORD, weak).status_code == 200


def test_a_password_set_by_staff_ends_all_sessions(olga, client_of):
    client = signed_in(olga)
    data = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true", "set-password": "1"}
    client_of("staff").post(f"/console/auth/user/{olga.pk}/password/", data)
    assert get_user_model().objects.get(pk=olga.pk).check_password(NEW_PASSWORD)
    assert not ConsoleSession.objects.filter(user=olga).exists()
    assert not is_inside(client)


def test_a_deactivated_user_is_signed_out(olga, client_of):
    signed_in(olga)
    client_of("staff").post(f"/console/auth/user/{olga.pk}/change/", {"username": "olga"})
    assert not ConsoleSession.objects.filter(user=olga).exists()


def test_sessions_say_where_when_and_with_what(olga):
    client = Client(REMOTE_ADDR="198.51.100.1", headers={"user-agent": FIREFOX})
    give_password(client, olga)
    page = client.get("/console/account/").content.decode()
    assert "Firefox · Windows · 198.51.100.1" in page
    assert "this one" in page
    assert client.session.session_key not in page


def test_one_session_is_ended_after_a_question(olga):
    here, elsewhere = signed_in(olga), signed_in(olga)
    address = other_session(here)
    assert "End this session?" in here.get(address).content.decode()
    assert is_inside(elsewhere)
    here.post(address)
    assert is_inside(here)
    assert not is_inside(elsewhere)


def other_session(client) -> str:
    page = client.get("/console/account/")
    return next(f"/console/account/sessions/{one.name}/end/" for one in page.context["sessions"] if not one.is_this)


def test_ending_this_session_signs_out(olga):
    client = signed_in(olga)
    (this,) = client.get("/console/account/").context["sessions"]
    client.post(f"/console/account/sessions/{this.name}/end/")
    assert not is_inside(client)


def test_all_others_are_ended_at_once(olga):
    clients = [signed_in(olga) for _ in range(3)]
    assert "2 sessions" in clients[0].get("/console/account/sessions/end/").content.decode()
    clients[0].post("/console/account/sessions/end/")
    assert [is_inside(client) for client in clients] == [True, False, False]


def test_nobody_ends_the_session_of_another(olga, globex):
    gail = signed_in(member(globex, Role.OWNER).user)
    theirs, third = signed_in(olga), signed_in(olga)
    address = other_session(theirs)
    assert gail.get(address).status_code == 404
    assert gail.post(address).status_code == 404
    gail.post("/console/account/sessions/end/")
    assert is_inside(third)


def test_a_session_that_was_ended_does_not_come_back_by_what_it_still_does(olga):
    client = Client()
    give_password(client, olga)
    ConsoleSession.objects.filter(user=olga).delete()
    client.post("/console/tenant/", {"tenant": "1"})
    assert not ConsoleSession.objects.filter(user=olga).exists()


def test_use_is_noted_once_a_minute(olga):
    client = signed_in(olga)
    long_ago = timezone.now() - timedelta(minutes=5)
    ConsoleSession.objects.update(seen=long_ago)
    client.get("/console/")
    seen = ConsoleSession.objects.get().seen
    assert seen > long_ago
    client.get("/console/")
    assert ConsoleSession.objects.get().seen == seen


def test_expired_sessions_are_swept(olga):
    signed_in(olga)
    sweep_sign_ins()
    assert ConsoleSession.objects.exists()
    ConsoleSession.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    sweep_sign_ins()
    assert not ConsoleSession.objects.exists()


def test_signing_in_gives_the_session_another_key(olga):
    client = Client()
    client.get("/console/login/")
    client.post("/console/language", {"language": "zh-hans"})
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    give_password(client, olga)
    assert client.session.session_key != before
    assert re.fullmatch(r"\w{32}", client.session.session_key)


def test_a_wrong_password_is_answered_with_one_message(olga):
    page = give_password(Client(), olga, "wrong").content.decode()
    assert page.count("errornote") == 1
    assert "Enter the right username and password" in page
    assert "Please correct the error" not in page


CLOSED, WRONG = "is closed: nobody gets in.", "Enter the right username and password"
NOWHERE = "Your account belongs to no tenant."


def closed(tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(active=False)


def test_a_member_of_a_closed_tenant_is_told_so_once_the_password_was_right(acme, olga):
    closed(acme)
    page = give_password(Client(), olga).content.decode()
    assert f"{acme.name} {CLOSED}" in page
    assert WRONG not in page


def test_nothing_is_told_of_closed_tenants_to_others(acme, globex, olga):
    get_user_model().objects.create_user("stranger", password=PASSWORD)
    gone = member(acme, Role.VIEWER, "gone").user
    get_user_model().objects.filter(pk=gone.pk).update(is_active=False)
    closed(acme)
    for user, password in [(olga, "wrong"), ("stranger", "wrong"), (gone, PASSWORD), ("nobody", PASSWORD)]:
        page = give_password(Client(), user, password).content.decode()
        assert WRONG in page
        assert CLOSED not in page
        assert NOWHERE not in page


def test_whoever_belongs_to_no_tenant_is_told_so_once_the_password_was_right():
    page = give_password(Client(), get_user_model().objects.create_user("stranger", password=PASSWORD)).content.decode()
    assert NOWHERE in page
    assert WRONG not in page


def test_whoever_belongs_to_another_tenant_as_well_gets_in(acme, globex, olga):
    join(olga, globex, Role.VIEWER)
    closed(acme)
    client = Client()
    give_password(client, olga)
    assert is_inside(client)
