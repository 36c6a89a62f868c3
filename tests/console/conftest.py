"""Members of every role, and what acme and globex have."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tenants.context import acting_as
from tenants.models import Credential, Membership, Role, Tenant
from tests.cast import audio
from voiceprints import services
from voiceprints.models import Speaker
from voiceprints.results import LibraryKey

PASSWORD = "correct horse battery"


def member(tenant: Tenant, role: Role, name: str = ""):
    user = get_user_model().objects.create_user(name or f"{tenant.slug}-{role}", password=PASSWORD)
    with acting_as(tenant):
        return Membership.all_tenants.create(tenant=tenant, user=user, role=role)


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client_of(acme: Tenant, globex: Tenant) -> Callable[[str], Client]:
    """By role at acme, `globex` for an owner there, `staff` for platform staff, `nobody` for a stranger."""

    def make(who: str) -> Client:
        if who == "nobody":
            return Client()
        if who == "staff":
            return signed_in(get_user_model().objects.create_superuser("root", password=PASSWORD))
        if who == "globex":
            return signed_in(member(globex, Role.OWNER).user)
        return signed_in(member(acme, Role(who)).user)

    return make


def enrolled(tenant: Tenant, name: str, voice: str = "susan", org_id: str = "", utterances: int = 1) -> Speaker:
    key = LibraryKey(org_id or tenant.slug, "staff")
    return services.enroll(tenant, key, name, [audio(voice, number + 1) for number in range(utterances)]).speaker


@pytest.fixture
def acme_rows(acme: Tenant, acme_credential: Credential) -> SimpleNamespace:
    """One of each kind of row that acme's pages show."""
    speaker = enrolled(acme, "alice", utterances=2)
    with acting_as(acme):
        return SimpleNamespace(
            library=speaker.library,
            speaker=speaker,
            utterance=speaker.utterances.first(),
            credential=acme_credential,
            membership=member(acme, Role.VIEWER, "victor"),
        )
