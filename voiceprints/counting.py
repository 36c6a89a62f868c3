"""Counts beside the rows of a list: asked for the rows of one page, not joined into the whole list."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce


def count_of(rows: QuerySet[Any], by: str) -> Coalesce:
    """How many of `rows` point, along `by`, at the row in question."""
    mine = rows.filter(**{by: OuterRef("pk")}).order_by().values(by)
    return Coalesce(Subquery(mine.annotate(count=Count("pk")).values("count")), 0)
