"""Whether what a speaker says now agrees with what the speaker said before, and what a tenant wants done if not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audio.results import Analysis, Embedding
from tenants.models import Consistency, Tenant
from voiceprints.decisions import Decision, decision_for
from voiceprints.errors import SpeakerMismatch
from voiceprints.models import Speaker, UtteranceEmbedding
from voiceprints.results import Scored
from voiceprints.scoring import Figures, cosine

Said = tuple[Embedding, float]
"""An utterance's embedding, and its seconds of speech."""


def agreements(decision: Decision, earlier: Sequence[Said], new: Sequence[Said]) -> tuple[Scored | None, ...]:
    """Each new utterance held against the voiceprint of all before it; None for one that was the first."""
    said = [*earlier, *new]
    if not new:
        return ()
    # Of as many as were said so far; a voiceprint is where they point together.
    sums = np.cumsum([embedding for embedding, _ in said], axis=0, dtype=np.float64)
    seconds = np.cumsum([speech_seconds for _, speech_seconds in said])
    return tuple(
        _held_against(decision, (sums[number - 1], float(seconds[number - 1])), said[number]) if number else None
        for number in range(len(earlier), len(said))
    )


def deciding_model(tenant: Tenant, said: Sequence[UtteranceEmbedding]) -> str:
    """By which a speaker who said this is answered: the first that has heard any of it."""
    heard = {row.model for row in said}
    return next((model for model in tenant.answering_models if model in heard), tenant.model)


def refuse_another_voice(
    tenant: Tenant, speaker: Speaker, earlier: Sequence[UtteranceEmbedding], analyses: Sequence[Analysis]
) -> None:
    """Where the tenant wants it so, raise SpeakerMismatch for the first utterance that disagrees with those before."""
    if tenant.consistency != Consistency.REFUSE:
        return
    model = deciding_model(tenant, earlier)
    before = [said_in(row) for row in earlier if row.model == model]
    now = [(analysis.embeddings[model], analysis.quality.speech_seconds) for analysis in analyses]
    for scored in agreements(decision_for(tenant, model), before, now):
        if scored and not scored.accepted:
            raise SpeakerMismatch(external_id=speaker.external_id, score=scored.score, threshold=scored.threshold)


def count_disagreements(tenant: Tenant, model: str, said: Sequence[Said]) -> int | None:
    """How many utterances of one speaker, as the model heard them, do not sound like those before them.

    None where there is nothing to compare, or the tenant does not mind.
    """
    if tenant.consistency == Consistency.ACCEPT or len(said) < 2:
        return None
    found = agreements(decision_for(tenant, model), [], said)
    return sum(1 for scored in found if scored and not scored.accepted)


def said_in(row: UtteranceEmbedding) -> Said:
    return row.embedding, row.utterance.speech_seconds


def _held_against(decision: Decision, before: tuple[Figures, float], utterance: Said) -> Scored:
    """`before`: the sum of the embeddings, and of the seconds, of all that was said before the utterance."""
    (known, known_seconds), (embedding, speech_seconds) = before, utterance
    return Scored(cosine(known.astype(np.float32), embedding), decision.threshold(known_seconds, speech_seconds))
