"""What the services answer: frozen values that know their own meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audio.results import ANY_FORM, Analysis, Embedding, RawPcm, RecordingForm, SpeechQuality
from voiceprints.models import Speaker, Utterance, UtteranceEmbedding
from voiceprints.scoring import calibrated


@dataclass(frozen=True)
class LibraryKey:
    """What names one library inside a tenant."""

    org_id: str
    tag_id: str = ""


class WhenEnrolled(StrEnum):
    """What to do with utterances for a speaker whose enrollment is complete."""

    REFUSE = "refuse"
    REPLACE = "replace"
    ADD = "add"


@dataclass(frozen=True)
class Turn:
    """Which of so many utterances of an enrollment this is, from 1."""

    number: int
    turns: int = 3


@dataclass(frozen=True)
class AudioInput:
    """A recording on its way in. `read` is called once, after all that can be refused without hearing it."""

    read: Callable[[], bytes]
    size_bytes: int | None = None
    """None when nobody knows before it is read."""
    raw_pcm: RawPcm | None = None
    form: RecordingForm = ANY_FORM
    denoise: bool = False
    trim_silence: bool = True
    required_speech_seconds: float | None = None
    """None: what the tenant asks for."""


Measured = tuple[Analysis, str]
"""What was measured in a recording, and the path where it lies."""


@dataclass(frozen=True)
class KnownUtterance:
    """An utterance that was measured elsewhere: its embeddings by model, and the path where it lies, "" for nowhere."""

    path: str
    size_bytes: int
    source_digest: str
    created: datetime
    quality: SpeechQuality
    embeddings: Mapping[str, Embedding]
    denoised: bool
    trimmed: bool
    not_kept: bool = False
    """There was a recording, and the rules keep none."""


@dataclass(frozen=True)
class Enrollment:
    speaker: Speaker
    utterances: tuple[Utterance, ...]
    required_utterances: int
    embeddings: tuple[UtteranceEmbedding, ...]
    """Of all the utterances that count, also the earlier ones, by every model."""
    answering_models: tuple[str, ...]
    replaced: tuple[UtteranceEmbedding, ...] = ()
    """Of the utterance in whose place another came."""

    @property
    def utterance_count(self) -> int:
        """How many a model that answers has heard; what only an earlier model knows is not among them."""
        heard = Counter(embedding.model for embedding in self.embeddings)
        return max(heard[model] for model in self.answering_models)

    @property
    def complete(self) -> bool:
        return self.speaker.enrolled

    @property
    def recording(self) -> str:
        """The path of the newest recording."""
        return str(self.utterances[-1].recording)


@dataclass(frozen=True)
class Scored:
    """A raw cosine, and the one from which on this comparison counts as of one speaker."""

    score: float
    threshold: float

    @property
    def accepted(self) -> bool:
        return self.score >= self.threshold

    @property
    def calibrated(self) -> float:
        return calibrated(self.score, self.threshold)


@dataclass(frozen=True)
class Comparison(Scored):
    """Two recordings held against each other."""

    model: str
    qualities: tuple[SpeechQuality, ...]


@dataclass(frozen=True)
class Verification(Comparison):
    speaker: Speaker

    @property
    def quality(self) -> SpeechQuality:
        """Of what was said now."""
        return self.qualities[0]


@dataclass(frozen=True)
class SpeakerComparison(Scored):
    """A stored voiceprint held against another one."""

    model: str
    speaker: Speaker
    """Whose the other one is."""


@dataclass(frozen=True)
class Candidate(Scored):
    speaker: Speaker
    recording: str
    """The path of the speaker's newest recording, "" when none was kept."""
    model: str
    """Which knows the speaker: that of the identification, or an earlier one that answers beside it."""


@dataclass(frozen=True)
class Identification:
    """Open set: candidates best first, of whom only those at or above their thresholds are accepted."""

    model: str
    candidates: tuple[Candidate, ...]
    margin: float | None
    """How far the best lies above the runner-up, wanted or not, calibrated; None when nobody came second."""
    quality: SpeechQuality

    @property
    def best(self) -> Candidate | None:
        """The accepted speaker, or None: nobody in the libraries."""
        first = self.candidates[0] if self.candidates else None
        return first if first and first.accepted else None

    @property
    def accepted(self) -> bool:
        return self.best is not None


@dataclass(frozen=True)
class Removal:
    """How much went."""

    libraries: int = 0
    speakers: int = 0
    recordings: int = 0


@dataclass(frozen=True)
class Listed:
    """One line of a listing."""

    speaker: Speaker
    recording: str
    """The path of the newest recording, "" when none was kept."""
    utterance_count: int
    updated: datetime | None
    """When the newest utterance came."""
