from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tenants.cleaning import Tally, clean
from tenants.context import acting_as_platform
from tenants.management.base import AttributedCommand
from voiceprints import strays
from voiceprints.errors import StorageFailed
from voiceprints.findings import HEADINGS, lines
from voiceprints.strays import Found, NotOurStorage


class Command(AttributedCommand):
    help = "Look for files without rows and rows without files; remove the files that have lain there long enough."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="write nothing down and remove nothing")
        parser.add_argument("--at-once", action="store_true", help="remove files without rows, however new the finding")
        parser.add_argument("--csv", action="store_true", help="print what the last sweep found, and do nothing else")

    def handle(self, *args: Any, dry_run: bool, at_once: bool, **options: Any) -> str | None:
        if options["csv"]:
            self._listed()
            return None
        try:
            return json.dumps(asdict(strays.look_through(timezone.now(), keep=False) if dry_run else swept(at_once)))
        except (StorageFailed, NotOurStorage) as error:
            raise CommandError(str(error)) from None

    def _listed(self) -> None:
        table = csv.writer(self.stdout)
        table.writerow(HEADINGS)
        with acting_as_platform():
            table.writerows(lines())


def swept(at_once: bool) -> Found:
    """Raises CommandError, StorageFailed, NotOurStorage."""
    found: list[Found] = []

    def deed(tally: Tally) -> None:
        found.append(strays.sweep(tally))
        if at_once:
            strays.remove_strays(tally, found[0], timezone.now())

    run = clean("storage", deed)
    if run is None:
        raise CommandError("a sweep is under way already")
    counted = asdict(found[0]) | {"removed": run.counts.get("files", 0)}
    return Found(**counted)
