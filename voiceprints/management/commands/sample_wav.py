from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audio.decode import decode
from audio.results import SAMPLE_RATE

FULL_SCALE = 32_767


class Command(BaseCommand):
    help = "Write one of the project's synthetic recordings as a WAV file, for interfaces that take nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("voice", help="such as susan")
        parser.add_argument("number", type=int, help="1 to 4")
        parser.add_argument("file", type=Path, help="mono, 16 kHz, 16 bit")

    def handle(self, *args: Any, voice: str, number: int, file: Path, **options: Any) -> str:
        samples = Path(settings.BASE_DIR) / "voiceprints" / "samples"
        known = {path.relative_to(samples).as_posix(): path for path in samples.glob("*/*.opus")}
        try:
            content = known[f"{voice}/{number}.opus"].read_bytes()
            with file.open("wb") as out, wave.open(out, "wb") as written:
                written.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
                written.writeframes((decode(content).samples * FULL_SCALE).astype("<i2").tobytes())
        except KeyError:
            raise CommandError(f"no recording {number} of {voice!r}; the voices are in {samples}") from None
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}") from None
        return str(file)
