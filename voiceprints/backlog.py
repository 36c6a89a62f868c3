"""What an operator must know of: backups that are not made, and what was to be removed and is still there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.utils import timezone

from tenants.actions import Action
from tenants.models import Tenant
from tenants.sealing import of_platform
from voiceprints.models import DoomedRecording, Erasure, Speaker


@dataclass(frozen=True)
class LastBackup:
    """As the audit trail tells of it. `recordings_bytes`: of the recordings in it; `missing`: those nobody found."""

    made: datetime
    recordings_bytes: int
    missing: int


def last_backup() -> LastBackup | None:
    event = of_platform(Action.BACKUP_MADE).order_by("-number").first()
    return LastBackup(event.at, event.details["bytes"], event.details["missing"]) if event else None


def unsaved() -> QuerySet[Tenant]:
    """Tenants with speakers, while no backup was made for as long as the setting allows."""
    if not settings.BACKUP_WITHIN_DAYS:
        return Tenant.objects.none()
    since = timezone.now() - timedelta(days=settings.BACKUP_WITHIN_DAYS)
    made = of_platform(Action.BACKUP_MADE).filter(at__gte=since)
    return Tenant.objects.filter(Exists(Speaker.all_tenants.filter(tenant=OuterRef("pk"))), ~Exists(made))


def longest_waits() -> dict[str, timedelta]:
    """How long the oldest file, the oldest erasure and the first tenant whose time came wait to be removed."""
    now = timezone.now()
    since = {
        "file": DoomedRecording.all_tenants.filter(not_before__lte=now).aggregate(first=Min("not_before")),
        "erasure": Erasure.all_tenants.exclude(state=Erasure.State.DONE).aggregate(first=Min("created")),
        "tenant": Tenant.objects.filter(erased_from__lte=now).aggregate(first=Min("erased_from")),
    }
    return {what: now - found["first"] if found["first"] else timedelta() for what, found in since.items()}
