"""Quotas in the console: owners read them, platform staff set them."""

from __future__ import annotations

import pytest

from tenants import rates
from tenants.context import acting_as
from tenants.models import AuditEvent
from tests.cast import LIBRARY, SUSAN, audio
from tests.servers import REDIS
from voiceprints import services

pytestmark = pytest.mark.django_db

POLICY = {
    "name": "Acme",
    "app_id": "abc",
    "active": "on",
    "required_speech_seconds": "1.1",
    "false_accept_rate": "0.01",
    "consistency": "warn",
    "max_concurrent_analyses": "16",
}


@pytest.fixture(autouse=True)
def counted_from_zero(services):
    rates._connection().flushall()


def test_staff_set_what_a_tenant_may_have_and_do(client_of, acme):
    limits = {"requests_per_second": "5", "requests_per_day": "1000", "max_speakers": "0", "max_storage_bytes": "50 GB"}
    staff = client_of("staff")
    staff.post(f"/console/tenants/tenant/{acme.pk}/change/", POLICY | limits)
    acme.refresh_from_db()
    assert (acme.requests_per_second, acme.requests_per_day) == (5, 1000)
    assert (acme.max_speakers, acme.max_storage_bytes) == (0, 50 * 2**30)
    page = staff.get(f"/console/tenants/tenant/{acme.pk}/change/").content.decode()
    assert 'value="50 GB"' in page
    with acting_as(acme):
        changed = AuditEvent.all_tenants.get(action="tenant.changed")
    assert changed.details["changes"]["max_storage_bytes"] == [None, 50 * 2**30]


def test_what_is_saved_unchanged_is_no_change(client_of, acme):
    acme.max_storage_bytes = 1500 * 2**10
    acme.save()
    client_of("staff").post(
        f"/console/tenants/tenant/{acme.pk}/change/",
        POLICY | {"name": acme.name, "app_id": acme.app_id, "max_storage_bytes": "1500 kB"},
    )
    with acting_as(acme):
        assert not AuditEvent.all_tenants.filter(action="tenant.changed").exists()


def test_what_is_no_size_is_refused_in_words(client_of, acme):
    page = client_of("staff").post(
        f"/console/tenants/tenant/{acme.pk}/change/", POLICY | {"max_storage_bytes": "plenty"}
    )
    assert "Enter a size such as" in page.content.decode()
    acme.refresh_from_db()
    assert acme.max_storage_bytes is None


def test_an_owner_reads_how_much_is_used(client_of, acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    acme.max_speakers, acme.max_storage_bytes = 1, 2**30
    acme.save()
    page = client_of("owner").get("/console/quotas/", follow=True).content.decode()
    assert "1.0\xa0GB" in page
    assert page.count("near its end") == 1
    assert "/console/tenants/tenant/" not in page


def test_staff_see_whose_quotas_are_near_their_end(client_of, acme, globex):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    acme.max_speakers = 1
    acme.save()
    page = client_of("staff").get("/console/quotas/").content.decode()
    assert page.count("near its end") == 1
    assert "/console/quotas/globex/" in page


def test_what_is_exceeded_is_told_apart_from_what_is_near_its_end(client_of, acme, globex):
    for name in (SUSAN, "another"):
        services.enroll(acme, LIBRARY, name, [audio(SUSAN)])
    acme.max_speakers = 1
    acme.save()
    pages = [client_of("owner").get("/console/quotas/acme/"), client_of("staff").get("/console/quotas/")]
    for page in (response.content.decode() for response in pages):
        assert page.count(">exceeded<") == 1
        assert "near its end" not in page


def test_another_tenants_quotas_are_not_there(client_of, acme, globex):
    assert client_of("owner").get("/console/quotas/globex/").status_code == 404


def test_the_page_opens_while_redis_is_away(client_of, acme):
    client = client_of("owner")
    with REDIS.down():
        assert client.get("/console/quotas/acme/").status_code == 200
