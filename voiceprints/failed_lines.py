"""The lines of an import that failed, as a list to be mended and imported again."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from django.http import HttpResponse

from tenants.context import acting_as
from tenants.models import Tenant
from tenants.names import of_library, visible
from tenants.spreadsheets import harmless
from voiceprints import bulk
from voiceprints.failures import from_wire
from voiceprints.manifests import COLUMNS, REPORTED, cell
from voiceprints.models import JobRow
from voiceprints.refusals import in_words

CSV = "text/csv"


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
        """What the line said; its library where it said none, and no more than that and whom of lines of old."""
        known = {name: getattr(self.row, name) for name in ("external_id", "org_id", "tag_id")}
        said = {name: cell(name, texts) for name, texts in (self.row.fields or {}).items()}
        return known | {name: text for name, text in said.items() if text}


def response(tenant: Tenant, job_id: int) -> HttpResponse:
    """All lines that failed, and why, in the language of the moment. Raises JobNotFound."""
    content = _written(tenant, job_id).encode("utf-8-sig")
    headers = {"Content-Disposition": f'attachment; filename="job-{job_id}-failed.csv"'}
    return HttpResponse(content, content_type=f"{CSV}; charset=utf-8", headers=headers)


def _written(tenant: Tenant, job_id: int) -> str:
    job = bulk.find_job(tenant, job_id)
    written = io.StringIO()
    table = csv.DictWriter(written, [*(column.name for column in COLUMNS), *REPORTED])
    table.writeheader()
    with acting_as(tenant):
        for row in map(FailedRow, job.failed_rows.order_by("number").iterator()):
            said = row.cells | {"line": row.row.number, "problem": row.problem}
            table.writerow({name: harmless(text) for name, text in said.items()})
    return written.getvalue()
