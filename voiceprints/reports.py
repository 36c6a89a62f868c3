"""What an enrollment is worth: whether its utterances agree with each other, and who else sounds like the speaker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.results import SpeechQuality
from tenants.models import Consistency as Policy
from tenants.models import Tenant
from voiceprints import services
from voiceprints.agreement import agreements, deciding_model, said_in
from voiceprints.curation import SpeakerRow
from voiceprints.decisions import decision_for
from voiceprints.models import Utterance
from voiceprints.results import Candidate, Enrollment, Scored
from voiceprints.scoring import voiceprint_of

MOST_NEAR_DUPLICATES = 10


@dataclass(frozen=True)
class Consistency:
    """Raw cosines of one utterance with each other one of its speaker."""

    lowest: float
    mean: float


@dataclass(frozen=True)
class UtteranceReport:
    """`consistency` is None for the only utterance of its speaker, `agreement` for the first.

    `agreement` holds it against the voiceprint of all that was said before it, or of what it alone replaced.
    """

    utterance: Utterance
    consistency: Consistency | None
    agreement: Scored | None

    @property
    def quality(self) -> SpeechQuality:
        return self.utterance.quality


@dataclass(frozen=True)
class EnrollmentReport:
    """`near_duplicates`: other speakers of the library who would be accepted in the speaker's place, nearest first."""

    speaker: SpeakerRow
    complete: bool
    required_utterances: int
    utterances: tuple[UtteranceReport, ...]
    near_duplicates: tuple[Candidate, ...]
    model: str
    minds_disagreement: bool
    """Whether the tenant wants to hear of utterances that hardly come from one speaker."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """`inconsistent`: utterances that hardly come from one speaker; `near_duplicates`: somebody else may."""
        agreements = [report.agreement for report in self.utterances if report.agreement]
        findings = {
            "inconsistent": self.minds_disagreement and not all(agreement.accepted for agreement in agreements),
            "near_duplicates": bool(self.near_duplicates),
        }
        return tuple(name for name, found in findings.items() if found)


def enrollment_report(tenant: Tenant, enrollment: Enrollment) -> EnrollmentReport:
    """What the enrollment just stored is worth."""
    model = tenant.model
    rows = [row for row in enrollment.embeddings if row.model == model]
    consistencies = _consistencies({row.utterance_id: row.embedding for row in rows})
    agreement = _agreements(tenant, enrollment)
    newest = enrollment.utterances[-1]
    return EnrollmentReport(
        speaker=SpeakerRow(enrollment.speaker, enrollment.utterance_count, newest.pk, newest.created),
        complete=enrollment.complete,
        required_utterances=enrollment.required_utterances,
        utterances=tuple(
            UtteranceReport(one, consistencies.get(one.pk), agreement.get(one.pk)) for one in enrollment.utterances
        ),
        near_duplicates=services.near_duplicates(
            tenant,
            enrollment.speaker,
            voiceprint_of([row.embedding for row in rows]),
            sum(row.utterance.speech_seconds for row in rows),
            model=model,
            limit=MOST_NEAR_DUPLICATES,
        ),
        model=model,
        minds_disagreement=tenant.consistency != Policy.ACCEPT,
    )


def _agreements(tenant: Tenant, enrollment: Enrollment) -> dict[int, Scored | None]:
    """Of what was said now, by utterance."""
    now = {utterance.pk for utterance in enrollment.utterances}
    before = [row for row in enrollment.embeddings if row.utterance_id not in now] or enrollment.replaced
    model = deciding_model(tenant, before)
    earlier = [row for row in before if row.model == model]
    new = [row for row in enrollment.embeddings if row.utterance_id in now and row.model == model]
    found = agreements(decision_for(tenant, model), [said_in(row) for row in earlier], [said_in(row) for row in new])
    return dict(zip([row.utterance_id for row in new], found, strict=True))


def _consistencies(said: dict[int, np.ndarray]) -> dict[int, Consistency]:
    """By utterance; empty when there is one alone."""
    if len(said) < 2:
        return {}
    embeddings = np.stack(list(said.values()))
    cosines = embeddings @ embeddings.T
    others = cosines[~np.eye(len(said), dtype=bool)].reshape(len(said), len(said) - 1)
    figures = zip(others.min(axis=1), others.mean(axis=1), strict=True)
    return {key: Consistency(float(low), float(mean)) for key, (low, mean) in zip(said, figures, strict=True)}
