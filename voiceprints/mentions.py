"""Failed lines and jobs that are about others and name somebody, as in the name of a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BooleanField, JSONField, QuerySet
from django.db.models.expressions import RawSQL

from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints.models import Job, JobRow

# Too short to tell anybody within a text that numbers recordings.
SHORT: Final = re.compile(r".|[0-9]{2,4}", re.DOTALL)
NAMES: Final = ("name", "member", "path")
"""What of a problem quotes the line or its archive; the rest are words and limits of ours."""
UNNAMED: Final = "…"
ROWS_AT_ONCE: Final = 1000

HOLDING: Final = (
    "EXISTS (SELECT FROM jsonb_path_query(jsonb_build_array({columns}), '$[*].*[*]') AS said "
    "WHERE strpos(said #>> '{{}}', %s) > 0)"
)


@dataclass(frozen=True)
class Mentions:
    """In a tenant's rows that have a problem. `cells`: their columns that say what a line said."""

    rows: Callable[[Tenant], QuerySet[Any]]
    cells: tuple[str, ...] = ()

    def forget(self, tenant: Tenant, external_id: str | None) -> int:
        """What such rows said, and what their problems quote; returns how many rows.

        The tenant's rows go without it.
        """
        if external_id is None:
            return 0
        with acting_as(tenant):
            named = list(self._naming(tenant, external_id))
        emptied = 0
        for start in range(0, len(named), ROWS_AT_ONCE):
            with acting_as(tenant):
                rows = self.rows(tenant).filter(pk__in=named[start : start + ROWS_AT_ONCE])
                emptied += rows.update(**dict.fromkeys(self.cells), problem=_unnamed())
        return emptied

    def keeps(self, tenant: Tenant, external_id: str) -> bool:
        with acting_as(tenant):
            return any(True for _ in self._naming(tenant, external_id))

    def _naming(self, tenant: Tenant, external_id: str) -> Iterator[int]:
        holding = HOLDING.format(columns=", ".join([*self.cells, "problem->'numbers'"]))
        found = self.rows(tenant).filter(RawSQL(holding, [external_id], BooleanField()))  # noqa: S611
        for key, problem, *said in found.values_list("pk", "problem", *self.cells).iterator():
            if any(stands_in(text, external_id) for text in _texts(said, (problem or {}).get("numbers", {}))):
                yield key


def stands_in(text: str, name: str) -> bool:
    """Whether the name is there, and not as a part of a longer word or number.

    Words have edges only in scripts with capital letters: within Chinese a name stands wherever it is found.
    """
    if SHORT.fullmatch(name):
        return text == name
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not _goes_on(text[at - 1 : at], name[0]) and not _goes_on(name[-1], text[end : end + 1]):
            return True
        at = text.find(name, at + 1)
    return False


def _goes_on(before: str, after: str) -> bool:
    if before.isdigit():
        return after.isdigit()
    return all(character.lower() != character.upper() for character in (before, after))


def _texts(said: list[dict[str, list[str]] | None], numbers: dict[str, Any]) -> Iterator[str]:
    for fields in said:
        for cells in (fields or {}).values():
            yield from cells
    yield from (text for name in NAMES if isinstance(text := numbers.get(name), str))


def _failed(tenant: Tenant) -> QuerySet[JobRow]:
    imports = tenant.jobs.filter(kind=Job.Kind.IMPORT)
    found: QuerySet[JobRow] = tenant.job_rows.filter(outcome=JobRow.Outcome.FAILED, job__in=imports)
    return found


def _jobs(tenant: Tenant) -> QuerySet[Job]:
    found: QuerySet[Job] = tenant.jobs.filter(problem__isnull=False)
    return found


def _unnamed() -> RawSQL:
    sql, said = "problem", []
    for name in NAMES:
        sql = f"jsonb_set({sql}, %s::text[], to_jsonb(%s::text), false)"
        said += [["numbers", name], UNNAMED]
    return RawSQL(sql, said, JSONField())  # noqa: S611


LINES: Final = Mentions(_failed, cells=("fields",))
JOBS: Final = Mentions(_jobs)
