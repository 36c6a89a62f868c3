from __future__ import annotations

import pytest

from tenants.models import Credential
from tenants.services import create_tenant, issue_credential
from tests.api.speakin.client import Speakin


@pytest.fixture
def speakin(client, acme_credential: Credential) -> Speakin:
    """A client of tenant acme."""
    return Speakin(client, acme_credential)


@pytest.fixture
def stranger(client, globex_credential: Credential) -> Speakin:
    """A client of tenant globex."""
    return Speakin(client, globex_credential)


@pytest.fixture
def vectors(db) -> Credential:
    """The credential of the specification's vectors."""
    tenant = create_tenant("vectors").tenant
    return issue_credential(tenant, key_id="AKIDexample", secret="SecretKeyExample")
