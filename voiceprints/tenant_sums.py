"""What each tenant has and uses, for platform staff."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from django.db.models import Count, Sum

from tenants.models import UsageDay
from tenants.usage import Period
from voiceprints.counting import counts_of
from voiceprints.models import Library, Speaker, StockChange
from voiceprints.shown import Shown


@dataclass(frozen=True)
class Kept:
    """Speakers and their recordings."""

    enrolled: int = 0
    enrolling: int = 0
    recordings: int = 0
    audio_seconds: float = 0.0
    stored_bytes: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Asking:
    """A tenant that asked for something."""

    slug: str
    name: str
    closed: bool
    requests: int
    libraries: int
    kept: Kept


def kept_by_tenant(shown: Shown) -> dict[int, Kept]:
    """Two queries that read little, however much there is: what came and went was counted when it did."""
    enrolling = shown.rows(Speaker.all_tenants.filter(status=Speaker.Status.ENROLLING)).order_by()
    unfinished = Counter(dict(enrolling.values_list("tenant").annotate(Count("pk"))))
    changes = StockChange.all_tenants.all()
    counted = changes.filter(tenant_id=shown.tenant.pk) if shown.tenant else changes
    sums = (Sum(name) for name in ("speakers", "recordings", "audio_milliseconds", "stored_bytes"))
    return {
        tenant: Kept(speakers - unfinished[tenant], unfinished[tenant], recordings, milliseconds / 1000, stored_bytes)
        for tenant, speakers, recordings, milliseconds, stored_bytes in counted.values_list("tenant_id").annotate(*sums)
    }


def busiest(period: Period, kept: Mapping[int, Kept], *, limit: int) -> list[Asking]:
    """Those that asked for most. Their libraries are counted once it is known who they are."""
    said = ("tenant", "tenant__slug", "tenant__name", "tenant__active")
    asked = period.of(UsageDay.all_tenants.all()).order_by().values_list(*said)
    found = list(asked.annotate(requests=Sum("count")).order_by("-requests", "tenant__slug")[:limit])
    libraries = counts_of(Library.all_tenants.all(), "tenant", [tenant for tenant, *_ in found])
    return [
        Asking(slug, name, not active, requests, libraries.get(tenant, 0), kept.get(tenant, Kept()))
        for tenant, slug, name, active, requests in found
    ]
