from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from api.speakin.signature import DATE_FORMAT, authorization
from tenants.management.base import usable_credential


class Command(BaseCommand):
    help = "Print the headers of a SpeakIn request, one a line, as curl reads them. They hold for fifteen minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug of the tenant whose newest credential signs")

    def handle(self, *args: Any, tenant: str, **options: Any) -> str:
        credential = usable_credential(tenant)
        headers = {"Date": datetime.now(UTC).strftime(DATE_FORMAT), "Source": "test"}
        headers["Authorization"] = authorization(credential.key_id, credential.secret, headers)
        return "\n".join(f"{name}: {value}" for name, value in headers.items())
