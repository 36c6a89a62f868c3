"""Access tokens through the console."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from django.utils.html import escape

from tenants.context import acting_as
from tenants.meanings import SCOPES
from tenants.models import Scope
from tenants.services import find_token, issue_token

pytestmark = pytest.mark.django_db

ADD = "/console/tenants/accesstoken/add/"
NEW = {"label": "payroll", "scopes": ["read", "enroll"], "expires_0": "", "expires_1": ""}


def tokens_of(tenant):
    with acting_as(tenant):
        return list(tenant.access_tokens.select_related("tenant"))


def text_on(page) -> str:
    return page.content.decode().split('<code id="token"')[1].split(">", 1)[1].split("<")[0]


def test_a_new_token_is_shown_once(client_of, acme):
    client = client_of("owner")
    page = client.post(ADD, NEW)
    (token,) = tokens_of(acme)
    text = text_on(page)
    assert find_token(text) == token
    assert (token.label, token.scopes, token.expires) == ("payroll", ["read", "enroll"], None)
    assert "no-store" in page.headers["Cache-Control"]
    assert text not in str(dict(client.session))
    for place in ("", f"{token.pk}/change/", f"{token.pk}/history/"):
        assert text not in client.get(f"/console/tenants/accesstoken/{place}").content.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"expires_0": "2020-01-01", "expires_1": "08:00"},
    ],
)
def test_a_token_that_makes_no_sense_is_not_issued(fields, client_of, acme):
    page = client_of("owner").post(ADD, NEW | fields)
    assert page.status_code == 200
    assert 'id="token"' not in page.content.decode()
    assert tokens_of(acme) == []


def test_a_token_may_expire(client_of, acme):
    tomorrow = timezone.now() + timedelta(days=1)
    client_of("owner").post(ADD, NEW | {"expires_0": f"{tomorrow:%Y-%m-%d}", "expires_1": "08:00:00"})
    (token,) = tokens_of(acme)
    assert token.expires.date() == tomorrow.date()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_a_date_alone_means_the_end_of_that_day_where_the_console_is(zone, client_of, acme, settings):
    settings.TIME_ZONE = zone
    client = client_of("owner")
    assert f"Times are those of {zone}." in client.get(ADD).content.decode()
    client.post(ADD, NEW | {"expires_0": "2123-04-05"})
    (token,) = tokens_of(acme)
    assert token.expires == datetime(2123, 4, 5, 23, 59, 59, tzinfo=ZoneInfo(zone))


def test_a_time_without_a_date_is_refused(client_of, acme):
    assert "Enter a valid date." in client_of("owner").post(ADD, NEW | {"expires_1": "08:00"}).content.decode()
    assert tokens_of(acme) == []


def test_a_token_is_labelled_and_switched_off(client_of, acme):
    token, text = issue_token(acme, scopes=["read"])
    client_of("owner").post(f"/console/tenants/accesstoken/{token.pk}/change/", {"label": "new"})
    (changed,) = tokens_of(acme)
    assert (changed.label, changed.enabled, changed.scopes) == ("new", False, ["read"])
    assert find_token(text) is None


def test_tokens_are_switched_together(client_of, acme):
    client = client_of("owner")
    token, text = issue_token(acme, scopes=["read"], label="kept")
    for action, usable in [("disable", False), ("enable", True)]:
        client.post("/console/tenants/accesstoken/", {"action": action, "_selected_action": [token.pk]})
        assert (find_token(text) is not None) is usable
    assert tokens_of(acme)[0].label == "kept"


def test_a_token_is_revoked_after_a_question(client_of, acme):
    client = client_of("owner")
    token, text = issue_token(acme, scopes=["read"], label="payroll")
    address = f"/console/tenants/accesstoken/{token.pk}/delete/"
    assert "payroll" in client.get(address).content.decode()
    client.post(address, {"post": "yes"})
    assert find_token(text) is None


def test_staff_issue_one_for_a_tenant(client_of, globex):
    client_of("staff").post(ADD, NEW | {"tenant": globex.pk})
    assert [token.label for token in tokens_of(globex)] == ["payroll"]


@pytest.mark.parametrize("who", ["operator", "auditor", "viewer"])
def test_others_than_owners_see_none(who, client_of, acme):
    issue_token(acme, scopes=["read"])
    client = client_of(who)
    assert client.get("/console/tenants/accesstoken/").status_code == 403
    assert client.post(ADD, NEW).status_code == 403
    assert len(tokens_of(acme)) == 1


def test_another_tenants_token_is_not_there(client_of, acme):
    token, text = issue_token(acme, scopes=["read"], label="payroll")
    client = client_of("globex")
    assert "payroll" not in client.get("/console/tenants/accesstoken/").content.decode()
    client.post(f"/console/tenants/accesstoken/{token.pk}/delete/", {"post": "yes"})
    client.post("/console/tenants/accesstoken/", {"action": "disable", "_selected_action": [token.pk]})
    assert find_token(text) is not None


def test_the_form_explains_each_scope(client_of):
    page = client_of("owner").get(ADD).content.decode()
    for scope in Scope:
        assert escape(str(SCOPES[scope])) in page
