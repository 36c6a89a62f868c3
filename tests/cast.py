"""Voices and what they said: the project's own synthetic recordings."""

from __future__ import annotations

from pathlib import Path

from audio.results import SAMPLE_RATE
from voiceprints.results import AudioInput, LibraryKey

SAMPLES = Path(__file__).parent.parent / "voiceprints" / "samples"
VOICES = sorted(folder.name for folder in SAMPLES.iterdir() if (folder / "1.opus").exists())
SUSAN, KEN, WEI = "susan", "ken", "wei"

LIBRARY = LibraryKey("acme", "staff")
OTHER_TAG = LibraryKey("acme", "guests")


def recording(voice: str, number: int = 1) -> bytes:
    return (SAMPLES / voice / f"{number}.opus").read_bytes()


def audio(voice: str, number: int = 1) -> AudioInput:
    return AudioInput(read=lambda: recording(voice, number))


def silence(seconds: float = 3.0) -> AudioInput:
    return AudioInput(read=lambda: wav(bytes(2 * int(seconds * SAMPLE_RATE))))


def wav(pcm: bytes, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Mono 16-bit PCM in a RIFF container."""
    form = b"WAVEfmt " + (16).to_bytes(4, "little") + bytes([1, 0, 1, 0])
    form += sample_rate.to_bytes(4, "little") + (2 * sample_rate).to_bytes(4, "little") + bytes([2, 0, 16, 0])
    form += b"data" + len(pcm).to_bytes(4, "little") + pcm
    return b"RIFF" + len(form).to_bytes(4, "little") + form
