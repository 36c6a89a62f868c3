"""What this room forgets of somebody who is erased: utterances of which packets came, and who is speaking."""

from __future__ import annotations

from api.jdcloud import utterances
from voiceprints import traces


def register() -> None:
    traces.kept_elsewhere("unfinished_utterances", utterances.forget, utterances.keeps)
