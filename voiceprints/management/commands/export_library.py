from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import CommandError, CommandParser

from tenants.management.base import AttributedCommand, tenant_named
from voiceprints import bulk
from voiceprints.errors import VoiceprintError
from voiceprints.management.base import ended, summary
from voiceprints.management.saying import refuse_folder_of, words_of
from voiceprints.naming import written
from voiceprints.results import LibraryKey


class Command(AttributedCommand):
    help = (
        "Write a library into a zip that another installation can import; wait for the job and print what it came to."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("org_id")
        parser.add_argument("file", type=Path, help="where the zip goes; it must not exist")
        parser.add_argument("--tag-id", default="")
        parser.add_argument("--recordings", action="store_true")
        parser.add_argument("--embeddings", action="store_true")

    def handle(self, *args: Any, tenant: str, org_id: str, tag_id: str, file: Path, **options: Any) -> str:
        owner, wants = tenant_named(tenant), {name: options[name] for name in ("recordings", "embeddings")}
        refuse_folder_of(file)
        if file.exists():
            raise CommandError(f"{file} exists already")
        try:
            job = ended(owner, bulk.begin_export(owner, LibraryKey(org_id, tag_id), **wants))
            # Private to us, whole or not there at all, and never in the place of another.
            with written(cast(IO[bytes], tempfile.NamedTemporaryFile(dir=file.parent)), file) as unfinished:
                bulk.copy_file(owner, job.pk, unfinished)
                unfinished.flush()
                file.hardlink_to(unfinished.name)
        except (VoiceprintError, OSError) as error:
            raise CommandError(words_of(error)) from None
        return summary(job)
