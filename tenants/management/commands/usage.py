from __future__ import annotations

import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.management.base import tenant_named
from tenants.usage import Period, as_csv

DAYS_BY_DEFAULT = 30


class Command(BaseCommand):
    help = "Write as CSV how often was asked for what, per day, of one tenant or of all."

    def add_arguments(self, parser: CommandParser) -> None:
        last = Period.until_today(DAYS_BY_DEFAULT)
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("tenant", nargs="?", help="slug of the tenant; all of them without it")
        whose.add_argument("--tenant", dest="named", help="the same")
        parser.add_argument(
            "--from", dest="first", type=date.fromisoformat, default=last.first, help="such as 2026-01-31"
        )
        parser.add_argument("--to", dest="last", type=date.fromisoformat, default=last.last, help="this day too")

    def handle(self, *args: Any, tenant: str | None, named: str | None, first: date, last: date, **_: Any) -> None:
        if first > last:
            raise CommandError("--from must not lie after --to")
        for lines in as_csv(tenant_named(slug) if (slug := tenant or named) else None, Period(first, last)):
            sys.stdout.write(lines)
