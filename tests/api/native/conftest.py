from __future__ import annotations

import pytest

from tenants.models import Tenant
from tests.api.native.client import Native


@pytest.fixture
def native(client, acme: Tenant) -> Native:
    """A client of tenant acme, who may do everything."""
    return Native(client, acme)


@pytest.fixture
def stranger(client, globex: Tenant) -> Native:
    """A client of tenant globex, who may do everything there."""
    return Native(client, globex)
