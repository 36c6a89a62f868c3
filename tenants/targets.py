"""Tenants and what opens them, as the audit trail names them."""

from __future__ import annotations

from typing import Any

from tenants.models import AccessToken, Credential, Invitation, Membership, Tenant
from tenants.trail import Target


def tenant_target(tenant: Tenant) -> Target:
    return Target("tenant", tenant.pk, tenant.slug)


def credential_target(credential: Credential) -> Target:
    return Target("credential", credential.pk, credential.key_id)


def token_target(token: AccessToken) -> Target:
    return Target("token", token.pk, token.label)


def member_target(membership: Membership) -> Target:
    return Target("member", membership.pk, membership.user.get_username())


def invitation_target(invitation: Invitation) -> Target:
    return Target("invitation", invitation.pk, invitation.email)


def user_target(user: Any) -> Target:
    return Target("user", user.pk, user.get_username())


def model_target(name: str) -> Target:
    return Target("model", None, name)
