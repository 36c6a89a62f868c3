from __future__ import annotations

import pytest

from tenants.models import Tenant
from tests.api.dolphin.client import Dolphin, address_for
from tests.cast import SUSAN


@pytest.fixture
def dolphin(client, acme: Tenant) -> Dolphin:
    """A client of tenant acme."""
    return Dolphin(client, address_for(acme), acme)


@pytest.fixture
def stranger(client, globex: Tenant) -> Dolphin:
    """A client of tenant globex."""
    return Dolphin(client, address_for(globex), globex)


@pytest.fixture
def susan(dolphin: Dolphin) -> Dolphin:
    """A client of tenant acme, whose user susan is complete, in group 0."""
    dolphin.enroll_fully(SUSAN)
    return dolphin
