from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from api.dolphin.auth import DIALECT
from tenants.context import acting_as
from tenants.management.base import AttributedCommand, tenant_named
from tenants.models import Scope, Tenant
from tenants.services import allow_dialect, delete_tokens, issue_token


class Command(AttributedCommand):
    help = (
        "Let a tenant's Dolphin clients in: print a new base address for them as one JSON object. Its secret is not "
        "shown again. With --revoke, no base address that the tenant was given works any longer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("--revoke", action="store_true")

    def handle(self, *args: Any, tenant: str, revoke: bool, **options: Any) -> str:
        owner = tenant_named(tenant)
        done = {"revoked": delete_tokens(owner, Scope.PATH)} if revoke else new_address(owner)
        return json.dumps({"tenant": tenant} | done)


def new_address(tenant: Tenant) -> dict[str, str]:
    with acting_as(tenant):
        allow_dialect(tenant, DIALECT)
        _, secret = issue_token(tenant, scopes=[Scope.PATH], label=DIALECT)
    path = f"/{DIALECT}/{secret}"
    return {"base_path": path, "base_url": (settings.PUBLIC_URL or settings.LOCAL_URL) + path}
