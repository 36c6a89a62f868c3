"""What each tenant has and uses, for platform staff."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from tenants.models import Tenant, UsageDay
from tenants.usage import Period
from voiceprints.models import Library, Speaker, Utterance


def busiest(period: Period, *, limit: int) -> QuerySet[Tenant]:
    """Those that asked for most, in one query: what they have is summed up of these few alone."""
    return Tenant.objects.annotate(
        requests=_of_each(period.of(UsageDay.all_tenants.all()), Sum("count")),
        library_count=_of_each(Library.all_tenants.all(), Count("pk")),
        enrolled=_of_each(Speaker.all_tenants.filter(status=Speaker.Status.ENROLLED), Count("pk")),
        recordings=_of_each(Utterance.all_tenants.all(), Count("pk")),
        stored_bytes=_of_each(Utterance.all_tenants.all(), Sum("size_bytes")),
    ).order_by("-requests", "slug")[:limit]


def _of_each(rows: QuerySet[Any], total: Any) -> Coalesce:
    summed = rows.filter(tenant=OuterRef("pk")).order_by().values("tenant").annotate(total=total)
    return Coalesce(Subquery(summed.values("total")), 0)
