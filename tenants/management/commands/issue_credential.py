from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from tenants.management.base import AttributedCommand, as_json, in_one_line, tenant_named
from tenants.services import issue_credential


class Command(AttributedCommand):
    help = "Issue a key pair for a tenant, or take over the one its clients already use; print it as one JSON object."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("--key-id", default="")
        parser.add_argument("--secret", default="")
        parser.add_argument("--label", default="", help="for people, such as the client that signs with it")
        parser.add_argument("--app-id", default="", help="also change the tenant's application id to this")

    def handle(self, *args: Any, tenant: str, key_id: str, secret: str, label: str, app_id: str, **options: Any) -> str:
        about = {"key_id": key_id, "secret": secret, "label": label, "app_id": app_id}
        try:
            return as_json(issue_credential(tenant_named(tenant), **about))
        except ValidationError as error:
            raise in_one_line(error) from None
