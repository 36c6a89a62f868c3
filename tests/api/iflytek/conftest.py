from __future__ import annotations

import pytest

from tenants.models import Credential
from tenants.services import create_tenant, issue_credential
from tests.api.iflytek.client import Iflytek

VECTOR_KEY = "apikeyXXXXXXXXXXXXXXXXXXXXXXXXXX"
VECTOR_SECRET = "apisecretXXXXXXXXXXXXXXXXXXXXXXX"


@pytest.fixture
def iflytek(client, acme_credential: Credential) -> Iflytek:
    """A client of tenant acme."""
    return Iflytek(client, acme_credential)


@pytest.fixture
def stranger(client, globex_credential: Credential) -> Iflytek:
    """A client of tenant globex."""
    return Iflytek(client, globex_credential)


@pytest.fixture
def vector(db) -> Credential:
    """The credential of the specification's vectors, of the tenant of its conversation."""
    tenant = create_tenant("vector", app_id="app00001").tenant
    return issue_credential(tenant, key_id=VECTOR_KEY, secret=VECTOR_SECRET)
