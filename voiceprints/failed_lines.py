"""The lines of an import that failed, as a list to be mended and imported again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.translation import get_language, override

from tenants.context import acting_as
from tenants.models import Tenant
from tenants.names import of_library, visible
from tenants.spreadsheets import harmless
from voiceprints import bulk
from voiceprints.failures import from_wire
from voiceprints.manifests import COLUMNS, REPORTED, cell
from voiceprints.models import Job, JobRow
from voiceprints.paging import Page, Position, page_of
from voiceprints.refusals import in_words

CSV = "text/csv"
HEADER = [*(column.name for column in COLUMNS), *REPORTED]
ROWS_AT_ONCE = 200


@dataclass(frozen=True)
class FailedRow:
    row: JobRow

    @property
    def problem(self) -> str:
        return in_words(from_wire(self.row.problem)) if self.row.problem else ""

    @property
    def library(self) -> str:
        return visible(of_library(self.row.org_id, self.row.tag_id))

    @property
    def speaker(self) -> str:
        return visible(self.row.external_id)

    @property
    def cells(self) -> dict[str, str]:
        """What the line said; its library where it said none, and no more than that and whom where nothing was kept."""
        known = {name: getattr(self.row, name) for name in ("external_id", "org_id", "tag_id")}
        said = {name: cell(name, texts) for name, texts in (self.row.fields or {}).items()}
        return known | {name: text for name, text in said.items() if text}


def response(tenant: Tenant, job: Job) -> StreamingHttpResponse:
    """All lines that failed, and why, in the language of the moment."""
    headers = {"Content-Disposition": f'attachment; filename="job-{job.pk}-failed.csv"'}
    written = _written(tenant, job, get_language())
    return StreamingHttpResponse(written, content_type=f"{CSV}; charset=utf-8", headers=headers)


def _written(tenant: Tenant, job: Job, language: str | None) -> Iterator[str]:
    """A transaction for each portion, so that nobody who reads slowly keeps one open."""
    # With the mark by which spreadsheets know that it is UTF-8.
    yield "\ufeff" + _lines([dict(zip(HEADER, HEADER, strict=True))])
    last: Position | None = None
    while True:
        with acting_as(tenant):
            page: Page[JobRow] = page_of(job.failed_rows, bulk.BY_NUMBER, after=last, limit=ROWS_AT_ONCE)
        with override(language):
            said = [row.cells | {"line": row.row.number, "problem": row.problem} for row in map(FailedRow, page.rows)]
        yield _lines(said)
        last = page.last
        if last is None:
            return


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, HEADER).writerows({name: harmless(said) for name, said in row.items()} for row in rows)
    return text.getvalue()
