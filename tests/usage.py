"""Usage that nobody had, for pages and reports about it, and what was counted of what somebody did."""

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


def counted(tenant: Tenant) -> dict[tuple[str, str, str, str], int]:
    """What the tenant asked for since anybody looked, each with its time."""
    taken = metering.METER.taken()
    assert {use.tenant_id for use in taken} == {tenant.pk}
    assert all(tally.count == sum(tally.latency) for tally in taken.values())
    return {(use.operation, use.dialect, use.outcome, use.reason): tally.count for use, tally in taken.items()}
