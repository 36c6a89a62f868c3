from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from tenants.management.base import AttributedCommand, as_json, credential_named, tenant_named
from tenants.services import rotate_credential

LONGEST_OVERLAP_HOURS = 366 * 24


class Command(AttributedCommand):
    help = "Issue a successor for a key pair, which goes on working for a while; print the successor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("key_id")
        parser.add_argument("--overlap-hours", type=hours, default=24.0)

    def handle(self, *args: Any, tenant: str, key_id: str, overlap_hours: float, **options: Any) -> str:
        credential = credential_named(tenant_named(tenant), key_id)
        try:
            return as_json(rotate_credential(credential, overlap=timedelta(hours=overlap_hours)))
        except ValidationError as overtaken:
            raise CommandError(" ".join(overtaken.messages)) from None


def hours(text: str) -> float:
    number = float(text)
    if not 0 <= number <= LONGEST_OVERLAP_HOURS:
        raise ArgumentTypeError(f"from 0 to {LONGEST_OVERLAP_HOURS}")
    return number
