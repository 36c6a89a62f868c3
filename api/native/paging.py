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
    ordering: str
    position: Position

    def __str__(self) -> str:
        position = [value.isoformat() if isinstance(value, datetime) else value for value in self.position]
        return signing.dumps([self.ordering, position], salt=SALT, compress=True)

    @classmethod
    def of(cls, text: str) -> Cursor:
        """Raises BadSignature."""
        return cls(*signing.loads(text, salt=SALT))


class CursorField(serializers.Field[Any, Any, Any, Any]):
    default_error_messages = {"unknown": "Not a cursor of this listing."}

    def __init__(self, orders: Mapping[str, Order], **options: Any) -> None:
        self.orders = orders
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        try:
            cursor = Cursor.of(data)
        except signing.BadSignature:
            self.fail("unknown")
        order = self.orders.get(cursor.ordering)
        if order is None or len(order.fields) != len(cursor.position):
            self.fail("unknown")
        return cursor

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError
