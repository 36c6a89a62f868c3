"""What a recording looks like. Workers draw it, so that nobody has to fetch the sound who only looks."""

from __future__ import annotations

from audio.results import Picture
from voiceprints import jobs, recordings
from voiceprints.errors import RecordingNotFound
from voiceprints.models import Utterance


def picture_of(utterance: Utterance) -> Picture:
    """Raises RecordingNotFound, StorageFailed, and what jobs.draw raises."""
    path = str(utterance.recording)
    try:
        content = recordings.read(path) if path else None
    except FileNotFoundError:
        content = None
    if content is None:
        raise RecordingNotFound(path=path)
    return Picture(**jobs.draw(utterance.tenant, content))
