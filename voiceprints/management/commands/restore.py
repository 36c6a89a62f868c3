"""A backup into an installation that is empty, or the recordings that one has lost; docs/backup.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from voiceprints import restoring
from voiceprints.management.sealed import add_key, key_of, reading
from voiceprints.management.stopping import StoppableCommand
from voiceprints.restoring import Restored


class Command(StoppableCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="or - for what is piped in")
        parser.add_argument(
            "--recordings-only",
            action="store_true",
            help="while the platform runs: those whose rows are here and whose files are not",
        )
        add_key(parser)

    def handle(self, *args: Any, file: Path, recordings_only: bool, **options: Any) -> str:
        key = key_of(options["key_file"], options["passphrase_file"])
        with reading(file) as source, tqdm(unit="recording", disable=None, leave=False) as bar:

            def show(done: int) -> None:
                bar.update(done - bar.n)

            if recordings_only:
                return json.dumps(asdict(restoring.return_recordings(source, key, show)))
            restored = restoring.restore(source, key, show)
        for line in left_to_do(restored):
            self.stderr.write(line)
        return json.dumps({"version": restored.version, "created": restored.created, **asdict(restored.contents)})


def left_to_do(restored: Restored) -> list[str]:
    """For whoever restores, in lines."""
    found = [f"{name} is set, and not to what the backup has; see `backup secrets`" for name in restored.differing]
    found += [
        f"the speaker model {name} is not installed here, or not as the database knows it; see `manage.py models`"
        for name in restored.absent_models
    ]
    found += [f"the audit trail is broken: {problem}" for problem in restored.broken_chains]
    if restored.contents.missing:
        found.append(f"{restored.contents.missing} files were missing already when the backup was made")
    return found
