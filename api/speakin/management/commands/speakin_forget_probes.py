from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from api.speakin.views import LIBRARY
from tenants.management.base import AttributedCommand, tenant_named
from voiceprints import services

MOST_DAYS = 36_500


class Command(AttributedCommand):
    help = "Delete what vecforcompare kept of a tenant long enough ago; to be run daily. Registrations stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("--older-than-days", type=int, required=True)

    def handle(self, *args: Any, tenant: str, older_than_days: int, **options: Any) -> str:
        if not 0 <= older_than_days <= MOST_DAYS:
            raise CommandError(f"--older-than-days must be from 0 to {MOST_DAYS}")
        owner, before = tenant_named(tenant), timezone.now() - timedelta(days=older_than_days)
        libraries = owner.libraries.within(LIBRARY.org_id, LIBRARY.tag_id)
        return f"Deleted {services.delete_probes(owner, libraries, before=before).speakers} probes."
