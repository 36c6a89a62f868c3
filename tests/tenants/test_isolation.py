"""A tenant never sees another's rows: whatever the code asks, the database answers for one tenant only."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from tenants.context import acting_as, acting_as_platform, memberships_of, naming_credential
from tenants.models import Credential

pytestmark = pytest.mark.django_db


def test_without_context_a_tenant_has_no_credentials(acme):
    assert list(acme.credentials.all()) == []


def test_in_its_context_a_tenant_has_its_credential(acme_credential, acme):
    with acting_as(acme):
        assert list(acme.credentials.all()) == [acme_credential]
