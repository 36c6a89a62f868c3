"""Failed lines and jobs that are about others and name somebody, as in the name of a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from tenants.models import Tenant
from voiceprints.errors import QUOTED
from voiceprints.models import Job, JobRow

Problem = dict[str, Any] | None

# Too short to tell anybody within a text that numbers recordings.
SHORT: Final = re.compile(r".|[0-9]{2,4}", re.DOTALL)
NAMES: Final = ("name", "member", "path")
"""What of a problem quotes the line or its archive, as its reason may; the rest are words and limits of ours."""
UNNAMED: Final = "…"
ROWS_AT_ONCE: Final = 1000

HOLDING: Final = (
    "EXISTS (SELECT FROM jsonb_path_query(jsonb_build_array({columns}), '$[*].*[*]') AS said "
    "WHERE strpos(said #>> '{{}}', %s) > 0)"
)


@dataclass(frozen=True)
class Mentions:
    """In a tenant's rows that have a problem. `cells`: their columns that say what a line said."""

    model: type[JobRow | Job]
    rows: Callable[[Tenant], QuerySet[Any]]
    cells: tuple[str, ...] = ()

    def forget(self, tenant: Tenant, external_id: str) -> int:
        """What such rows said, and what their problems quote, in the caller's transaction; returns how many rows."""
        told = self.rows(tenant).order_by("pk")
        rows = [self._without(*one) for one in self._naming(told.select_for_update(), external_id)]
        told.bulk_update(rows, [*self.cells, "problem"], batch_size=ROWS_AT_ONCE)
        return len(rows)

    def keeps(self, tenant: Tenant, external_id: str) -> bool:
        """In a transaction that sees it."""
        return any(True for _ in self._naming(self.rows(tenant), external_id))

    def _without(self, key: int, problem: Problem) -> JobRow | Job:
        row = self.model(pk=key, problem=problem and unnamed(problem))
        for name in self.cells:
            setattr(row, name, None)
        return row

    def _naming(self, rows: QuerySet[Any], external_id: str) -> Iterator[tuple[int, Problem]]:
        holding = HOLDING.format(columns=", ".join([*self.cells, "problem->'numbers'"]))
        found = rows.filter(RawSQL(holding, [external_id], BooleanField()))  # noqa: S611
        for key, problem, *said in found.values_list("pk", "problem", *self.cells).iterator():
            if any(stands_in(text, external_id) for text in _texts(said, (problem or {}).get("numbers", {}))):
                yield key, problem


def stands_in(text: str, name: str) -> bool:
    """Whether the name is there, and not as a part of a longer word or number.

    Words have edges only in scripts with capital letters: within Chinese a name stands wherever it is found.
    """
    at = text.find(name)
    if at >= 0 and SHORT.fullmatch(name):
        return text == name
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
    yield from (quoted[1:-1] for quoted in QUOTED.findall(str(numbers.get("reason", ""))))


def _failed(tenant: Tenant) -> QuerySet[JobRow]:
    imports = tenant.jobs.filter(kind=Job.Kind.IMPORT)
    found: QuerySet[JobRow] = tenant.job_rows.filter(outcome=JobRow.Outcome.FAILED, job__in=imports)
    return found


def _jobs(tenant: Tenant) -> QuerySet[Job]:
    found: QuerySet[Job] = tenant.jobs.filter(problem__isnull=False)
    return found


def unnamed(problem: dict[str, Any]) -> dict[str, Any]:
    """The same with nothing in it that it quotes."""
    numbers = problem["numbers"]
    struck = {name: UNNAMED for name in NAMES if numbers.get(name)}
    if isinstance(reason := numbers.get("reason"), str):
        struck["reason"] = QUOTED.sub(f"'{UNNAMED}'", reason)
    return problem | {"numbers": numbers | struck}


# Jobs before their lines, as whoever tries them again locks them.
KEPT: Final = {"job_problems": Mentions(Job, _jobs), "job_lines_emptied": Mentions(JobRow, _failed, cells=("fields",))}
"""As a receipt counts them."""


def forget(tenant: Tenant, external_id: str) -> dict[str, int]:
    """In the caller's transaction."""
    return {name: kept.forget(tenant, external_id) for name, kept in KEPT.items()}


def keeps(tenant: Tenant, external_id: str) -> bool:
    """In a transaction that sees it."""
    return any(kept.keeps(tenant, external_id) for kept in KEPT.values())
