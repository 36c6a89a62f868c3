"""Tenants, key pairs and members through the console."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from tenants import services
from tenants.context import acting_as
from tenants.models import ConsoleSession, Credential, Membership, Role, Tenant
from tenants.services import known_credential
from tests.console.people import PASSWORD, join, member, signed_in

pytestmark = pytest.mark.django_db


def credentials_of(tenant: Tenant) -> dict[str, Credential]:
    with acting_as(tenant):
        return {credential.key_id: credential for credential in tenant.credentials.all()}


def role_of(tenant: Tenant, user) -> str:
    with acting_as(tenant):
        return tenant.memberships.get(user=user).role


def test_a_new_secret_is_shown_once(client_of, acme):
    client = client_of("owner")
    page = client.post("/console/tenants/credential/add/", {"key_id": "mine"}, follow=True)
    secret = credentials_of(acme)["mine"].secret
    assert secret in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    again = client.get(page.redirect_chain[-1][0], follow=True)
    assert secret not in again.content.decode()
    assert "A secret is shown once only" in again.content.decode()


def test_no_secret_lies_in_the_session_or_on_any_page(client_of, acme):
    client = client_of("owner")
    client.post("/console/tenants/credential/add/", {"key_id": "mine"})
    credential = credentials_of(acme)["mine"]
    assert credential.secret not in str(dict(client.session))
    for page in ("", f"{credential.pk}/change/", f"{credential.pk}/history/"):
        assert credential.secret not in client.get(f"/console/tenants/credential/{page}").content.decode()


def test_clients_keep_the_key_pair_they_have(client_of, acme):
    client_of("owner").post("/console/tenants/credential/add/", {"key_id": "old-key", "secret": "old-secret-key"})
    assert credentials_of(acme)["old-key"].secret == "old-secret-key"


def test_a_secret_that_is_easily_guessed_is_refused_in_words(client_of, acme):
    page = client_of("owner").post("/console/tenants/credential/add/", {"key_id": "mine", "secret": "elevenchars"})
    assert "at least 12 characters (it has 11)" in page.content.decode()
    assert "mine" not in credentials_of(acme)


def test_a_key_id_of_another_tenant_is_refused(client_of, acme, globex_credential):
    page = client_of("owner").post("/console/tenants/credential/add/", {"key_id": globex_credential.key_id})
    assert "This key id is in use already." in page.content.decode()
    assert globex_credential.key_id not in credentials_of(acme)


def test_a_disabled_credential_lets_nobody_in_until_enabled(client_of, acme_credential):
    client = client_of("owner")
    for action, usable in [("disable", False), ("enable", True)]:
        client.post("/console/tenants/credential/", {"action": action, "_selected_action": [acme_credential.pk]})
        assert known_credential(acme_credential.key_id).usable is usable


def test_a_label_names_a_credential_and_its_successor_and_can_be_changed(client_of, acme):
    client = client_of("owner")
    client.post("/console/tenants/credential/add/", {"key_id": "mine", "label": "payroll"})
    old = credentials_of(acme)["mine"]
    client.post(f"/console/tenants/credential/{old.pk}/rotate/", {"overlap_hours": "3"})
    assert [one.label for one in credentials_of(acme).values()].count("payroll") == 2
    assert client.get("/console/tenants/credential/?q=payroll").content.decode().count(">payroll<") == 2
    client.post(f"/console/tenants/credential/{old.pk}/change/", {"label": "retired", "enabled": "on"})
    again = credentials_of(acme)["mine"]
    assert (again.label, again.enabled) == ("retired", True)
    theirs = client_of("globex").post(f"/console/tenants/credential/{old.pk}/change/", {"label": "theirs"})
    assert theirs.headers["Location"] == "/console/"
    assert credentials_of(acme)["mine"].label == "retired"
    client.post(f"/console/tenants/credential/{old.pk}/change/", {"label": "\u200b", "enabled": "on"})
    assert credentials_of(acme)["mine"].label == "retired"


def test_rotating_shows_the_successor_and_lets_the_old_one_end(client_of, acme, acme_credential):
    client = client_of("owner")
    address = f"/console/tenants/credential/{acme_credential.pk}/rotate/"
    page = client.post(address, {"overlap_hours": "3"}, follow=True).content.decode()
    old, successor = sorted(credentials_of(acme).values(), key=lambda credential: credential.pk)
    assert successor.secret in page
    assert timedelta(hours=2) < old.expires - timezone.now() <= timedelta(hours=3)


def test_a_credential_is_deleted_after_a_question(client_of, acme, acme_credential):
    client = client_of("owner")
    address = f"/console/tenants/credential/{acme_credential.pk}/delete/"
    assert acme_credential.key_id in client.get(address).content.decode()
    client.post(address, {"post": "yes"})
    assert credentials_of(acme) == {}


QUESTIONS = {
    "tenants/credential": ("Delete this credential?", "refused from the next request on"),
    "tenants/accesstoken": ("Delete this access token?", "refused from the next request on"),
    "tenants/membership": ("Remove this member?", "Their account stays."),
    "tenants/invitation": ("Revoke this invitation?", "opens nothing any more"),
    "auth/user": ("Delete this account?", "memberships of all tenants go with it"),
}


@pytest.mark.parametrize("listing", QUESTIONS)
def test_a_deletion_is_asked_about_in_words_of_ours(listing, client_of, acme_rows):
    rows = {"credential": acme_rows.credential, "accesstoken": acme_rows.token, "membership": acme_rows.membership}
    rows |= {"invitation": acme_rows.invitation, "user": acme_rows.membership.user}
    row = rows[listing.partition("/")[2]]
    page = client_of("staff").get(f"/console/{listing}/{row.pk}/delete/").content.decode()
    named = str(row) if listing == "auth/user" else f"Acme · {row}"
    assert all(said in page for said in (*QUESTIONS[listing], f"<li>{named}</li>"))
    assert "related items" not in page


def test_several_credentials_are_deleted_after_one_question(client_of, acme, acme_credential, globex_credential):
    client, kept = client_of("owner"), services.issue_credential(acme)
    chosen = [acme_credential.pk, services.issue_credential(acme).pk, globex_credential.pk]
    selection = {"action": "delete_selected", "_selected_action": chosen, "index": "0"}
    page = client.post("/console/tenants/credential/", selection).content.decode()
    assert "Delete these 2 credentials?" in page
    assert f"<li>{acme_credential.key_id}</li>" in page
    assert globex_credential.key_id not in page
    assert len(credentials_of(acme)) == 3
    client.post("/console/tenants/credential/", sent_by(page))
    assert list(credentials_of(acme)) == [kept.key_id]


def sent_by(page: str) -> dict[str, list[str]]:
    """What the form of a question posts."""
    sent: dict[str, list[str]] = defaultdict(list)
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page):
        sent[name].append(value)
    return sent


def test_a_new_tenant_shows_its_first_secret(client_of):
    page = client_of("staff").post("/console/tenants/tenant/add/", {"slug": "initech"}, follow=True)
    tenant = Tenant.objects.get(slug="initech")
    (credential,) = credentials_of(tenant).values()
    assert credential.secret in page.content.decode()
    assert tenant.app_id in page.content.decode()


def test_a_taken_slug_is_refused_in_words(client_of):
    page = client_of("staff").post("/console/tenants/tenant/add/", {"slug": "acme"})
    assert "already exists" in page.content.decode()


def test_staff_change_what_a_tenant_is_allowed(client_of, acme):
    policy = {"name": "Acme & Co", "app_id": "abc", "required_speech_seconds": "2.5", "max_concurrent_analyses": "3"}
    policy |= {"requests_per_minute": "60", "dialects": ["abcpen"]}
    policy |= {"false_accept_rate": "0.001", "consistency": "refuse"}
    client_of("staff").post(f"/console/tenants/tenant/{acme.pk}/change/", policy)
    acme.refresh_from_db()
    assert (acme.name, acme.active, acme.required_speech_seconds) == ("Acme & Co", False, 2.5)
    assert (acme.requests_per_minute, acme.dialects) == (60, ["abcpen"])
    assert (acme.false_accept_rate, acme.consistency) == (0.001, "refuse")


def test_members_of_a_closed_tenant_stay_outside(client_of, acme):
    client = client_of("owner")
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    assert client.get("/console/").headers["Location"].startswith("/console/login/")


def test_an_owner_cannot_make_a_member_of_somebody_unasked(client_of, acme):
    newcomer = get_user_model().objects.create_user("nina")
    page = client_of("owner").post("/console/tenants/membership/add/", {"user_name": "nina", "role": "operator"})
    assert page.status_code == 403
    with acting_as(acme):
        assert not acme.memberships.filter(user=newcomer).exists()


@pytest.mark.parametrize("looked_for", ["credential/?secret", "accesstoken/?digest", "invitation/?digest"])
@pytest.mark.parametrize("how", ["", "__startswith", "__gte"])
def test_nobody_guesses_a_secret_letter_by_letter(looked_for, how, client_of):
    assert client_of("owner").get(f"/console/tenants/{looked_for}{how}=a").status_code == 400


@pytest.mark.parametrize(("name", "complaint"), [("nosuch", "no active account"), ("victor", "already exists")])
def test_a_member_who_cannot_be_added_is_explained(name, complaint, client_of, acme, acme_rows):
    data = {"tenant": acme.pk, "user_name": name, "role": "viewer"}
    assert complaint in client_of("staff").post("/console/tenants/membership/add/", data).content.decode()


def test_the_last_owner_can_neither_leave_nor_step_down(client_of, acme):
    client = client_of("owner")
    with acting_as(acme):
        last = acme.memberships.get(role=Role.OWNER)
    address = f"/console/tenants/membership/{last.pk}"
    assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert "no owner left" in client.post(f"{address}/change/", {"role": "viewer"}).content.decode()
    assert role_of(acme, last.user) == Role.OWNER


def test_one_of_two_owners_can_leave(client_of, acme):
    client = client_of("owner")
    second = member(acme, Role.OWNER, "second")
    client.post(f"/console/tenants/membership/{second.pk}/delete/", {"post": "yes"})
    with acting_as(acme):
        assert acme.memberships.filter(role=Role.OWNER).count() == 1


def test_a_member_who_is_removed_is_signed_out_unless_another_tenant_is_left(client_of, acme, globex):
    only_here, elsewhere_too = (member(acme, Role.VIEWER, name) for name in ("only", "also"))
    join(elsewhere_too.user, globex, Role.VIEWER)
    clients = [signed_in(one.user) for one in (only_here, elsewhere_too)]
    owner = client_of("owner")
    for one in (only_here, elsewhere_too):
        owner.post(f"/console/tenants/membership/{one.pk}/delete/", {"post": "yes"})
    assert not ConsoleSession.objects.filter(user=only_here.user).exists()
    assert [client.get("/console/").status_code for client in clients] == [302, 200]
    assert "Globex" in clients[1].get("/console/").content.decode()


def test_a_member_of_two_tenants_works_in_the_chosen_one(acme, globex):
    user = member(acme, Role.OWNER).user
    join(user, globex, Role.VIEWER)
    client = signed_in(user)
    assert "Acme · owner" in client.get("/console/").content.decode()
    client.post("/console/tenant/", {"tenant": globex.pk})
    assert "Globex · viewer" in client.get("/console/").content.decode()
    assert client.get("/console/tenants/credential/").status_code == 403


@pytest.mark.parametrize("wanted", ["{globex}", "999999", "x", ""])
def test_only_an_own_tenant_can_be_chosen(wanted, client_of, globex):
    client = client_of("owner")
    assert client.post("/console/tenant/", {"tenant": wanted.format(globex=globex.pk)}).status_code == 404
    assert "Acme" in client.get("/console/").content.decode()


def test_choosing_a_tenant_needs_a_token_against_forgery(acme):
    client = Client(enforce_csrf_checks=True)
    client.force_login(member(acme, Role.OWNER).user)
    assert client.post("/console/tenant/", {"tenant": acme.pk}).status_code == 403


@pytest.mark.parametrize(
    ("language", "words"), [("en", "This form could not be accepted"), ("zh-hans", "无法接受此表单")]
)
@pytest.mark.parametrize("page", ["/console/login/", "/console/tenant/", "/console/language"])
def test_a_form_without_its_token_is_explained_in_the_consoles_look(page, language, words):
    reply = Client(enforce_csrf_checks=True).post(page, headers={"Accept-Language": language})
    assert reply.status_code == 403
    assert words in reply.content.decode()
    assert "console/problem.css" in reply.content.decode()


@pytest.mark.parametrize("name", ["member", "stranger", "staff"])
def test_signing_in_takes_a_membership_or_the_platform(name, acme):
    member(acme, Role.VIEWER, "member")
    get_user_model().objects.create_user("stranger", password=PASSWORD, is_staff=True)
    get_user_model().objects.create_superuser("staff", password=PASSWORD)
    client = Client()
    response = client.post("/console/login/?next=/console/", {"username": name, "password": PASSWORD})
    assert (response.status_code == 302) is (name != "stranger")
    assert (client.get("/console/").status_code == 200) is (name != "stranger")


def test_staff_create_users_who_then_sign_in(client_of, acme):
    data = {"username": "nina", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    client_of("staff").post("/console/auth/user/add/", data)
    user = get_user_model().objects.get(username="nina")
    assert user.check_password(PASSWORD)
    assert not user.is_superuser


def test_staff_choose_the_tenant_of_a_member(client_of, globex):
    user = get_user_model().objects.create_user("nina")
    data = {"tenant": globex.pk, "user_name": "nina", "role": "owner"}
    client_of("staff").post("/console/tenants/membership/add/", data)
    assert role_of(globex, user) == Role.OWNER


def test_the_console_keeps_memberships_behind_row_level_security(acme):
    member(acme, Role.OWNER)
    assert not Membership.all_tenants.exists()


@pytest.mark.parametrize("kept", ["is_active", "is_superuser"])
@pytest.mark.parametrize(("others", "words"), [(0, "no active platform staff left"), (1, "Ask another platform staff")])
def test_platform_staff_do_not_shut_themselves_out(kept, others, words, client_of):
    client = client_of("staff")
    users = get_user_model()
    staff = users.objects.get(is_superuser=True)
    for number in range(others):
        users.objects.create_superuser(f"other{number}")
    page = client.post(f"/console/auth/user/{staff.pk}/change/", {"username": staff.username, kept: "on"})
    assert words in page.content.decode()
    staff.refresh_from_db()
    assert staff.is_active
    assert staff.is_superuser


def test_platform_staff_switch_another_off(client_of):
    other = get_user_model().objects.create_superuser("other")
    client_of("staff").post(f"/console/auth/user/{other.pk}/change/", {"username": "other"})
    other.refresh_from_db()
    assert not other.is_active
    assert not other.is_superuser


def test_platform_staff_delete_others_and_are_told_that_nobody_deletes_themselves(client_of):
    client, users = client_of("staff"), get_user_model()
    mine, other = users.objects.get(is_superuser=True), users.objects.create_superuser("other")
    chosen = {"action": "delete_selected", "_selected_action": [mine.pk, other.pk], "post": "yes"}
    page = client.post("/console/auth/user/", chosen, follow=True)
    assert "Nobody deletes their own account" in page.content.decode()
    assert users.objects.filter(is_superuser=True).count() == 2
    client.post("/console/auth/user/", chosen | {"_selected_action": [other.pk]})
    assert users.objects.get(is_superuser=True) == mine


@pytest.mark.parametrize(
    ("others", "words"), [(0, "no active platform staff left"), (1, "Nobody deletes their own account")]
)
def test_whoever_wants_to_delete_their_own_account_is_told_why_they_cannot(others, words, client_of):
    client, users = client_of("staff"), get_user_model()
    mine = users.objects.get(is_superuser=True)
    for number in range(others):
        users.objects.create_superuser(f"other{number}")
    chosen = {"action": "delete_selected", "_selected_action": [mine.pk]}
    address = f"/console/auth/user/{mine.pk}/"
    pages = [
        client.get(f"{address}delete/", follow=True),
        client.post(f"{address}delete/", {"post": "yes"}, follow=True),
        client.post("/console/auth/user/", chosen, follow=True),
    ]
    assert all(words in page.content.decode() for page in pages)
    assert pages[0].redirect_chain == [(f"{address}change/", 302)]
    assert users.objects.filter(pk=mine.pk).exists()


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_members_are_not_told_about_accounts_even_their_own(who, client_of):
    client = client_of(who)
    address = f"/console/auth/user/{client.session['_auth_user_id']}/delete/"
    assert client.get(address).status_code == 403


def test_the_page_of_a_member_leads_owners_to_nothing_they_may_not_see(client_of, acme):
    nina = member(acme, Role.VIEWER, "nina")
    address = f"/console/tenants/membership/{nina.pk}/change/"
    account = f"/console/auth/user/{nina.user_id}/change/"
    of_owner, of_staff = (client_of(who).get(address).content.decode() for who in ("owner", "staff"))
    assert "nina" in of_owner
    assert account not in of_owner
    assert account in of_staff
