from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants.context import acting_as
from tenants.management.base import AttributedCommand, tenant_named, token_as_json
from tenants.models import AccessToken, Tenant
from tenants.services import delete_token


class Command(AttributedCommand):
    help = "List a tenant's access tokens, one JSON object a line, or revoke one by its id."

    def add_arguments(self, parser: CommandParser) -> None:
        whats = parser.add_subparsers(dest="what", required=True)
        whats.add_parser("list").add_argument("tenant")
        revoke = whats.add_parser("revoke")
        revoke.add_argument("tenant")
        revoke.add_argument("id", type=int)

    def handle(self, *args: Any, what: str, tenant: str, **options: Any) -> str:
        owner = tenant_named(tenant)
        if what == "list":
            return "\n".join(token_as_json(token) for token in tokens_of(owner))
        delete_token(token_numbered(owner, options["id"]))
        return f"{options['id']}: revoked"


def tokens_of(tenant: Tenant) -> list[AccessToken]:
    with acting_as(tenant):
        return list(tenant.access_tokens.select_related("tenant").order_by("pk"))


def token_numbered(tenant: Tenant, number: int) -> AccessToken:
    found = next((token for token in tokens_of(tenant) if token.pk == number), None)
    if found is None:
        raise CommandError(f"tenant {tenant.slug!r} has no token {number}")
    return found
