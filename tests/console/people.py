"""Who signs in to the console, and whom they look at."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.test import Client

from tenants.context import acting_as
from tenants.models import Membership, Role, Tenant
from tests.cast import audio
from voiceprints.models import Speaker, Utterance
from voiceprints.results import LibraryKey
from voiceprints.services import enroll

PASSWORD = "correct horse battery"


def member(tenant: Tenant, role: Role, name: str = "") -> Membership:
    user = get_user_model().objects.create_user(name or f"{tenant.slug}-{role}", password=PASSWORD)
    return join(user, tenant, role)


def join(user, tenant: Tenant, role: Role) -> Membership:
    with acting_as(tenant):
        return Membership.all_tenants.create(tenant=tenant, user=user, role=role)


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def client_for(who: str, acme: Tenant, globex: Tenant) -> Client:
    if who == "nobody":
        return Client()
    if who == "staff":
        return signed_in(get_user_model().objects.create_superuser("root", password=PASSWORD))
    if who == "globex":
        return signed_in(member(globex, Role.OWNER).user)
    return signed_in(member(acme, Role(who)).user)


def enrolled(
    tenant: Tenant, name: str, voice: str = "susan", *, org_id: str = "", tag_id: str = "staff", utterances: int = 1
) -> tuple[Speaker, tuple[Utterance, ...]]:
    key = LibraryKey(org_id or tenant.slug, tag_id)
    enrollment = enroll(tenant, key, name, [audio(voice, number + 1) for number in range(utterances)])
    return enrollment.speaker, enrollment.utterances
