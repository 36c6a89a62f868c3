"""What a tenant may have and do at most: numbers of its row, None for no limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.services import change_tenant

NEAR_END: Final = 0.9
SIZE = re.compile(r"(\d{1,15}) ?(|B|kB|KB|MB|GB|TB)", re.ASCII)
UNITS: Final = {"": 1, "B": 1, "kB": 2**10, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
"""As the console's pages count."""
LARGEST_BYTES: Final = 2**63 - 1


class Quota(models.TextChoices):
    REQUESTS_PER_SECOND = "requests_per_second", _("Requests per second")
    REQUESTS_PER_MINUTE = "requests_per_minute", _("Requests per minute")
    REQUESTS_PER_DAY = "requests_per_day", _("Requests per day")
    CONCURRENT_ANALYSES = "concurrent_analyses", _("Concurrent analyses")
    SPEAKERS = "speakers", _("Speakers")
    STORAGE_BYTES = "storage_bytes", _("Storage")

    @property
    def field(self) -> str:
        """Of the tenant."""
        return FIELDS.get(self, self.value)

    def of(self, tenant: Tenant) -> int | None:
        limit: int | None = getattr(tenant, self.field)
        return limit


FIELDS: Final[Mapping[Quota, str]] = {
    Quota.CONCURRENT_ANALYSES: "max_concurrent_analyses",
    Quota.SPEAKERS: "max_speakers",
    Quota.STORAGE_BYTES: "max_storage_bytes",
}


@dataclass(frozen=True)
class Standing:
    """How much of a quota is used; `used` is None for what nobody counts, and while Redis does not answer."""

    quota: Quota
    limit: int | None
    used: int | None

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None or self.used is None else max(0, self.limit - self.used)

    @property
    def exceeded(self) -> bool:
        """More than may be, such as where the limit was lowered below what was there."""
        return self.limit is not None and self.used is not None and self.used > self.limit

    @property
    def near_end(self) -> bool:
        if self.limit is None or self.used is None or self.exceeded:
            return False
        return self.used >= NEAR_END * self.limit


def set_quotas(tenant: Tenant, limits: Mapping[Quota, int | None]) -> None:
    """Those that are given, None for no limit. Raises ValidationError."""
    for quota, limit in limits.items():
        setattr(tenant, quota.field, limit)
    changed = [quota.field for quota in limits]
    tenant.clean_fields(exclude={field.name for field in tenant._meta.fields} - set(changed))
    change_tenant(tenant, changed)


def bytes_in(text: str) -> int:
    """A number of bytes with or without a unit, such as "50 GB". Raises ValueError."""
    said = SIZE.fullmatch(text.strip())
    size = int(said[1]) * UNITS[said[2]] if said else -1
    if not 0 <= size <= LARGEST_BYTES:
        raise ValueError(text)
    return size


def size_in_words(size_bytes: int) -> str:
    """With the largest unit in which it is a whole number; `bytes_in` reads it."""
    unit = next(unit for unit in ("TB", "GB", "MB", "kB", "B") if size_bytes % UNITS[unit] == 0)
    return f"{size_bytes // UNITS[unit]} {unit}"
