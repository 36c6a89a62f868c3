"""The consent of speakers: a reference to what they signed, kept beside them, and asked for where the tenant wants it.

Clients of vendors have no place for it. A tenant may say of an interface that consent is taken elsewhere before anybody
speaks there; then an enrollment through it stands for that.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.names import shows_nothing
from tenants.origins import origin
from tenants.services import change_tenant
from voiceprints.errors import ConsentMissing
from voiceprints.models import Consent, Speaker

CONSOLE, COMMANDS = "console", "manage.py"
"""Interfaces beside the dialects."""
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(days=1)
"""By how much clocks and time zones may be wrong."""


@dataclass(frozen=True)
class Given:
    """`reference`: where the consent is found; `version`: of what was consented to; `source`: how it was given."""

    reference: str
    version: str = ""
    source: str = ""
    given: datetime | None = None

    def to_wire(self) -> dict[str, Any]:
        return asdict(self) | {"given": self.given and self.given.isoformat()}

    @classmethod
    def from_wire(cls, said: dict[str, Any]) -> Given:
        return cls(**said | {"given": said["given"] and datetime.fromisoformat(said["given"])})


def set_rules(tenant: Tenant, *, required: bool, elsewhere: Collection[str]) -> None:
    """Whether an enrollment needs a consent, and through which interfaces it is taken elsewhere."""
    tenant.consent_required, tenant.consent_elsewhere = required, sorted(elsewhere)
    change_tenant(tenant, ["consent_required", "consent_elsewhere"])


def seen(given: Given | None) -> Given | None:
    """A reference that shows nothing leads nowhere: as if none was given."""
    return None if given is None or shows_nothing(given.reference) else given


def may_be_when(given: datetime) -> bool:
    """Whether a consent may have been given then."""
    return EARLIEST <= given <= timezone.now() + AHEAD


def refuse_impossible(given: datetime) -> None:
    """A validator of when a consent was given. Raises ValidationError."""
    if not may_be_when(given):
        raise ValidationError(_("A consent was given after 1900, and not in the future."), code="impossible")


def refuse_missing(tenant: Tenant, bearers: QuerySet[Speaker], given: Given | None) -> None:
    """Before anything is measured in vain. Raises ConsentMissing."""
    if seen(given) is None and is_asked_for(tenant) and not bearers.filter(consent__isnull=False).exists():
        raise ConsentMissing


def is_asked_for(tenant: Tenant) -> bool:
    """Whether nobody is enrolled through the interface of the moment without a reference."""
    return tenant.consent_required and not _is_elsewhere(tenant)


def record(tenant: Tenant, speaker: Speaker, given: Given | None) -> None:
    """In the transaction that stores an enrollment. Raises ConsentMissing."""
    given = seen(given)
    if given is None and (not tenant.consent_required or tenant.consents.filter(speaker=speaker).exists()):
        return
    if given is None and not _is_elsewhere(tenant):
        raise ConsentMissing
    by = origin()
    about = asdict(given or Given("")) | {"interface": interface(), "by_kind": by.kind, "by_number": by.number}
    tenant.consents.update_or_create(speaker=speaker, defaults=about)


def consent_of(speaker: Speaker) -> Consent | None:
    """In a transaction that sees it."""
    found: Consent | None = speaker.tenant.consents.filter(speaker=speaker).first()
    return found


def given_by(speaker: Speaker) -> Given | None:
    """What was told, to be told elsewhere; None also where the interface took the consent. Sees as `consent_of`."""
    kept = consent_of(speaker)
    return seen(Given(kept.reference, kept.version, kept.source, kept.given)) if kept else None


def is_kept(speaker: Speaker, given: Given | None) -> bool:
    """Whether it tells nothing that is not kept already. Sees as `consent_of`."""
    return given is None or given == given_by(speaker)


def interface() -> str:
    """Through which somebody comes: a dialect, the console, or a command, whichever it is."""
    return origin().interface.partition(" ")[0]


def _is_elsewhere(tenant: Tenant) -> bool:
    return interface() in tenant.consent_elsewhere
