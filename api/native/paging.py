"""Cursors: where the next page begins, signed, so that nobody makes their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from rest_framework import serializers

from voiceprints.paging import Order, Position

SALT = "api.native.cursor"


@dataclass(frozen=True)
class Cursor:
    listing: str
    ordering: str
    position: Position

    def __str__(self) -> str:
        position = [value.isoformat() if isinstance(value, datetime) else value for value in self.position]
        return signing.dumps([self.ordering, position], salt=f"{SALT}.{self.listing}", compress=True)

    @classmethod
    def of(cls, text: str, listing: str) -> Cursor:
        """Raises BadSignature, also for a cursor of another listing."""
        return cls(listing, *signing.loads(text, salt=f"{SALT}.{listing}"))


class CursorField(serializers.Field[Any, Any, Any, Any]):
    default_error_messages = {"unknown": "Not a cursor of this listing."}

    def __init__(self, listing: str, orders: Mapping[str, Order], **options: Any) -> None:
        self.listing, self.orders = listing, orders
        super().__init__(**options)

    @property
    def format(self) -> str:
        """What the description calls a cursor of this listing alone."""
        return f"cursor-{self.listing}"

    def to_internal_value(self, data: Any) -> Any:
        try:
            cursor = Cursor.of(data, self.listing)
        except signing.BadSignature:
            self.fail("unknown")
        order = self.orders.get(cursor.ordering)
        if order is None or len(order.fields) != len(cursor.position):
            self.fail("unknown")
        return cursor

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError
