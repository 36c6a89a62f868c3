"""Voices and what they said: the project's own synthetic recordings, in the forms that tests send them in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from audio.results import SAMPLE_RATE
from tests.audio.recordings import SAMPLES, VOICES, pcm, spoken
from voiceprints.results import AudioInput, LibraryKey

SUSAN, KEN, WEI = "susan", "ken", "wei"

LIBRARY = LibraryKey("acme", "staff")
OTHER_TAG = LibraryKey("acme", "guests")

# What our identifiers look like.
UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def recording(voice: str, number: int = 1) -> bytes:
    return (SAMPLES / voice / f"{number}.opus").read_bytes()


@cache
def pcm_of(voice: str, number: int = 1) -> bytes:
    """The recording as headerless PCM: 16 kHz, mono, 16 bit, little-endian."""
    return pcm(spoken(voice, number))


def wav_of(voice: str, number: int = 1) -> bytes:
    """The same in a RIFF container."""
    return wav(pcm_of(voice, number))


def in_form(content: bytes, form: Callable[[str, int], bytes]) -> bytes:
    """A recording of the cast in another form, such as wav_of; whatever else it is stays as it is."""
    voice_and_number = _recordings().get(content)
    return form(*voice_and_number) if voice_and_number else content


@cache
def _recordings() -> dict[bytes, tuple[str, int]]:
    return {recording(voice, number): (voice, number) for voice in VOICES for number in (1, 2, 3, 4)}


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
