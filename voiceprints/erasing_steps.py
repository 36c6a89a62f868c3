"""What the erasures of a person and of a whole tenant share: the row that knows how far it is, counting, signing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.models import AuditEvent, Tenant
from tenants.trail import PLATFORM_CHAIN
from voiceprints import receipts
from voiceprints.models import Erasure

State = Erasure.State


def erasures_of(tenant: Tenant) -> QuerySet[Erasure]:
    return Erasure.all_tenants.filter(tenant_id=tenant.pk)


def holding(tenant: Tenant, job_id: int) -> QuerySet[Erasure]:
    """Those that have not seen yet whom this import names."""
    return erasures_of(tenant).filter(held__contains=job_id)


def locked(erasure: Erasure) -> Erasure:
    """As it is now, nobody else's to change until the transaction ends."""
    return Erasure.all_tenants.select_for_update().get(tenant_id=erasure.tenant_id, pk=erasure.pk)


def lock(erasure: Erasure) -> None:
    """As `locked`, in place."""
    erasure.refresh_from_db(from_queryset=Erasure.all_tenants.select_for_update())


def keep(erasure: Erasure, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(erasure, name, value)
    erasure.save(update_fields=list(changes))


def recordings_of(tenant: Tenant, speakers: Sequence[int]) -> list[str]:
    said = tenant.utterances.filter(speaker__in=speakers).exclude(recording="")
    return list(said.values_list("recording", flat=True))


def counted(tenant: Tenant, speakers: Sequence[int]) -> dict[str, int]:
    return {
        "speakers": len(speakers),
        "utterances": tenant.utterances.filter(speaker__in=speakers).count(),
        "embeddings": tenant.utterance_embeddings.filter(utterance__speaker__in=speakers).count(),
        "voiceprints": tenant.voiceprints.filter(speaker__in=speakers).count(),
    }


def summed(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    total = Counter(one)
    total.update(other)
    return dict(total)


def sign(erasure: Erasure, slug: str) -> None:
    """The event in the audit trail is part of what is signed, so it was committed before."""
    with acting_as_platform():
        if locked(erasure).state != State.REMOVED:
            erasure.refresh_from_db()
            return
        now = timezone.now()
        said = _said(erasure, slug) | {"done": now.isoformat(), "audit": _event_of(erasure)}
        keep(erasure, state=State.DONE, subject="", done=now, receipt=receipts.signed(said))


def _said(erasure: Erasure, slug: str) -> dict[str, Any]:
    by = erasure.origin
    return {
        "erasure": erasure.pk,
        "kind": str(erasure.kind),
        "tenant": {"id": erasure.tenant_id, "slug": slug},
        "library": erasure.library,
        "subject": {"digest": erasure.digest, "salt": erasure.salt, "digest_with": receipts.DIGEST},
        "begun": erasure.created.isoformat(),
        "by": {"kind": by["kind"], "id": by["number"], "interface": by["interface"]},
        "removed": dict(erasure.counts),
    }


def _event_of(erasure: Erasure) -> dict[str, Any]:
    """That a tenant is gone stands in the chain of the platform."""
    whole = erasure.kind == Erasure.Kind.TENANT
    chain, action = (PLATFORM_CHAIN, Action.TENANT_ERASED) if whole else (erasure.tenant_id, Action.ERASURE_DONE)
    number = erasure.tenant_id if whole else erasure.pk
    event = AuditEvent.all_tenants.get(tenant_id=chain, action=action, object_number=number)
    return {"chain": event.tenant_id, "number": event.number, "digest": bytes(event.digest).hex()}
