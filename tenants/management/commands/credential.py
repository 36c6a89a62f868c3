from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from tenants.management.base import AttributedCommand, credential_named, tenant_named
from tenants.models import Credential
from tenants.services import delete_credential, set_credential_enabled


class Command(AttributedCommand):
    help = "Disable, enable or delete a key pair."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["disable", "enable", "delete"])
        parser.add_argument("tenant")
        parser.add_argument("key_id")

    def handle(self, *args: Any, what: str, tenant: str, key_id: str, **options: Any) -> str:
        change(what, credential_named(tenant_named(tenant), key_id))
        return f"{key_id}: {what}d"


def change(what: str, credential: Credential) -> None:
    if what == "delete":
        delete_credential(credential)
    else:
        set_credential_enabled(credential, what == "enable")
