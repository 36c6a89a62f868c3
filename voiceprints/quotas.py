"""How much of its quotas a tenant has used, and whose are near their end or exceeded."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, Final

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

LIMITED: Final = {
    "had_speakers": "max_speakers",
    "had_bytes": "max_storage_bytes",
    "had_requests": "requests_per_day",
}


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


def past_their_end(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Those that have more than a quota allows. In the view of whoever may see what these tenants have."""
    return _counted(tenants).filter(_any(lambda had, limit: Q(**{f"{had}__gt": F(limit)})))


def near_their_end(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Those that have used most of a quota that does not come back by itself in a moment, and exceed none.

    In the view of whoever may see what these tenants have.
    """
    near = _any(lambda had, limit: Q(**{f"{had}__gte": _nearly(limit)}))
    return _counted(tenants).filter(near).exclude(pk__in=past_their_end(tenants).values("pk"))


def _counted(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    had = StockChange.all_tenants.filter(tenant_id=OuterRef("pk")).order_by().values("tenant_id")
    today = UsageDay.all_tenants.filter(tenant=OuterRef("pk"), day=timezone.localdate())
    requests = today.exclude(dialect__in=NO_REQUESTS).exclude(reason__in=rates.REFUSED_UNCOUNTED)
    came = requests.order_by().values("tenant")
    return tenants.alias(
        had_speakers=Subquery(had.annotate(total=Sum("speakers")).values("total")),
        had_bytes=Subquery(had.annotate(total=Sum("stored_bytes")).values("total")),
        had_requests=Subquery(came.annotate(total=Sum("count")).values("total")),
    )


def _any(condition: Callable[[str, str], Q]) -> Q:
    """Of what is counted, and its limit."""
    return reduce(or_, [condition(had, limit) for had, limit in LIMITED.items()])


def _nearly(limit: str) -> Any:
    return ExpressionWrapper(NEAR_END * F(limit), output_field=FloatField())


def _if_answered(count: Callable[[], int | None]) -> int | None:
    try:
        return count()
    except RedisError:
        return None
