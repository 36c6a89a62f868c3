"""Two people, or two clicks, that send the same form at the same moment: one is heard, the other is told so."""

from __future__ import annotations

from functools import partial
from threading import Barrier

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import BaseUserCreationForm
from django.test import Client

from tenants import invitations
from tenants.context import acting_as
from tenants.models import Role
from tests.console.people import PASSWORD, enrolled, member
from tests.threads import all_at_once
from voiceprints import erasure

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORDS = {"password1": PASSWORD, "password2": PASSWORD}


def again(client: Client) -> Client:
    """Another window of the same browser."""
    other = Client()
    other.cookies = client.cookies
    return other


@pytest.fixture
def all_checked_first(monkeypatch):
    """Both forms are found right before either is saved."""
    together, save_form = Barrier(2), ModelAdmin.save_form

    def saved(self, *args, **kwargs):
        together.wait(30)
        return save_form(self, *args, **kwargs)

    monkeypatch.setattr(ModelAdmin, "save_form", saved)


def outrun_at(client: Client, page: str, sent: dict[str, object]) -> str:
    """What is said to one of two windows; the other has added it."""
    posts = [partial(one.post, f"/console/{page}add/", sent) for one in (client, again(client))]
    refused, added = sorted(all_at_once(*posts), key=lambda response: response.status_code)
    assert (refused.status_code, added.status_code) == (200, 302)
    return refused.content.decode()


@pytest.mark.usefixtures("acme", "all_checked_first")
@pytest.mark.parametrize(
    ("who", "page", "sent", "said"),
    [
        ("owner", "voiceprints/library/", {"org_id": "acme", "tag_id": "new"}, "already exists"),
        ("owner", "tenants/credential/", {"key_id": "mine"}, "This key id is in use already."),
        ("staff", "tenants/tenant/", {"slug": "initech"}, "already exists"),
        ("staff", "auth/user/", {"username": "nina", "usable_password": "true", **PASSWORDS}, "already exists"),
    ],
)
def test_what_is_added_twice_at_once_is_there_once(who, page, sent, said, client_of):
    assert said in outrun_at(client_of(who), page, sent)


@pytest.mark.usefixtures("all_checked_first")
def test_a_member_added_twice_at_once_is_one(client_of, acme, globex):
    member(globex, Role.VIEWER, "nina")
    sent = {"tenant": acme.pk, "user_name": "nina", "role": "viewer"}
    assert "already exists" in outrun_at(client_of("staff"), "tenants/membership/", sent)


def test_of_several_rotations_of_one_key_pair_at_once_one_is_made(client_of, acme, acme_credential):
    one = client_of("owner")
    address = f"/console/tenants/credential/{acme_credential.pk}/rotate/"
    windows = [one, again(one), again(one)]
    pages = all_at_once(*(partial(window.post, address, {"overlap_hours": "3", "seen": ""}) for window in windows))
    assert sorted(page.status_code for page in pages) == [200, 200, 302]
    told = [page.content.decode() for page in pages if page.status_code == 200]
    assert all("This key pair was rotated already." in page for page in told)
    with acting_as(acme):
        assert acme.credentials.count() == 2


def test_two_who_are_invited_cannot_take_one_name_at_once(acme, monkeypatch):
    together, is_valid = Barrier(2), BaseUserCreationForm.is_valid

    def found_right(form):
        right = is_valid(form)
        together.wait(30)
        return right

    monkeypatch.setattr(BaseUserCreationForm, "is_valid", found_right)
    clients = [Client(), Client()]
    for client in clients:
        client.get(f"/console/join/{invitations.invite(acme, role=Role.VIEWER)[1]}/")
    sent = {"username": "nina", **PASSWORDS}
    pages = all_at_once(*(partial(client.post, "/console/join/", sent) for client in clients))
    assert sorted(page.status_code for page in pages) == [200, 302]
    assert "already exists" in next(page for page in pages if page.status_code == 200).content.decode()


@pytest.mark.parametrize("deed", ["delete/", "change/"])
def test_two_platform_staff_who_shut_each_other_out_at_once_leave_one(deed, client_of, monkeypatch):
    """Both were let in before either deed began."""
    one, other = client_of("staff"), Client()
    mine = get_user_model().objects.get(is_superuser=True)
    theirs = get_user_model().objects.create_superuser("other")
    other.force_login(theirs)
    together, begun = Barrier(2), ModelAdmin.get_object

    def meet(self, *args, **kwargs):
        found = begun(self, *args, **kwargs)
        together.wait(30)
        return found

    monkeypatch.setattr(ModelAdmin, "get_object", meet)
    about = {"post": "yes"}
    all_at_once(
        partial(one.post, f"/console/auth/user/{theirs.pk}/{deed}", about | {"username": theirs.username}),
        partial(other.post, f"/console/auth/user/{mine.pk}/{deed}", about | {"username": mine.username}),
    )
    assert get_user_model().objects.filter(is_active=True, is_superuser=True).count() == 1


def test_whoever_was_deleted_meanwhile_does_not_delete_all_others(client_of, monkeypatch):
    one, other, users = client_of("staff"), Client(), get_user_model()
    mine = users.objects.get(is_superuser=True)
    theirs, third = (users.objects.create_superuser(name) for name in ("other", "third"))
    other.force_login(theirs)
    begun = ModelAdmin.response_action

    def overtaken(self, *args, **kwargs):
        all_at_once(partial(other.post, f"/console/auth/user/{mine.pk}/delete/", {"post": "yes"}))
        return begun(self, *args, **kwargs)

    monkeypatch.setattr(ModelAdmin, "response_action", overtaken)
    chosen = {"action": "delete_selected", "_selected_action": [theirs.pk, third.pk], "post": "yes"}
    one.post("/console/auth/user/", chosen)
    assert set(users.objects.filter(is_superuser=True)) == {theirs, third}


@pytest.fixture
def alice(acme):
    return enrolled(acme, "alice")[0]


def test_somebody_erased_six_times_at_once_is_erased_once(client_of, acme, alice):
    one, sent = client_of("owner"), {"external_id": "alice", "library": "", "typed": "alice"}
    pages = all_at_once(*(partial(again(one).post, "/console/erasures/acme/begin/", sent) for _ in range(6)))
    (begun,) = erasure.page_erasures(acme, where={}).rows
    address = f"/console/erasures/acme/#erasure-{begun.pk}"
    # Whoever comes when it is done already finds nobody.
    late = [page for page in pages if page.status_code == 200] + [one.post("/console/erasures/acme/begin/", sent)]
    assert {page.get("Location") for page in pages if page not in late} == {address}
    assert all("There is no such speaker here." in page.content.decode() for page in late)


def test_a_form_sent_six_times_at_once_begins_one_export(client_of, acme, alice):
    one, page = client_of("operator"), "/console/jobs/acme/export/"
    sent = {"library": alice.library_id, "form": one.get(page).context["form"]["form"].value()}
    answers = all_at_once(*(partial(again(one).post, page, sent) for _ in range(6)))
    with acting_as(acme):
        job = acme.jobs.get()
    assert {answer.get("Location") for answer in answers} == {f"/console/jobs/acme/{job.pk}/"}


def test_the_export_page_opened_anew_begins_another(client_of, acme, alice):
    one, page = client_of("operator"), "/console/jobs/acme/export/"
    for _ in range(2):
        one.post(page, {"library": alice.library_id, "form": one.get(page).context["form"]["form"].value()})
    with acting_as(acme):
        assert acme.jobs.count() == 2
