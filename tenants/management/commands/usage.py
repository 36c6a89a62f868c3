from __future__ import annotations

import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.context import acting_as, acting_as_platform
from tenants.management.base import tenant_named
from tenants.models import UsageDay
from tenants.usage import Period, write_csv

DAYS_BY_DEFAULT = 30


class Command(BaseCommand):
    help = "Write as CSV how often was asked for what, per day, of one tenant or of all."

    def add_arguments(self, parser: CommandParser) -> None:
        last = Period.until_today(DAYS_BY_DEFAULT)
        parser.add_argument("--tenant", help="slug of the tenant; all of them without it")
        parser.add_argument(
            "--from", dest="first", type=date.fromisoformat, default=last.first, help="such as 2026-01-31"
        )
        parser.add_argument("--to", dest="last", type=date.fromisoformat, default=last.last, help="this day too")

    def handle(self, *args: Any, tenant: str | None, first: date, last: date, **options: Any) -> None:
        if first > last:
            raise CommandError("--from must not lie after --to")
        period = Period(first, last)
        if tenant is None:
            with acting_as_platform():
                write_csv(sys.stdout, UsageDay.all_tenants.all(), period)
        else:
            owner = tenant_named(tenant)
            with acting_as(owner):
                write_csv(sys.stdout, owner.usage_days.all(), period)
