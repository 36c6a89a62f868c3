"""How people become members: by a link that they open themselves."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from tenants import invitations
from tenants.actions import Action
from tenants.context import acting_as
from tenants.guessing import FREE_BY_ADDRESS
from tenants.invitations import AlreadyMember, InvitationGone, StaffStaysOutside, accept, find_invitation, invite
from tenants.meanings import ROLES
from tenants.models import AuditEvent, Invitation, Role, Tenant
from tests.console.authenticator import give_code, is_inside, with_app
from tests.console.people import PASSWORD, member, signed_in
from tests.threads import all_at_once

pytestmark = pytest.mark.django_db

ADD = "/console/tenants/invitation/add/"
JOIN = "/console/join/"
NINA = {"username": "nina", "email": "nina@example.com", "password1": PASSWORD, "password2": PASSWORD}


def link_on(page) -> str:
    return re.search(r'<code id="link"[^>]*>([^<]+)', page.content.decode())[1].strip()


def opened(link: str, client: Client | None = None) -> Client:
    client = client or Client()
    client.get(link)
    return client


def invited(tenant: Tenant, role: Role = Role.OPERATOR) -> str:
    return f"{JOIN}{invite(tenant, role=role)[1]}/"


def roles_of(tenant: Tenant) -> dict[str, str]:
    with acting_as(tenant):
        return dict(tenant.memberships.values_list("user__username", "role"))


def test_an_invitation_is_shown_once_and_only_its_digest_is_kept(client_of, acme):
    client = client_of("owner")
    page = client.post(ADD, {"role": "operator", "days": "3"})
    link = link_on(page)
    assert link.startswith("http://testserver/console/join/")
    assert "no-store" in page.headers["Cache-Control"]
    token = link.rstrip("/").rpartition("/")[2]
    with acting_as(acme), connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(tenants_invitation)::text FROM tenants_invitation")
        ((kept,),) = cursor.fetchall()
    assert token not in kept
    assert token not in client.get("/console/tenants/invitation/").content.decode()


def test_the_form_of_the_invited_marks_what_must_be_filled_in(acme):
    form = opened(invited(acme)).get(JOIN).context["form"]
    assert {field.name for field in form if field.field.required} == {"username", "password1", "password2"}


def test_the_invited_makes_an_account_and_lands_in_the_tenant(client_of, acme):
    link = link_on(client_of("owner").post(ADD, {"role": "operator", "days": "3"}))
    client = Client()
    page = client.get(link, follow=True).content.decode()
    assert "acme-owner invites you to Acme as operator." in page
    assert link.rstrip("/").rpartition("/")[2] not in page
    home = client.post(JOIN, NINA, follow=True).content.decode()
    assert "Acme · operator" in home
    assert roles_of(acme)["nina"] == Role.OPERATOR
    assert get_user_model().objects.get(username="nina").check_password(PASSWORD)
    with acting_as(acme):
        assert AuditEvent.all_tenants.get(action=Action.MEMBER_ADDED, object_name="nina").actor_name == "nina"


def test_the_link_is_made_of_the_public_address(client_of, settings):
    settings.PUBLIC_URL = "https://voice.example.com"
    assert link_on(client_of("owner").post(ADD, {"role": "viewer", "days": "3"})).startswith(
        "https://voice.example.com/console/join/"
    )


def test_a_link_works_once(acme):
    link = invited(acme)
    opened(link).post(JOIN, NINA)
    again = opened(link)
    assert again.get(JOIN).status_code == 404
    assert again.post(JOIN, NINA | {"username": "second"}).status_code == 404
    assert "second" not in roles_of(acme)
    assert not get_user_model().objects.filter(username="second").exists()


def test_a_link_ends_with_its_time_with_its_tenant_and_when_revoked(client_of, acme):
    expired, revoked, closed = (invite(acme, role=Role.VIEWER) for _ in range(3))
    with acting_as(acme):
        Invitation.all_tenants.filter(pk=expired[0].pk).update(expires=timezone.now() - timedelta(seconds=1))
    client_of("owner").post(f"/console/tenants/invitation/{revoked[0].pk}/delete/", {"post": "yes"})
    assert opened(f"{JOIN}{expired[1]}/").get(JOIN).status_code == 404
    assert opened(f"{JOIN}{revoked[1]}/").get(JOIN).status_code == 404
    assert opened(f"{JOIN}{closed[1]}/").get(JOIN).status_code == 200
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    assert opened(f"{JOIN}{closed[1]}/").get(JOIN).status_code == 404


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "%ED%A0%80"])
def test_a_guessed_link_opens_nothing(token):
    client = opened(f"{JOIN}{token}/")
    assert client.get(JOIN).status_code == 404
    assert Client().get(JOIN).status_code == 404


def test_somebody_signed_in_joins_with_one_press(acme, globex):
    gail = member(globex, Role.OWNER).user
    client = opened(invited(acme, Role.AUDITOR), signed_in(gail))
    assert "Join as globex-owner" in client.get(JOIN).content.decode()
    assert gail.username not in roles_of(acme)
    assert "Acme · auditor" in client.post(JOIN, follow=True).content.decode()
    assert roles_of(acme)[gail.username] == Role.AUDITOR


def test_an_account_without_a_tenant_signs_in_to_join(acme):
    nina = get_user_model().objects.create_user("nina", password=PASSWORD)
    client = opened(invited(acme))
    page = client.post(f"/console/login/?next={JOIN}", {"username": "nina", "password": PASSWORD}, follow=True)
    assert "Join as nina" in page.content.decode()
    client.post(JOIN)
    assert is_inside(client)
    stranger = Client()
    get_user_model().objects.create_user("strange", password=PASSWORD)
    stranger.post("/console/login/", {"username": "strange", "password": PASSWORD})
    assert "_auth_user_id" not in stranger.session
    assert nina.username in roles_of(acme)


def test_who_joins_with_an_account_gives_its_second_factor(acme, globex):
    gail = member(globex, Role.OWNER).user
    _, codes = with_app(gail)
    client = opened(invited(acme))
    client.post(f"/console/login/?next={JOIN}", {"username": gail.username, "password": PASSWORD})
    assert gail.username not in roles_of(acme)
    assert give_code(client, codes[0]).headers["Location"] == JOIN
    client.post(JOIN)
    assert gail.username in roles_of(acme)


def test_platform_staff_become_members_of_none(client_of, acme):
    client = opened(invited(acme), client_of("staff"))
    assert "become members of none" in client.post(JOIN).content.decode()
    assert "root" not in roles_of(acme)


def test_a_member_does_not_use_up_an_invitation(acme):
    invitation, _ = invite(acme, role=Role.OWNER)
    victor = member(acme, Role.VIEWER, "victor").user
    with pytest.raises(AlreadyMember):
        accept(invitation, victor)
    assert roles_of(acme)["victor"] == Role.VIEWER
    assert find_invitation(invitation.digest)


@pytest.mark.parametrize("wrong", [{"password2": "different words"}, {"password1": "short", "password2": "short"}])
def test_a_bad_password_leaves_the_invitation_open(wrong, acme):
    client = opened(invited(acme))
    assert client.post(JOIN, NINA | wrong).status_code == 200
    assert not get_user_model().objects.exists()
    assert is_inside_after(client)


def test_a_link_that_lost_its_last_sign_works(acme):
    invitation, token = invite(acme, role=Role.VIEWER)
    assert Client().get(f"/console/join/{token}", follow=True).context["invitation"] == invitation


def test_whoever_tries_which_names_are_taken_must_wait(acme):
    member(acme, Role.OWNER, "olga")
    client = opened(invited(acme))
    for _ in range(FREE_BY_ADDRESS):
        assert "already exists" in client.post(JOIN, NINA | {"username": "OLGA"}).content.decode()
    assert "Too many failed attempts" in client.post(JOIN, NINA | {"username": "olga"}).content.decode()
    assert not is_inside_after(client)


def test_whoever_takes_several_tries_at_a_password_does_not_wait(acme):
    client = opened(invited(acme))
    for _ in range(FREE_BY_ADDRESS):
        client.post(JOIN, NINA | {"password2": "different words"})
    assert is_inside_after(client)


def test_an_account_whose_name_looks_like_a_colleagues_is_not_made(acme):
    client = opened(invited(acme))
    assert "letters look the same" in client.post(JOIN, NINA | {"username": "niпa"}).content.decode()


def is_inside_after(client) -> bool:
    client.post(JOIN, NINA)
    return is_inside(client)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_hold_the_same_link_one_comes_in(acme):
    invitation, _ = invite(acme, role=Role.VIEWER)
    users = [get_user_model().objects.create_user(name) for name in ("one", "two", "three")]

    def join(user):
        try:
            return accept(find_invitation(invitation.digest) or invitation, user).user
        except InvitationGone:
            return None

    came_in = all_at_once(*[lambda user=user: join(user) for user in users])
    assert len([user for user in came_in if user]) == 1
    assert len(roles_of(acme)) == 1


def test_superusers_are_refused_by_the_service_too(acme):
    with pytest.raises(StaffStaysOutside):
        accept(invite(acme, role=Role.VIEWER)[0], get_user_model().objects.create_superuser("root"))


def test_an_owner_invites_to_the_own_tenant_alone(client_of, acme, globex):
    client_of("owner").post(ADD, {"role": "owner", "days": "3", "tenant": globex.pk})
    with acting_as(globex):
        assert not globex.invitations.exists()
    with acting_as(acme):
        assert acme.invitations.count() == 1


def test_globex_neither_sees_nor_revokes_an_invitation_of_acme(client_of, acme):
    invitation, _ = invite(acme, role=Role.VIEWER, email="secret@example.com")
    client = client_of("globex")
    assert "secret@example.com" not in client.get("/console/tenants/invitation/?q=secret").content.decode().replace(
        "?q=secret", ""
    )
    client.post(f"/console/tenants/invitation/{invitation.pk}/delete/", {"post": "yes"})
    assert find_invitation(invitation.digest)


def test_it_is_mailed_where_the_platform_can(client_of, settings):
    settings.SENDS_MAIL, settings.DEFAULT_FROM_EMAIL = True, "openvpr@example.com"
    page = client_of("owner").post(ADD, {"email": "nina@example.com", "role": "viewer", "days": "3"})
    assert "It was mailed to nina@example.com." in page.content.decode()
    (sent,) = mail.outbox
    assert (sent.to, sent.from_email) == (["nina@example.com"], "openvpr@example.com")
    assert link_on(page) in sent.body


def test_without_a_mail_server_nothing_is_mailed(client_of):
    page = client_of("owner").post(ADD, {"email": "nina@example.com", "role": "viewer", "days": "3"})
    assert "mailed" not in page.content.decode()
    assert mail.outbox == []


def test_a_mail_server_that_does_not_answer_leaves_the_link(client_of, settings):
    settings.SENDS_MAIL, settings.DEFAULT_FROM_EMAIL = True, "openvpr@example.com"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = client_of("owner").post(ADD, {"email": "nina@example.com", "role": "viewer", "days": "3"})
    assert "It could not be mailed." in page.content.decode()
    assert is_inside_after(opened(link_on(page)))


def test_old_invitations_are_swept(acme):
    invite(acme, role=Role.VIEWER)
    assert invitations.sweep() == 0
    with acting_as(acme):
        Invitation.all_tenants.update(expires=timezone.now() - timedelta(days=31))
    assert invitations.sweep() == 1


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_the_forms_explain_each_role(who, client_of, acme):
    client = client_of(who)
    joined = member(acme, Role.VIEWER)
    forms = [ADD, f"/console/tenants/membership/{joined.pk}/change/"]
    forms += ["/console/tenants/membership/add/"] if who == "staff" else []
    for form in forms:
        page = client.get(form).content.decode()
        assert all(escape(str(ROLES[role])) in page for role in Role)
