from __future__ import annotations

import pytest

from tenants.models import Credential
from tenants.services import create_tenant, issue_credential
from tests.api.abcpen.client import Abcpen


@pytest.fixture
def abcpen(client, acme_credential: Credential) -> Abcpen:
    """A client of tenant acme."""
    return Abcpen(client, acme_credential)


@pytest.fixture
def stranger(client, globex_credential: Credential) -> Abcpen:
    """A client of tenant globex."""
    return Abcpen(client, globex_credential)


@pytest.fixture
def vector_b(db) -> Credential:
    """The credential of the specification's second vector."""
    tenant = create_tenant("vector-b").tenant
    return issue_credential(tenant, key_id="test1", secret="2258ACC4-199B-4DCB-B6F3-C2485C63E85A")
