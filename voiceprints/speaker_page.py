"""What the console's page about a speaker says beyond its own row: what was said, and whether it is of one voice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

import numpy as np
from django.http import HttpRequest
from django.urls import reverse

from tenants.auditing import Line
from tenants.console import may_read_audit, number_in
from tenants.models import AuditEvent
from voiceprints import wording
from voiceprints.agreement import count_disagreements, deciding_model, said_in
from voiceprints.decisions import Decision, decision_for
from voiceprints.gallery import embeddings_of
from voiceprints.history import history_of
from voiceprints.models import Speaker, Utterance, UtteranceEmbedding
from voiceprints.results import Scored

RECORDINGS_ON_A_PAGE = 10
MOST_COMPARED = 16
DEEDS_SHOWN = 10
# A pair that lies this near to its threshold could fall on either side of it with another sentence.
NEARLY = 0.05


@dataclass(frozen=True)
class Said:
    """One recording; `number` counts a speaker's from the oldest."""

    number: int
    utterance: Utterance

    @property
    def quality(self) -> str:
        return wording.quality(self.utterance.quality)

    @property
    def length(self) -> str:
        return wording.seconds(self.utterance.duration_seconds)

    @property
    def warnings(self) -> list[str]:
        return wording.warnings(self.utterance.quality)

    @property
    def path(self) -> str:
        return str(self.utterance.recording)

    @property
    def sound_address(self) -> str:
        return reverse("admin:recording", args=[self.utterance.pk])

    @property
    def picture_address(self) -> str:
        return reverse("admin:recording_picture", args=[self.utterance.pk])

    @property
    def removal_address(self) -> str:
        return self._deed("voiceprints_speaker_remove_recording")

    @property
    def replacement_address(self) -> str:
        return self._deed("replace_recording")

    def _deed(self, name: str) -> str:
        return reverse(f"admin:{name}", args=[self.utterance.speaker_id, self.utterance.pk])


@dataclass(frozen=True)
class Cell(Scored):
    """Two recordings of one speaker."""

    @property
    def verdict(self) -> str:
        """`agrees`, `nearly` or `differs`."""
        if self.accepted:
            return "agrees"
        return "nearly" if self.score >= self.threshold - NEARLY else "differs"


@dataclass(frozen=True)
class Row:
    """`cells`: with each other recording, None with itself."""

    number: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Matrix:
    """The newest recordings that the model has heard, held against each other; of `utterances` in all."""

    rows: tuple[Row, ...]
    utterances: int

    @property
    def pairs(self) -> int:
        return len(self.rows) * (len(self.rows) - 1) // 2

    @property
    def differing(self) -> int:
        cells = [cell for row in self.rows for cell in row.cells if cell]
        return sum(1 for cell in cells if not cell.accepted) // 2

    @property
    def left_out(self) -> int:
        return self.utterances - len(self.rows)


@dataclass(frozen=True)
class Deed:
    """What somebody did several times in a row, such as listening; `line` is the newest time."""

    line: Line
    times: int


@dataclass(frozen=True)
class SpeakerPage:
    recordings: list[Said]
    count: int
    number: int
    """Of the page, from 1."""
    agreement: str
    """Whether one voice speaks, in words."""
    matrix: Matrix | None
    """None where there is nothing to compare."""
    history: list[Deed]
    """The newest of what was done to the speaker."""
    older_deeds: bool
    audit_address: str
    """"" for whoever may not read the audit trail."""

    @property
    def pages(self) -> int:
        return max(1, ceil(self.count / RECORDINGS_ON_A_PAGE))

    @property
    def newer(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def older(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


def speaker_page(request: HttpRequest, speaker: Speaker) -> SpeakerPage:
    newest_first = list(speaker.utterances.order_by("-pk").values_list("pk", flat=True))
    numbers = {pk: len(newest_first) - place for place, pk in enumerate(newest_first)}
    pages = ceil(len(numbers) / RECORDINGS_ON_A_PAGE)
    number = _page_number(request.GET.get("recordings", ""), pages)
    shown = newest_first[(number - 1) * RECORDINGS_ON_A_PAGE : number * RECORDINGS_ON_A_PAGE]
    utterances = speaker.utterances.filter(pk__in=shown).order_by("-pk")
    recordings = [Said(numbers[utterance.pk], utterance) for utterance in utterances]
    tenant = speaker.tenant
    deeds = _in_a_row(history_of(speaker))
    said = embeddings_of(speaker)
    model = deciding_model(tenant, said)
    heard = [row for row in said if row.model == model]
    return SpeakerPage(
        recordings,
        len(numbers),
        number,
        wording.agreement(count_disagreements(tenant, model, [said_in(row) for row in heard])),
        matrix_of(decision_for(tenant, model), heard, numbers),
        deeds[:DEEDS_SHOWN],
        len(deeds) > DEEDS_SHOWN,
        _audit_address(speaker) if may_read_audit(request) else "",
    )


def matrix_of(decision: Decision, heard: Sequence[UtteranceEmbedding], numbers: Mapping[int, int]) -> Matrix | None:
    """`numbers`: of the speaker's utterances by their keys."""
    rows = heard[-MOST_COMPARED:][::-1]
    if len(rows) < 2:
        return None
    vectors = np.stack([np.asarray(row.embedding) for row in rows])
    cosines = np.clip(vectors @ vectors.T, -1, 1)
    seconds = [row.utterance.speech_seconds for row in rows]
    return Matrix(
        tuple(
            Row(numbers[row.utterance_id], _cells(decision, cosines, seconds, place)) for place, row in enumerate(rows)
        ),
        len(numbers),
    )


def _cells(decision: Decision, cosines: np.ndarray, seconds: Sequence[float], place: int) -> tuple[Cell | None, ...]:
    bar = decision.bar(seconds[place])
    return tuple(
        None if other == place else Cell(float(cosines[place, other]), bar.threshold(known))
        for other, known in enumerate(seconds)
    )


def _in_a_row(events: Sequence[AuditEvent]) -> list[Deed]:
    rows = (
        list(alike) for _, alike in groupby(events, lambda one: (str(Line(one).action), one.outcome, one.actor_name))
    )
    return [Deed(Line(alike[0]), len(alike)) for alike in rows]


def _audit_address(speaker: Speaker) -> str:
    return reverse("admin:audit", query={"tenant": speaker.tenant.slug, "object": speaker.external_id})


def _page_number(text: str, pages: int) -> int:
    return min(max(number_in(text) or 1, 1), max(pages, 1))
