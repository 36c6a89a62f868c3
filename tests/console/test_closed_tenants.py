"""What platform staff, who alone get there, find in a tenant that is closed: words, and no form to add anything."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model

from tenants.context import acting_as
from tenants.models import Tenant
from tests.console.people import signed_in
from tests.console.test_permissions import address
from voiceprints.consents import consent_of

pytestmark = pytest.mark.django_db

SAID = "Acme is closed, and nothing is added to it until it is open again."
FORMS = [
    "libraries/{library}/enroll/",
    "speakers/{speaker}/recordings/{utterance}/replace/",
    "speakers/{speaker}/consent/",
    "jobs/acme/import/",
    "tenants/credential/{credential}/rotate/",
]
ADDING = [
    "tenants/credential",
    "tenants/accesstoken",
    "tenants/membership",
    "tenants/invitation",
    "voiceprints/library",
]


@pytest.fixture
def staff(client_of, acme, acme_rows):
    client = client_of("staff")
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    return client


def forms_of(page: str) -> list[str]:
    """What is posted by the page itself, whose frame lets people sign out and choose a language."""
    main = page.partition('id="content"')[2]
    return re.findall(r"<form[^>]*method=\"post\"[^>]*>", main)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_to_add_something_gives_way_to_words(form, staff, acme, acme_rows):
    page = staff.get(address(form, acme_rows)).content.decode()
    assert SAID in page
    assert forms_of(page) == []
    Tenant.objects.filter(pk=acme.pk).update(active=True)
    assert forms_of(staff.get(address(form, acme_rows)).content.decode()) != []


def test_a_speakers_page_has_no_form_to_add_a_recording(staff, acme, acme_rows):
    page = address("voiceprints/speaker/{speaker}/change/", acme_rows)
    text = staff.get(page).content.decode()
    assert (SAID in text, 'type="file"' in text) == (True, False)
    Tenant.objects.filter(pk=acme.pk).update(active=True)
    assert 'type="file"' in staff.get(page).content.decode()


@pytest.mark.parametrize("kind", ADDING)
def test_nothing_is_made_for_a_closed_tenant(kind, staff, acme):
    page = staff.get(f"/console/{kind}/add/?tenant={acme.pk}").content.decode()
    assert SAID in page
    assert forms_of(page) == []
    assert forms_of(staff.get(f"/console/{kind}/add/").content.decode()) != []


def test_where_the_only_tenant_is_closed_it_is_said_at_once(acme):
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    alone = signed_in(get_user_model().objects.create_superuser("alone"))
    assert SAID in alone.get("/console/tenants/credential/add/").content.decode()


def test_a_credential_sent_for_a_closed_tenant_is_refused_beside_the_choice(staff, acme):
    page = staff.post("/console/tenants/credential/add/", {"tenant": acme.pk, "key_id": "mine"})
    assert SAID in page.content.decode()
    with acting_as(acme):
        assert not acme.credentials.filter(key_id="mine").exists()


def test_a_consent_sent_for_a_closed_tenant_is_not_noted(staff, acme, acme_rows):
    sent = {"reference": "form 12", "given": "2026-01-02T03:04"}
    page = staff.post(address("speakers/{speaker}/consent/", acme_rows), sent)
    assert SAID in page.content.decode()
    with acting_as(acme):
        assert consent_of(acme_rows.speaker) is None


def test_a_key_pair_of_a_closed_tenant_is_not_rotated(staff, acme, acme_rows):
    with acting_as(acme):
        before = acme.credentials.count()
    page = staff.post(address("tenants/credential/{credential}/rotate/", acme_rows), {"overlap_hours": 0})
    assert SAID in page.content.decode()
    with acting_as(acme):
        assert acme.credentials.count() == before
