"""Opening a tenant, and the key pairs its clients sign with."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform
from tenants.models import BUNDLED_MODEL, AccessToken, Credential, Defaults, Scope, Tenant
from tenants.openers import opener_named
from tenants.targets import credential_target, model_target, tenant_target, token_target
from tenants.trail import note

KEY_ID_BYTES = 8
SECRET_BYTES = 24
TOKEN_BYTES = 32
FIRST_ADMIN = "admin"
DEMO_TENANT = "demo"


def create_tenant(slug: str, *, name: str = "", app_id: str = "") -> Credential:
    """Open a tenant and issue its first credential. Raises ValidationError when a value is unfit or taken."""
    tenant = Tenant(slug=slug, name=name or slug, app_id=app_id or secrets.token_hex(4), model=default_model())
    with acting_as_platform():
        tenant.full_clean()
        tenant.save()
        note(None, Action.TENANT_OPENED, tenant_target(tenant), name=tenant.name, app_id=tenant.app_id)
        return issue_credential(tenant)


def change_tenant(tenant: Tenant, changed: Collection[str]) -> None:
    """Store these fields and no others, which somebody may be changing at this moment.

    Who is closed to be erased is opened by being restored, and stays closed here.
    """
    with acting_as_platform():
        leaving = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk).erased_from is not None
        changed = set(changed) - ({"active"} if leaving else set())
        before = Tenant.objects.values(*changed).get(pk=tenant.pk)
        tenant.save(update_fields=changed)
        after = {field: getattr(tenant, field) for field in changed}
        changes = {field: [before[field], after[field]] for field in changed if before[field] != after[field]}
        if changes:
            note(tenant, Action.TENANT_CHANGED, tenant_target(tenant), changes=changes)


def set_policy(tenant: Tenant, **policy: Any) -> None:
    """What is asked of the tenant's recordings and comparisons. Raises ValidationError for what is none."""
    for field, value in policy.items():
        setattr(tenant, field, value)
    tenant.clean_fields(exclude={field.name for field in Tenant._meta.fields} - policy.keys())
    change_tenant(tenant, list(policy))


def default_model() -> str:
    """What new tenants begin with."""
    return Defaults.objects.values_list("model", flat=True).first() or BUNDLED_MODEL


def set_default_model(name: str) -> None:
    """Of new tenants; those that are there keep theirs."""
    with acting_as_platform():
        Defaults.objects.update_or_create(pk=1, defaults={"model": name})
        note(None, Action.DEFAULT_MODEL_CHOSEN, model_target(name))


def issue_credential(
    tenant: Tenant, *, key_id: str = "", secret: str = "", app_id: str = "", label: str = ""
) -> Credential:
    """A new key pair, or the one a customer's clients already use. Raises ValidationError when unfit or taken."""
    with acting_as(tenant):
        if app_id:
            tenant.app_id = app_id
            tenant.full_clean()
            tenant.save(update_fields=["app_id"])
        credential = _issued(tenant, key_id=key_id, secret=secret, label=label)
        about: dict[str, Any] = {"app_id": app_id} if app_id else {}
        note(tenant, Action.CREDENTIAL_ISSUED, credential_target(credential), **about)
    return credential


def _issued(tenant: Tenant, *, label: str, key_id: str = "", secret: str = "") -> Credential:
    credential = Credential(
        tenant=tenant,
        label=label,
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
    """A successor for `credential`, which goes on working until `overlap` has passed at the latest.

    Raises ValidationError where it expires at another time than `credential` says: somebody else was at it.
    """
    known, ends = credential.expires, timezone.now() + overlap
    with acting_as(credential.tenant):
        credential.expires = min(known or ends, ends)
        as_known = credential.tenant.credentials.filter(pk=credential.pk, expires=known)
        if not as_known.update(expires=credential.expires):
            raise ValidationError(_("This key pair was rotated already."), code="rotated")
        successor = _issued(credential.tenant, label=credential.label)
        said: dict[str, Any] = {"successor": successor.key_id, "expires": credential.expires}
        note(credential.tenant, Action.CREDENTIAL_ROTATED, credential_target(credential), **said)
    return successor


def label_credential(credential: Credential, label: str) -> None:
    with acting_as(credential.tenant):
        credential.label = label
        credential.save(update_fields=["label"])
        note(credential.tenant, Action.CREDENTIAL_LABELLED, credential_target(credential), label=label)


def set_credential_enabled(credential: Credential, enabled: bool) -> None:
    with acting_as(credential.tenant):
        credential.enabled = enabled
        credential.save(update_fields=["enabled"])
        action = Action.CREDENTIAL_ENABLED if enabled else Action.CREDENTIAL_DISABLED
        note(credential.tenant, action, credential_target(credential))


def delete_credential(credential: Credential) -> None:
    with acting_as(credential.tenant):
        note(credential.tenant, Action.CREDENTIAL_DELETED, credential_target(credential))
        credential.delete()


def known_credential(key_id: str) -> Credential | None:
    """That of the key id, with its tenant, whoever it belongs to, and whether or not either may be used."""
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
        note(tenant, Action.TOKEN_ISSUED, token_target(token), scopes=token.scopes, expires=expires)
    return token, plain


def find_token(plain: str) -> AccessToken | None:
    """The usable access token of that text, with its tenant, whoever it belongs to and whether or not it is active."""
    named = opener_named(AccessToken, _digest(plain))
    return named if named and named.usable else None


def change_token(token: AccessToken, *, label: str, enabled: bool) -> None:
    with acting_as(token.tenant):
        token.label, token.enabled = label, enabled
        token.save(update_fields=["label", "enabled"])
        note(token.tenant, Action.TOKEN_CHANGED, token_target(token), enabled=enabled)


def delete_token(token: AccessToken) -> None:
    with acting_as(token.tenant):
        note(token.tenant, Action.TOKEN_DELETED, token_target(token), scopes=token.scopes)
        token.delete()


def delete_tokens(tenant: Tenant, scope: Scope) -> int:
    """All of the tenant's tokens that open this much, or more; returns how many."""
    with acting_as(tenant):
        doomed = list(tenant.access_tokens.filter(scopes__contains=[scope]))
        for token in doomed:
            delete_token(token)
    return len(doomed)


def allow_dialect(tenant: Tenant, dialect: str) -> None:
    """Beside those that the tenant may use already."""
    if not tenant.speaks(dialect):
        tenant.dialects = [*tenant.dialects, dialect]
        change_tenant(tenant, ["dialects"])


def choose_dialects(tenant: Tenant, chosen: Iterable[str]) -> None:
    """Those that the tenant may use from now on; none means all, also those that are yet to come."""
    tenant.dialects = sorted(chosen)
    change_tenant(tenant, ["dialects"])


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


def provision() -> Provisioned:
    """Give an empty installation a platform administrator and a tenant to try things with."""
    users = get_user_model()
    if users.objects.exists() or Tenant.objects.exists():
        return Provisioned()
    password = secrets.token_urlsafe(12)
    with acting_as_platform():
        users.objects.create_superuser(FIRST_ADMIN, password=password)
        return Provisioned(FIRST_ADMIN, password, create_tenant(DEMO_TENANT, name="Demo"))
