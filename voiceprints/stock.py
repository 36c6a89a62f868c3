"""How much a tenant has, and that it does not come to have more than it may.

Whoever adds something looks at the sum when it has done so, alone of its tenant until it commits: what would be too
much is undone with the transaction. Tenants without limits are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Count, Sum

from tenants.cleaning import ROWS_AT_ONCE
from tenants.context import acting_as, acting_as_platform
from tenants.locks import one_at_a_time
from tenants.models import Tenant
from voiceprints.errors import SpeakersExhausted, StorageExhausted
from voiceprints.models import StockChange

# Of a tenant that is gone, nothing stays. An array is made once, so no plan looks for the next few again.
FOLD: Final = """
WITH folded AS (
    DELETE FROM voiceprints_stockchange WHERE id = ANY(ARRAY(
        SELECT id FROM voiceprints_stockchange WHERE tenant_id = %(tenant)s LIMIT %(most)s FOR UPDATE SKIP LOCKED
    )) RETURNING speakers, stored_bytes, recordings, audio_milliseconds
), added AS (
    INSERT INTO voiceprints_stockchange (tenant_id, speakers, stored_bytes, recordings, audio_milliseconds)
    SELECT %(tenant)s, sum(speakers), sum(stored_bytes), sum(recordings), sum(audio_milliseconds) FROM folded
    HAVING (sum(speakers), sum(stored_bytes), sum(recordings), sum(audio_milliseconds)) <> (0, 0, 0, 0)
)
SELECT count(*) FROM folded
"""


@dataclass(frozen=True)
class Stock:
    """Speakers, without probes, and bytes of their recordings."""

    speakers: int
    stored_bytes: int


def stock_of(tenant: Tenant) -> Stock:
    with acting_as(tenant):
        return _stock_of(tenant)


def refuse_full(tenant: Tenant, *, newcomer: bool, recorded: bool) -> None:
    """Before anything is measured in vain: as things are now. Raises SpeakersExhausted, StorageExhausted."""
    limits = _Limits.of(tenant, newcomer=newcomer, recorded=recorded)
    if limits.any:
        limits.refuse_above(_stock_of(tenant), room=1)


def refuse_too_much(tenant: Tenant, *, newcomer: bool, recorded: bool) -> None:
    """After somebody or a recording was stored, in its transaction. Raises SpeakersExhausted, StorageExhausted."""
    limits = _Limits.of(tenant, newcomer=newcomer, recorded=recorded)
    if limits.any:
        one_at_a_time(tenant, "stock")
        limits.refuse_above(_stock_of(tenant), room=0)


def fold() -> int:
    """Add up what was written down, a few changes at a time; returns of how many tenants.

    Several at once add up different changes. Whenever it is killed, the sums are right and the next goes on.
    """
    with acting_as_platform():
        changed = StockChange.all_tenants.values("tenant_id").annotate(changes=Count("pk")).filter(changes__gt=1)
        tenants = list(changed.order_by("tenant_id").values_list("tenant_id", flat=True))
    for tenant_id in tenants:
        _fold(Tenant(pk=tenant_id))
    return len(tenants)


def _fold(tenant: Tenant) -> None:
    folded = ROWS_AT_ONCE
    while folded == ROWS_AT_ONCE:
        with acting_as(tenant), connection.cursor() as cursor:
            cursor.execute(FOLD, {"tenant": tenant.pk, "most": ROWS_AT_ONCE})
            (folded,) = cursor.fetchone()


@dataclass(frozen=True)
class _Limits:
    """Those of a tenant that what is stored may pass; None for none."""

    speakers: int | None
    stored_bytes: int | None

    @classmethod
    def of(cls, tenant: Tenant, *, newcomer: bool, recorded: bool) -> _Limits:
        return cls(tenant.max_speakers if newcomer else None, tenant.max_storage_bytes if recorded else None)

    @property
    def any(self) -> bool:
        return self.speakers is not None or self.stored_bytes is not None

    def refuse_above(self, stock: Stock, *, room: int) -> None:
        """`room`: for how much of each there must still be."""
        if self.speakers is not None and stock.speakers + room > self.speakers:
            raise SpeakersExhausted(limit=self.speakers)
        if self.stored_bytes is not None and stock.stored_bytes + room > self.stored_bytes:
            raise StorageExhausted(limit_bytes=self.stored_bytes)


def _stock_of(tenant: Tenant) -> Stock:
    changes = StockChange.all_tenants.filter(tenant_id=tenant.pk)
    summed = changes.aggregate(speakers=Sum("speakers", default=0), stored_bytes=Sum("stored_bytes", default=0))
    return Stock(**summed)
