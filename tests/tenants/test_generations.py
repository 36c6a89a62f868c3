"""The models of a tenant are held still by those who store vectors, and changed by one at a time."""

from threading import Event

import pytest

from tenants.generations import changing_models, keeping_models, store_models
from tenants.models import Tenant
from tests.threads import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

MOST_HOLDS = 100
HOLD_SECONDS = 0.05


def test_who_changes_the_models_comes_in_although_others_never_stop_keeping_them(acme):
    changed = Event()

    def keep_on():
        """Overlapping with the others of its kind, so that at no moment nobody holds the models."""
        tenant = Tenant.objects.get(pk=acme.pk)
        for hold in range(MOST_HOLDS):
            with keeping_models(tenant):
                if changed.wait(HOLD_SECONDS):
                    return hold
        return MOST_HOLDS

    def change():
        with changing_models(acme):
            acme.other_models = ["another"]
            store_models(acme)
        changed.set()
        return 0

    holds = all_at_once(*[keep_on] * 8, change)
    assert max(holds) < MOST_HOLDS


def test_who_waited_to_keep_the_models_sees_what_was_changed_meanwhile(acme):
    changing = Event()

    def change():
        with changing_models(acme):
            changing.set()
            acme.other_models = ["another"]
            store_models(acme)

    def keep():
        tenant = Tenant.objects.get(pk=acme.pk)
        changing.wait(30)
        with keeping_models(tenant):
            return tenant.models

    assert all_at_once(change, keep)[1] == ("ge2e", "another")
