"""Platform staff choose among hundreds of tenants by typing, and not at all where there is one."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tenants.context import acting_as
from tenants.models import Tenant
from tests.console.people import PASSWORD, signed_in

pytestmark = pytest.mark.django_db

HOMES = ["jobs", "models", "thresholds", "retention", "quotas", "erasures", "opt-outs"]
FINDING = {"app_label": "voiceprints", "model_name": "speaker", "field_name": "library"}


@pytest.fixture
def hundreds(acme) -> None:
    rows = [Tenant(slug=f"t{number:03}", name=f"Customer {number}", app_id=f"app{number}") for number in range(200)]
    Tenant.objects.bulk_create(rows)


@pytest.fixture
def staff(db) -> Client:
    return signed_in(get_user_model().objects.create_superuser("alone", password=PASSWORD))


def page_of(client, address: str) -> str:
    return client.get(f"/console/{address}").content.decode()


@pytest.mark.parametrize("home", HOMES)
def test_where_there_is_one_tenant_nobody_chooses(home, staff, acme):
    reply = staff.get(f"/console/{home}/")
    assert (reply.status_code, reply["Location"]) == (302, f"/console/{home}/acme/")


def test_where_there_is_one_tenant_its_trail_is_one_click_away(staff, acme):
    assert "/console/audit/tenants/" in page_of(staff, "audit/")
    assert staff.get("/console/audit/tenants/")["Location"] == "/console/audit/?tenant=acme"


@pytest.mark.parametrize("home", [*HOMES, "audit/tenants"])
def test_of_many_tenants_a_page_is_shown_and_any_is_found(home, client_of, hundreds):
    client = client_of("staff")
    first, second = page_of(client, f"{home}/"), page_of(client, f"{home}/?page=2")
    assert ("t047" in first, "t048" in first, "t048" in second, "t047" in second) == (True, False, True, False)
    assert "Page 1 of 5" in first
    by_name, by_slug = page_of(client, f"{home}/?q=customer+19"), page_of(client, f"{home}/?q=T199")
    assert [name in by_name for name in ("t019", "t190", "t199", "t018")] == [True, True, True, False]
    assert [name in by_slug for name in ("t199", "t198")] == [True, False]
    assert "There is no such tenant." in page_of(client, f"{home}/?q=nobody")


@pytest.mark.parametrize("page", [*(f"{home}/" for home in HOMES), "audit/tenants/", "", "try/"])
def test_where_there_is_no_tenant_yet_one_is_made(page, staff):
    text = page_of(staff, page)
    assert "There is no tenant yet." in text
    assert 'href="/console/tenants/tenant/add/"' in text.partition('id="content"')[2]
    assert "There is no such tenant." not in text
    assert "Make a library" not in text


@pytest.mark.parametrize("page", ["", "try/"])
def test_where_there_is_a_tenant_a_library_is_made(page, staff, acme):
    text = page_of(staff, page)
    assert "Make a library" in text
    assert "There is no tenant yet." not in text


@pytest.mark.parametrize("senseless", ["page=0", "page=99", "page=x", "page=%00", "q=%00", "q=" + "x" * 5000])
def test_senseless_questions_are_answered(senseless, client_of, hundreds):
    assert client_of("staff").get(f"/console/jobs/?{senseless}").status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        "voiceprints/library/add/",
        "tenants/credential/add/",
        "tenants/accesstoken/add/",
        "tenants/membership/add/",
        "tenants/invitation/add/",
        "audit/",
        "try/",
    ],
)
def test_no_form_lists_every_tenant(form, client_of, hundreds, acme_rows):
    page = page_of(client_of("staff"), form)
    assert len(re.findall(r"Customer \d+|\bt\d\d\d\b", page)) == 0


def found(client, **asked) -> list[str]:
    return [one["text"] for one in client.get("/console/autocomplete/", FINDING | asked).json()["results"]]


def test_platform_staff_see_whose_library_it_is(client_of, acme, globex, acme_rows):
    with acting_as(globex):
        theirs = globex.libraries.create(org_id="acme", tag_id="staff", name="Workshop")
    client = client_of("staff")
    assert found(client) == ["Acme · acme / staff", "Globex · acme / staff · Workshop"]
    assert found(client, term="globex staff") == ["Globex · acme / staff · Workshop"]
    assert "Globex · acme / staff · Workshop" in page_of(client, f"try/?library={theirs.pk}")
    assert "Globex · acme / staff" in page_of(client, "voiceprints/speaker/")


def test_a_tenant_is_found_by_its_name_for_whatever_is_made_in_it(client_of, hundreds):
    asked = {"app_label": "tenants", "model_name": "credential", "field_name": "tenant", "term": "customer 19"}
    found = client_of("staff").get("/console/autocomplete/", asked).json()["results"]
    assert [one["text"] for one in found[:3]] == ["t019 · Customer 19", "t119 · Customer 119", "t190 · Customer 190"]


def test_members_find_their_own_libraries_alone(client_of, acme, globex, acme_rows):
    with acting_as(globex):
        globex.libraries.create(org_id="secret")
    client = client_of("viewer")
    assert found(client) == ["acme / staff"]
    assert found(client, term="secret") == found(client, term="globex") == []
    assert "Acme · acme" not in page_of(client_of("operator"), "try/")


def test_what_no_database_can_look_for_is_not_found(client_of, acme_rows):
    assert found(client_of("viewer"), term="a\0b") == []


@pytest.mark.parametrize("library", ["x", "", "9" * 30, "²"])
def test_what_is_no_library_at_all_is_refused_in_words(library, client_of, acme_rows):
    reply = client_of("operator").post("/console/try/", {"library": library, "asked": "identify"})
    assert (reply.status_code, 'id="result"' in reply.content.decode()) == (200, True)


def test_the_only_library_is_chosen_already(client_of, acme_rows):
    assert f'<option value="{acme_rows.library.pk}" selected' in page_of(client_of("operator"), "try/")
