"""A backup into an installation that is empty, or the recordings that one has lost; docs/backup.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandParser
from tqdm import tqdm

from voiceprints import restoring
from voiceprints.management.sealed import add_key, key_of, reading
from voiceprints.management.stopping import StoppableCommand, saying, stopped
from voiceprints.restored_files import Interrupted
from voiceprints.restoring import Found, Restored

NOT_LOOKED_OVER: Final = (
    "all is restored; stopped before it was seen whether the audit trail is intact and the models are there, "
    "as `audit verify` and `models list` tell"
)
SOME_CAME_BACK: Final = "stopped; recordings that have come back stay, and the same command goes on with the others"


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

    def handle(self, *args: Any, file: Path, recordings_only: bool, **options: Any) -> str | None:
        key = key_of(options["key_file"], options["passphrase_file"])
        with reading(file) as source, tqdm(unit="recording", disable=None, leave=False) as bar:

            def show(done: int) -> None:
                bar.update(done - bar.n)

            if recordings_only:
                with saying(SOME_CAME_BACK):
                    return json.dumps(asdict(restoring.return_recordings(source, key, show)))
            try:
                restored = restoring.restore(source, key, show)
            except Interrupted as interrupted:
                raise stopped(f"stopped; {interrupted}") from None
        with saying(NOT_LOOKED_OVER):
            self._tell_restored(restored)
            if restored.ctrl_c_too_late:
                raise stopped(NOT_LOOKED_OVER)
            self._tell(left_to_do(restoring.look_over()))
        return None

    def _tell_restored(self, restored: Restored) -> None:
        said = {"version": restored.version, "created": restored.created, **asdict(restored.contents)}
        self.stdout.write(json.dumps(said))
        self._tell(seen_at_once(restored))

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            self.stderr.write(line)


def seen_at_once(restored: Restored) -> list[str]:
    """For whoever restores, in lines."""
    lines = [f"{name} is set, and not to what the backup has; see `backup secrets`" for name in restored.differing]
    if restored.contents.missing:
        lines.append(f"{restored.contents.missing} files were missing already when the backup was made")
    return lines


def left_to_do(found: Found) -> list[str]:
    """The same of what takes longer to be found."""
    lines = [
        f"the speaker model {name} is not installed here, or not as the database knows it; see `manage.py models`"
        for name in found.absent_models
    ]
    return lines + [f"the audit trail is broken: {problem}" for problem in found.broken_chains]
