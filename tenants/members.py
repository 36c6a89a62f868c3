"""Who may come in: the members of a tenant, and rules about them."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser

from tenants.actions import Action
from tenants.context import acting_as, memberships_of
from tenants.models import Invitation, Membership, Role, SecondFactor, Tenant
from tenants.services import change_tenant
from tenants.signed_in import end_other_sessions
from tenants.targets import member_target
from tenants.trail import note


def is_last_owner(membership: Membership) -> bool:
    """Locks the owners, so that two of them cannot remove each other at the same moment."""
    owners = Membership.all_tenants.filter(tenant=membership.tenant_id, role=Role.OWNER)
    return list(owners.select_for_update().values_list("pk", flat=True)) == [membership.pk]


def is_last_platform_staff(*users: AbstractBaseUser) -> bool:
    """Whether none is left without them all.

    Locks the active platform staff, so that two of them cannot shut each other out at the same moment.
    """
    staff = get_user_model()._default_manager.filter(is_active=True, is_superuser=True).order_by("pk")
    return {user.pk for user in users}.issuperset(staff.select_for_update().values_list("pk", flat=True))


def belongs_somewhere(user: AbstractBaseUser) -> bool:
    """To a tenant that is active."""
    with memberships_of(user):
        return Membership.all_tenants.filter(user=user.pk, tenant__active=True).exists()


def closed_tenants_of(user: AbstractBaseUser) -> list[str]:
    """The names of those that the user belongs to and that nobody gets into now."""
    with memberships_of(user):
        closed = Membership.all_tenants.filter(user=user.pk, tenant__active=False)
        return list(closed.order_by("tenant__name").values_list("tenant__name", flat=True))


def add_member(
    tenant: Tenant, user: AbstractBaseUser, role: str, *, invitation: Invitation | None = None
) -> Membership:
    with acting_as(tenant):
        membership = Membership.all_tenants.create(tenant=tenant, user_id=user.pk, role=role)
        invited = invitation and invitation.pk
        note(tenant, Action.MEMBER_ADDED, member_target(membership), role=role, invitation=invited)
    return membership


def change_role(membership: Membership, role: str) -> None:
    with acting_as(membership.tenant):
        membership.role = role
        membership.save(update_fields=["role"])
        note(membership.tenant, Action.MEMBER_CHANGED, member_target(membership), role=role)


def remove_member(membership: Membership) -> None:
    """Whoever belongs nowhere any more is signed out everywhere; others see the tenant no longer, from now on."""
    user = membership.user
    with acting_as(membership.tenant):
        note(membership.tenant, Action.MEMBER_REMOVED, member_target(membership), role=membership.role)
        membership.delete()
    if not (user.is_superuser or belongs_somewhere(user)):
        end_other_sessions(user, None)


def require_two_factors(tenant: Tenant, required: bool) -> None:
    """Of all members, from their next page on."""
    tenant.two_factor_required = required
    change_tenant(tenant, ["two_factor_required"])


def members_without_second_factor(tenant: Tenant) -> int:
    with acting_as(tenant):
        protected = SecondFactor.objects.filter(confirmed__isnull=False).values("user")
        return tenant.memberships.exclude(user__in=protected).count()
