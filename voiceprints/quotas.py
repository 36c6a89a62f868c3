"""How much of its quotas a tenant has used, and whose are near their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import ExpressionWrapper, F, FloatField, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone
from redis import RedisError

from tenants import rates
from tenants.metering import NO_REQUESTS
from tenants.models import Tenant, UsageDay
from tenants.quotas import NEAR_END, Quota, Standing
from voiceprints import jobs
from voiceprints.models import StockChange
from voiceprints.stock import stock_of


def standings_of(tenant: Tenant) -> list[Standing]:
    """In the order of `Quota`."""
    stock = stock_of(tenant)
    used = {
        Quota.REQUESTS_PER_MINUTE: _if_answered(lambda: rates.requests_this_minute(tenant)),
        Quota.REQUESTS_PER_DAY: _if_answered(lambda: rates.requests_today(tenant)),
        Quota.CONCURRENT_ANALYSES: _if_answered(lambda: jobs.in_flight(tenant)),
        Quota.SPEAKERS: stock.speakers,
        Quota.STORAGE_BYTES: stock.stored_bytes,
    }
    return [Standing(quota, quota.of(tenant), used.get(quota)) for quota in Quota]


def near_their_end(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Those that have used most of a quota that does not come back by itself in a moment.

    In the view of whoever may see what these tenants have.
    """
    had = StockChange.all_tenants.filter(tenant_id=OuterRef("pk")).order_by().values("tenant_id")
    today = UsageDay.all_tenants.filter(tenant=OuterRef("pk"), day=timezone.localdate())
    requests = today.exclude(dialect__in=NO_REQUESTS).exclude(reason__in=rates.REFUSED_UNCOUNTED)
    came = requests.order_by().values("tenant")
    counted = tenants.alias(
        had_speakers=Subquery(had.annotate(total=Sum("speakers")).values("total")),
        had_bytes=Subquery(had.annotate(total=Sum("stored_bytes")).values("total")),
        had_requests=Subquery(came.annotate(total=Sum("count")).values("total")),
    )
    return counted.filter(
        Q(had_speakers__gte=_nearly("max_speakers"))
        | Q(had_bytes__gte=_nearly("max_storage_bytes"))
        | Q(had_requests__gte=_nearly("requests_per_day"))
    )


def _nearly(limit: str) -> Any:
    return ExpressionWrapper(NEAR_END * F(limit), output_field=FloatField())


def _if_answered(count: Callable[[], int | None]) -> int | None:
    try:
        return count()
    except RedisError:
        return None
