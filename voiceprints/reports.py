"""What an enrollment is worth: whether its utterances agree with each other, and who else sounds like the speaker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.catalogue import find_model
from audio.results import SpeechQuality
from tenants.models import Tenant
from voiceprints import services
from voiceprints.curation import SpeakerRow
from voiceprints.models import Utterance
from voiceprints.results import Candidate, Enrollment
from voiceprints.scoring import voiceprint_of

MOST_NEAR_DUPLICATES = 10


@dataclass(frozen=True)
class Consistency:
    """Raw cosines of one utterance with each other one of its speaker."""

    lowest: float
    mean: float


@dataclass(frozen=True)
class UtteranceReport:
    """`consistency` is None for the only utterance of its speaker."""

    utterance: Utterance
    consistency: Consistency | None

    @property
    def quality(self) -> SpeechQuality:
        return self.utterance.quality


@dataclass(frozen=True)
class EnrollmentReport:
    """`near_duplicates`: other speakers of the library at or above the threshold, nearest first."""

    speaker: SpeakerRow
    complete: bool
    required_utterances: int
    utterances: tuple[UtteranceReport, ...]
    near_duplicates: tuple[Candidate, ...]
    threshold: float
    model: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """`inconsistent`: two utterances that hardly come from one speaker; `near_duplicates`: somebody else may."""
        lowest = [report.consistency.lowest for report in self.utterances if report.consistency]
        findings = {
            "inconsistent": bool(lowest) and min(lowest) < self.threshold,
            "near_duplicates": bool(self.near_duplicates),
        }
        return tuple(name for name, found in findings.items() if found)


def enrollment_report(tenant: Tenant, enrollment: Enrollment) -> EnrollmentReport:
    """What the enrollment just stored is worth."""
    model = tenant.model
    said = {row.utterance_id: row.embedding for row in enrollment.embeddings if row.model == model}
    agreement = _consistencies(said)
    newest = enrollment.utterances[-1]
    return EnrollmentReport(
        speaker=SpeakerRow(enrollment.speaker, enrollment.utterance_count, newest.pk, newest.created),
        complete=enrollment.complete,
        required_utterances=enrollment.required_utterances,
        utterances=tuple(UtteranceReport(one, agreement.get(one.pk)) for one in enrollment.utterances),
        near_duplicates=services.near_duplicates(
            tenant, enrollment.speaker, voiceprint_of(list(said.values())), model=model, limit=MOST_NEAR_DUPLICATES
        ),
        threshold=find_model(model).accept_threshold,
        model=model,
    )


def _consistencies(said: dict[int, np.ndarray]) -> dict[int, Consistency]:
    """By utterance; empty when there is one alone."""
    if len(said) < 2:
        return {}
    embeddings = np.stack(list(said.values()))
    cosines = embeddings @ embeddings.T
    others = cosines[~np.eye(len(said), dtype=bool)].reshape(len(said), len(said) - 1)
    figures = zip(others.min(axis=1), others.mean(axis=1), strict=True)
    return {key: Consistency(float(low), float(mean)) for key, (low, mean) in zip(said, figures, strict=True)}
