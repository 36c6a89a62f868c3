from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from api.abcpen.client import Client, Refused, Unreachable
from tenants.management.base import usable_credential
from tenants.services import DEMO_TENANT

SAMPLES = settings.BASE_DIR / "voiceprints" / "samples"
LIBRARY = {"org_id": "demo", "tag_id": "sample-voices"}
SHOWN_CANDIDATES = 3


class Command(BaseCommand):
    help = "Enroll the sample voices over HTTP, then ask who is speaking in their other recordings."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default=settings.LOCAL_URL, help="where the platform answers")
        parser.add_argument("--tenant", default=DEMO_TENANT, help="slug of the tenant to use")

    def handle(self, *args: Any, url: str, tenant: str, **options: Any) -> None:
        credential = usable_credential(tenant)
        try:
            with Client(url, credential.key_id, credential.secret) as client:
                self.enroll_voices(client)
                self.identify_voices(client)
        except Unreachable as error:
            raise CommandError(f"the platform does not answer at {url} ({error}); is it running?") from None
        except Refused as refusal:
            raise CommandError(f"the platform refused: {refusal}") from None

    def enroll_voices(self, client: Client) -> None:
        forgotten = client.delete_speakers(**LIBRARY)
        if forgotten:
            self.stdout.write(f"Forgot {forgotten} sample voices of an earlier run.")
        self.stdout.write(f"Enrolling {len(voices())} synthetic voices, one sentence each:")
        for voice in voices():
            client.register(recordings_of(voice)[0].read_bytes(), spk_name=voice, **LIBRARY)
            self.stdout.write(f"  {voice}")
        if client.count(**LIBRARY) != len(voices()):
            raise CommandError("the library does not hold the voices that were just enrolled")

    def identify_voices(self, client: Client) -> None:
        asked = [(voice, recording) for voice in voices() for recording in recordings_of(voice)[1:]]
        self.stdout.write(f"\nAsking who speaks in {len(asked)} other recordings, closest voices first:")
        right = sum(self.identified(client, voice, recording) for voice, recording in asked)
        self.stdout.write(f"\n{right} of {len(asked)} recognised.")
        if right < len(asked):
            raise CommandError("not every voice was recognised")

    def identified(self, client: Client, voice: str, recording: Path) -> bool:
        candidates = client.recognize(recording.read_bytes(), **LIBRARY)
        right = bool(candidates) and candidates[0]["spk_name"] == voice
        ranking = ", ".join(f"{one['spk_name']} {one['score']:.1f}" for one in candidates[:SHOWN_CANDIDATES])
        verdict = "right" if right else "WRONG"
        self.stdout.write(f"  {f'{voice}/{recording.name}':<20} {verdict}: {ranking}")
        return right


def voices() -> list[str]:
    return sorted(folder.name for folder in SAMPLES.iterdir() if recordings_of(folder.name))


def recordings_of(voice: str) -> list[Path]:
    return sorted((SAMPLES / voice).glob("[0-9].*"))
