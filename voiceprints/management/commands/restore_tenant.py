from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants.management.base import AttributedCommand, tenant_named
from voiceprints import leaving
from voiceprints.errors import VoiceprintError


class Command(AttributedCommand):
    help = "Open a tenant again that was closed to be erased, with everything it had."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")

    def handle(self, *args: Any, tenant: str, **options: Any) -> str:
        try:
            restored = leaving.restore(tenant_named(tenant))
        except VoiceprintError as error:
            raise CommandError(str(error)) from None
        return json.dumps({"tenant": restored.slug, "active": restored.active})
