"""Usage that nobody had, for pages and reports about it."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils import timezone

from tenants import metering
from tenants.latency import STEPS, step_of
from tenants.metering import Tally, Use
from tenants.models import Tenant


def used(
    tenant: Tenant,
    operation: str = "verify",
    *,
    count: int = 1,
    outcome: str = "ok",
    reason: str = "",
    dialect: str = "native",
    days_ago: int = 0,
    milliseconds: float | None = 100,
) -> date:
    """Returns the day."""
    day = timezone.localdate() - timedelta(days=days_ago)
    tally = Tally()
    latency = [0] * STEPS
    if milliseconds is not None:
        latency[step_of(milliseconds)] = count
    tally.add(count, latency)
    metering.add({Use(tenant.pk, day, operation, dialect, outcome, reason): tally})
    return day
