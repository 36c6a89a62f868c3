"""What the audit trail tells: of one tenant page by page, and of one speaker."""

from __future__ import annotations

from collections.abc import Sequence

from tenants import auditing
from tenants.auditing import Search
from tenants.context import acting_as
from tenants.models import AuditEvent, Tenant
from voiceprints.models import Speaker
from voiceprints.paging import Order, Page, Position, page_of


def browse_events(
    tenant: Tenant, search: Search, order: Order, *, after: Position | None, limit: int
) -> Page[AuditEvent]:
    with acting_as(tenant):
        return page_of(auditing.events_of(tenant, search), order, after=after, limit=limit)


def history_of(speaker: Speaker) -> Sequence[AuditEvent]:
    """Newest first."""
    with acting_as(speaker.tenant):
        return auditing.history_of(speaker.tenant, "speaker", speaker.pk)
