"""What a toy's client is told."""

from __future__ import annotations

from api.protocol import AccessRefused
from audio.errors import AudioError
from voiceprints.errors import SpeakerExists, SpeakerNotFound

ANSWERS: dict[type[BaseException], str] = {
    AccessRefused: "refused",
    SpeakerExists: "exists",
    SpeakerNotFound: "not found",
    AudioError: "unusable audio",
    Exception: "unavailable",
}
