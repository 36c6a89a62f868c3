"""What a recording looks like. Workers draw it, so that nobody has to fetch the sound who only looks."""

from __future__ import annotations

from audio.results import Picture
from voiceprints import jobs
from voiceprints.errors import RecordingNotFound
from voiceprints.models import Utterance

DRAW = "voiceprints.draw"


def picture_of(utterance: Utterance) -> Picture:
    """Raises RecordingNotFound, StorageFailed, AnalysisTimedOut, EngineFailed or EngineUnreachable."""
    if not utterance.recording:
        raise RecordingNotFound(path="")
    return Picture(**jobs.ask(DRAW, [str(utterance.recording)])["drawn"])
