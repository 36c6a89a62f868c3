"""Who may come in: rules about the members of a tenant."""

from __future__ import annotations

from tenants.models import Membership, Role


def is_last_owner(membership: Membership) -> bool:
    """Locks the owners, so that two of them cannot remove each other at the same moment."""
    owners = Membership.all_tenants.filter(tenant=membership.tenant_id, role=Role.OWNER)
    return list(owners.select_for_update().values_list("pk", flat=True)) == [membership.pk]
