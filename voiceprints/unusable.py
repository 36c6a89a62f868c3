"""The recordings that could not be embedded with a model: whose they are, where they lie, and why, in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audio.errors import (
    Damaged,
    NotEnoughSpeech,
    PoorQuality,
    TooExpensive,
    TooLarge,
    TooLong,
    TooShort,
    Undecodable,
    Unrecognised,
)
from tenants.models import Tenant
from tenants.names import of_library, visible
from tenants.spreadsheets import harmless
from voiceprints import reembedding
from voiceprints.errors import FileMissing, GenerationNotFound
from voiceprints.failures import from_wire
from voiceprints.models import JobRow
from voiceprints.refusals import in_words

REASONS: dict[type[Exception], Any] = {
    FileMissing: gettext_lazy("The file is gone."),
    Unrecognised: gettext_lazy("It is no recording, or of a kind that cannot be read."),
    Undecodable: gettext_lazy("It cannot be decoded."),
    Damaged: gettext_lazy("It is damaged."),
    TooLarge: gettext_lazy("It is too large."),
    TooLong: gettext_lazy("It is too long."),
    TooShort: gettext_lazy("It is too short."),
    TooExpensive: gettext_lazy("Decoding it takes too long."),
    NotEnoughSpeech: gettext_lazy("There is too little speech in it."),
    PoorQuality: gettext_lazy("The quality is too poor."),
}


@dataclass(frozen=True)
class Unusable:
    """`speaker`: by id, None when the utterance was deleted since, with its recording."""

    org_id: str
    tag_id: str
    external_id: str
    utterance: int
    recording: str
    speaker: int | None
    reason: str

    @property
    def library(self) -> str:
        return visible(of_library(self.org_id, self.tag_id))

    @property
    def name(self) -> str:
        return visible(self.external_id)


def failures(tenant: Tenant, model: str) -> QuerySet[JobRow]:
    """Those of the newest job with the model that is still kept. Inside acting_as. Raises GenerationNotFound."""
    newest = reembedding.jobs_of(tenant, model).order_by("-pk").first()
    if newest is None and model not in tenant.models:
        raise GenerationNotFound(model=model)
    failed: QuerySet[JobRow] = tenant.job_rows.filter(job=newest).order_by("number")
    return failed


def described(tenant: Tenant, rows: Iterable[JobRow]) -> list[Unusable]:
    """In the reader's language. Inside acting_as."""
    chosen = list(rows)
    said = tenant.utterances.filter(pk__in=[row.number for row in chosen])
    known = {pk: (speaker, path) for pk, speaker, path in said.values_list("pk", "speaker_id", "recording")}
    return [_described(row, *known.get(row.number, (None, ""))) for row in chosen]


def as_csv(found: Iterable[Unusable]) -> str:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow([_("organisation"), _("tag"), _("speaker"), _("utterance"), _("recording"), _("reason")])
    for one in found:
        fields = (one.org_id, one.tag_id, one.external_id, str(one.utterance), one.recording, one.reason)
        lines.writerow([harmless(field) for field in fields])
    return text.getvalue()


def _described(row: JobRow, speaker: int | None, recording: str) -> Unusable:
    reason = _reason(from_wire(cast(dict[str, Any], row.problem)))
    return Unusable(row.org_id, row.tag_id, row.external_id, row.number, recording, speaker, reason)


def _reason(error: Exception) -> str:
    words = REASONS.get(type(error))
    return str(words) if words else in_words(error)
