"""Counts beside the rows of a list: asked for the rows of one page alone, all of them in one query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import Count, F, Func, IntegerField, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from unfold.views import ChangeList

Counts = dict[int, int]


def counts_of(rows: QuerySet[Any], by: str, keys: Sequence[int]) -> Counts:
    """How many of `rows` point, along `by`, at each of these; those at which none does are left out."""
    counted = rows.filter(**{f"{by}__in": keys}).order_by().values(by).annotate(count=Count("pk"))
    return dict(counted.values_list(by, "count"))


class CountingChangeList(ChangeList):  # type: ignore[misc]
    """Each row of the page comes with its `count`, of what its admin counts beside rows."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count
        rows: list[Any] = list(self.result_list)
        count: Callable[[Sequence[int]], Counts] = self.model_admin.count_beside
        counts = count([row.pk for row in rows])
        for row in rows:
            row.count = counts.get(row.pk, 0)
        self.result_list = rows


def number_of(rows: QuerySet[Any]) -> Coalesce:
    """How many there are in all, to be asked for with something else."""
    counted = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Coalesce(Subquery(rows.order_by().annotate(count_of_all=counted).values("count_of_all")), 0)
