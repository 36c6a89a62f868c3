"""What the commands of this dialect share."""

from __future__ import annotations

from django.core.management.base import CommandError

from tenants.context import acting_as
from tenants.management.base import tenant_named
from tenants.models import Credential


def usable_credential(slug: str) -> Credential:
    """The newest key pair with which the tenant's clients may sign now."""
    tenant = tenant_named(slug)
    with acting_as(tenant):
        newest_first = tenant.credentials.select_related("tenant").order_by("-created")
        credential = next((one for one in newest_first if one.usable), None)
    if credential is None:
        raise CommandError(f"tenant {slug!r} has no usable credential")
    return credential
