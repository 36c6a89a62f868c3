from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants.management.base import AttributedCommand, tenant_named
from voiceprints import bulk
from voiceprints.errors import VoiceprintError
from voiceprints.management.base import ended, summary
from voiceprints.management.saying import words_of
from voiceprints.results import LibraryKey, WhenEnrolled


class Command(AttributedCommand):
    help = "Bring in an export, or enroll the speakers of a list with their recordings; wait for the job."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("archive", type=Path, help="zip, tar or tar.gz")
        parser.add_argument(
            "--org-id", default="", help="the library of lines that name none, or in place of the export's"
        )
        parser.add_argument("--tag-id", default="")
        parser.add_argument("--when-enrolled", choices=[str(choice) for choice in WhenEnrolled], default="refuse")

    def handle(self, *args: Any, tenant: str, archive: Path, org_id: str, tag_id: str, **options: Any) -> str:
        owner = tenant_named(tenant)
        when_enrolled = WhenEnrolled(options["when_enrolled"])
        try:
            with archive.open("rb") as file:
                key = LibraryKey(org_id, tag_id)
                job = bulk.begin_import(owner, archive=file, key=key, when_enrolled=when_enrolled)
            return summary(ended(owner, job))
        except (VoiceprintError, OSError) as error:
            raise CommandError(words_of(error)) from None
