"""Inviting people into a tenant: a link that works once, for some days, unless it is revoked.

Nobody becomes a member without having opened such a link and agreed, but for those whom platform staff add.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from tenants.actions import Action
from tenants.cleaning import delete_rows
from tenants.context import acting_as, naming_token
from tenants.members import add_member
from tenants.models import Invitation, Membership, Tenant
from tenants.targets import invitation_target
from tenants.trail import note

TOKEN_BYTES = 32
DAYS_VALID = 7
KEPT_AFTER_EXPIRY = timedelta(days=30)


class InvitationRefused(Exception):
    """What was invited cannot come in this way."""


class InvitationGone(InvitationRefused):
    """Used, revoked or expired meanwhile."""


class AlreadyMember(InvitationRefused):
    pass


class StaffStaysOutside(InvitationRefused):
    """Platform staff see every tenant, and are members of none."""


def invite(
    tenant: Tenant, *, role: str, email: str = "", days: int = DAYS_VALID, by: Any = None
) -> tuple[Invitation, str]:
    """The invitation and the secret of its link, which nobody can read out again."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with acting_as(tenant):
        invitation = Invitation.all_tenants.create(
            tenant=tenant,
            role=role,
            email=email,
            digest=digest_of(token),
            expires=timezone.now() + timedelta(days=days),
            invited_by=by,
        )
        note(tenant, Action.INVITATION_MADE, invitation_target(invitation), role=role, expires=invitation.expires)
    return invitation, token


def find_invitation(digest: str) -> Invitation | None:
    """The one that still works, with its tenant, whoever it belongs to."""
    with naming_token(digest):
        found = Invitation.all_tenants.select_related("tenant", "invited_by").filter(digest=digest).first()
    return found if found and found.usable and found.tenant.active else None


def accept(invitation: Invitation, user: AbstractBaseUser) -> Membership:
    """Raises InvitationRefused. Of two who hold the same link, one comes in."""
    if getattr(user, "is_superuser", False):
        raise StaffStaysOutside
    with acting_as(invitation.tenant):
        if invitation.tenant.memberships.filter(user=user.pk).exists():
            raise AlreadyMember
        waiting = Invitation.all_tenants.filter(pk=invitation.pk, expires__gt=timezone.now())
        if not waiting.delete()[0]:
            raise InvitationGone
        return add_member(invitation.tenant, user, invitation.role, invitation=invitation)


def revoke(invitation: Invitation) -> None:
    with acting_as(invitation.tenant):
        note(invitation.tenant, Action.INVITATION_REVOKED, invitation_target(invitation), role=invitation.role)
        invitation.delete()


def sweep() -> int:
    return sum(delete_rows(Invitation.all_tenants.filter(expires__lt=timezone.now() - KEPT_AFTER_EXPIRY)))


def digest_of(token: str) -> str:
    # The token is 32 random bytes: nothing that a slow hash would have to protect from guessing.
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
