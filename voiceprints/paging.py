"""Pages of rows that stay put: each begins after the last row of the one before, whatever was inserted meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row")
Position = Sequence[Any]


@dataclass(frozen=True)
class Order:
    """By these fields, of which the last is unique."""

    fields: tuple[str, ...]
    descending: bool = False

    @property
    def columns(self) -> list[str]:
        return [f"-{field}" if self.descending else field for field in self.fields]

    def beyond(self, position: Position) -> Q:
        """The rows that come after the one at this position."""
        comparison = "lt" if self.descending else "gt"
        beyond, tie = Q(), Q()
        for field, value in zip(self.fields, position, strict=True):
            beyond |= tie & Q(**{f"{field}__{comparison}": value})
            tie &= Q(**{field: value})
        return beyond

    def position_of(self, row: Model) -> Position:
        return [_value(row, field) for field in self.fields]


@dataclass(frozen=True)
class Page(Generic[Row]):
    """`last` is the position to go on from, None on the last page."""

    rows: tuple[Row, ...]
    last: Position | None


def page_of(rows: QuerySet[Any], order: Order, *, after: Position | None, limit: int) -> Page[Any]:
    ordered = rows.order_by(*order.columns)
    if after is not None:
        ordered = ordered.filter(order.beyond(after))
    found = list(ordered[: limit + 1])
    last = order.position_of(found[limit - 1]) if len(found) > limit else None
    return Page(tuple(found[:limit]), last)


def _value(row: Any, field: str) -> Any:
    for name in field.split("__"):
        row = getattr(row, name)
    return row
