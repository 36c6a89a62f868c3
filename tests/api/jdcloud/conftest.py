from __future__ import annotations

import pytest

from tenants.models import Credential
from tenants.services import create_tenant, issue_credential
from tests.api.jdcloud.client import Jdcloud


@pytest.fixture
def jdcloud(client, acme_credential: Credential) -> Jdcloud:
    """A client of tenant acme."""
    return Jdcloud(client, acme_credential)


@pytest.fixture
def stranger(client, globex_credential: Credential) -> Jdcloud:
    """A client of tenant globex."""
    return Jdcloud(client, globex_credential)


@pytest.fixture
def demo(db) -> Credential:
    """The credential of the specification's vectors."""
    tenant = create_tenant("vectors").tenant
    return issue_credential(tenant, key_id="JDC_DEMOACCESSKEY", secret="DEMOSECRETKEY")
