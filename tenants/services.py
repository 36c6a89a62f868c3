"""Opening a tenant, and the key pairs its clients sign with."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.context import acting_as
from tenants.models import BUNDLED_MODEL, AccessToken, Credential, Defaults, Scope, Tenant
from tenants.openers import opener_named

KEY_ID_BYTES = 8
SECRET_BYTES = 24
TOKEN_BYTES = 32
FIRST_ADMIN = "admin"
DEMO_TENANT = "demo"


@transaction.atomic
def create_tenant(slug: str, *, name: str = "", app_id: str = "") -> Credential:
    """Open a tenant and issue its first credential. Raises ValidationError when a value is unfit or taken."""
    tenant = Tenant(slug=slug, name=name or slug, app_id=app_id or secrets.token_hex(4), model=default_model())
    tenant.full_clean()
    tenant.save()
    return issue_credential(tenant)


def default_model() -> str:
    """What new tenants begin with."""
    return Defaults.objects.values_list("model", flat=True).first() or BUNDLED_MODEL


def set_default_model(name: str) -> None:
    """Of new tenants; those that are there keep theirs."""
    Defaults.objects.update_or_create(pk=1, defaults={"model": name})


@transaction.atomic
def issue_credential(tenant: Tenant, *, key_id: str = "", secret: str = "", app_id: str = "") -> Credential:
    """A new key pair, or the one a customer's clients already use. Raises ValidationError when unfit or taken."""
    if app_id:
        tenant.app_id = app_id
        tenant.full_clean()
        tenant.save(update_fields=["app_id"])
    credential = Credential(
        tenant=tenant,
        key_id=key_id or secrets.token_hex(KEY_ID_BYTES),
        secret=secret or secrets.token_urlsafe(SECRET_BYTES),
    )
    try:
        with acting_as(tenant):
            credential.full_clean()
            credential.save()
    except IntegrityError:
        # Another tenant's key id: its row cannot be seen, only bumped into.
        raise ValidationError({"key_id": _("This key id is taken.")}) from None
    return credential


def rotate_credential(credential: Credential, *, overlap: timedelta) -> Credential:
    """A successor for `credential`, which goes on working until `overlap` has passed at the latest."""
    with acting_as(credential.tenant):
        successor = issue_credential(credential.tenant)
        ends = timezone.now() + overlap
        credential.expires = min(credential.expires or ends, ends)
        credential.save(update_fields=["expires"])
    return successor


def set_credential_enabled(credential: Credential, enabled: bool) -> None:
    with acting_as(credential.tenant):
        credential.enabled = enabled
        credential.save(update_fields=["enabled"])


def delete_credential(credential: Credential) -> None:
    with acting_as(credential.tenant):
        credential.delete()


def find_credential(key_id: str) -> Credential | None:
    """The usable credential of that key id, with its tenant, whoever it belongs to and whether or not it is active."""
    known = known_credential(key_id)
    return known if known and known.usable else None


def known_credential(key_id: str) -> Credential | None:
    """The same, whether or not it is usable."""
    return opener_named(Credential, key_id)


def issue_token(
    tenant: Tenant, *, scopes: Iterable[str], label: str = "", expires: datetime | None = None
) -> tuple[AccessToken, str]:
    """A new access token and the text that its bearer sends, which nobody can read out again.

    Raises ValidationError for unknown scopes or none.
    """
    plain = secrets.token_urlsafe(TOKEN_BYTES)
    token = AccessToken(tenant=tenant, label=label, scopes=list(scopes), digest=_digest(plain), expires=expires)
    with acting_as(tenant):
        token.full_clean()
        token.save()
    return token, plain


def find_token(plain: str) -> AccessToken | None:
    """The usable access token of that text, with its tenant, whoever it belongs to and whether or not it is active."""
    named = opener_named(AccessToken, _digest(plain))
    return named if named and named.usable else None


def change_token(token: AccessToken, *, label: str, enabled: bool) -> None:
    with acting_as(token.tenant):
        token.label, token.enabled = label, enabled
        token.save(update_fields=["label", "enabled"])


def delete_token(token: AccessToken) -> None:
    with acting_as(token.tenant):
        token.delete()


def delete_tokens(tenant: Tenant, scope: Scope) -> int:
    """All of the tenant's tokens that open this much, or more; returns how many."""
    with acting_as(tenant):
        deleted, _ = tenant.access_tokens.filter(scopes__contains=[scope]).delete()
    return deleted


def allow_dialect(tenant: Tenant, dialect: str) -> None:
    """Beside those that the tenant may use already."""
    if not tenant.speaks(dialect):
        tenant.dialects = [*tenant.dialects, dialect]
        tenant.save(update_fields=["dialects"])


def choose_dialects(tenant: Tenant, chosen: Iterable[str]) -> None:
    """Those that the tenant may use from now on; none means all, also those that are yet to come."""
    tenant.dialects = sorted(chosen)
    tenant.save(update_fields=["dialects"])


def _digest(plain: str) -> str:
    # The text is 32 random bytes: nothing that a slow hash would have to protect from guessing.
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()


def note_use(opener: Credential | AccessToken) -> None:
    """Record that this was used just now, at a resolution that costs a busy client nothing."""
    if opener.use_is_news():
        with acting_as(opener.tenant):
            opener.note_use()


@dataclass(frozen=True)
class Provisioned:
    """What a first start made; the secrets are shown once. Empty on every later start."""

    admin_name: str = ""
    admin_password: str = ""
    credential: Credential | None = None


@transaction.atomic
def provision() -> Provisioned:
    """Give an empty installation a platform administrator and a tenant to try things with."""
    users = get_user_model()
    if users.objects.exists() or Tenant.objects.exists():
        return Provisioned()
    password = secrets.token_urlsafe(12)
    users.objects.create_superuser(FIRST_ADMIN, password=password)
    return Provisioned(FIRST_ADMIN, password, create_tenant(DEMO_TENANT, name="Demo"))
