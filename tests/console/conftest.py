"""Members of every role, and what acme has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import translation

from tenants.models import Credential, Role, Tenant
from tenants.services import issue_token
from tests.console.people import client_for, enrolled, member


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def language_ends_with_the_test() -> Iterator[None]:
    """A page leaves the language of its reader behind in this thread."""
    yield
    translation.deactivate()


@pytest.fixture
def client_of(acme: Tenant, globex: Tenant) -> Callable[[str], Client]:
    """By role at acme; `globex` for an owner there, `staff` for platform staff, `nobody` for a stranger."""
    return lambda who: client_for(who, acme, globex)


@pytest.fixture
def acme_rows(acme: Tenant, acme_credential: Credential) -> SimpleNamespace:
    """One of each kind of row that acme's pages show."""
    speaker, utterances = enrolled(acme, "alice", utterances=2)
    return SimpleNamespace(
        library=speaker.library,
        speaker=speaker,
        utterance=utterances[0],
        credential=acme_credential,
        token=issue_token(acme, scopes=["read"])[0],
        membership=member(acme, Role.VIEWER, "victor"),
    )
