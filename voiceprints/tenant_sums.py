"""What each tenant has and uses, for platform staff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from tenants.models import UsageDay
from tenants.usage import Period
from voiceprints.models import Library, Speaker, Utterance
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
    requests: int
    libraries: int
    kept: Kept


def kept_by_tenant(shown: Shown) -> dict[int, Kept]:
    """Two queries, however many tenants there are."""
    enrolled, enrolling = (Q(status=status) for status in (Speaker.Status.ENROLLED, Speaker.Status.ENROLLING))
    speakers = _by_tenant(
        shown.rows(Speaker.all_tenants.all()),
        enrolled=Count("pk", filter=enrolled),
        enrolling=Count("pk", filter=enrolling),
    )
    said = _by_tenant(
        shown.rows(Utterance.all_tenants.all()),
        recordings=Count("pk"),
        audio_seconds=Sum("duration_seconds", default=0.0),
        stored_bytes=Sum("size_bytes", default=0),
    )
    return {tenant: Kept(**sums, **said.get(tenant, {})) for tenant, sums in speakers.items()}


def busiest(period: Period, kept: Mapping[int, Kept], *, limit: int) -> list[Asking]:
    """Those that asked for most."""
    libraries = Library.all_tenants.filter(tenant=OuterRef("tenant")).order_by().values("tenant")
    asked = period.of(UsageDay.all_tenants.all()).order_by().values("tenant", "tenant__slug", "tenant__name")
    found = asked.annotate(
        requests=Sum("count"),
        libraries=Coalesce(Subquery(libraries.annotate(number=Count("pk")).values("number")), 0),
    ).order_by("-requests", "tenant__slug")
    names = ("tenant", "tenant__slug", "tenant__name", "requests", "libraries")
    return [
        Asking(slug, name, requests, libraries, kept.get(tenant, Kept()))
        for tenant, slug, name, requests, libraries in found.values_list(*names)[:limit]
    ]


def _by_tenant(rows: QuerySet[Any], **sums: Any) -> dict[int, dict[str, Any]]:
    return {one.pop("tenant"): one for one in rows.order_by().values("tenant").annotate(**sums)}
