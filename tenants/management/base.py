"""What the tenant commands share."""

from __future__ import annotations

import json
import os
import pwd
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from tenants.context import acting_as
from tenants.models import AccessToken, Credential, Tenant
from tenants.origins import ActorKind, Origin, coming_from


class AttributedCommand(BaseCommand):
    """What it changes is ascribed to it, and to the account of the operating system that runs it."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        name = type(self).__module__.rpartition(".")[2]
        with coming_from(Origin(ActorKind.COMMAND, os.getuid(), account(), f"manage.py {name}")):
            return super().execute(*args, **options)


def account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def as_json(credential: Credential) -> str:
    return json.dumps(
        {
            "tenant": credential.tenant.slug,
            "app_id": credential.tenant.app_id,
            "key_id": credential.key_id,
            "secret": credential.secret,
        }
    )


def token_as_json(token: AccessToken, *, plain: str = "") -> str:
    """Everything there is to know; its text only when it is given."""
    described = {
        "tenant": token.tenant.slug,
        "id": token.pk,
        "label": token.label,
        "scopes": token.scopes,
        "enabled": token.enabled,
        "expires": token.expires and token.expires.isoformat(),
        "last_used": token.last_used and token.last_used.isoformat(),
    }
    return json.dumps(described | ({"token": plain} if plain else {}), ensure_ascii=False)


def in_one_line(error: ValidationError) -> CommandError:
    return CommandError(
        "; ".join(f"{field}: {message}" for field, texts in error.message_dict.items() for message in texts)
    )


def tenant_named(slug: str) -> Tenant:
    try:
        return Tenant.objects.get(slug=slug)
    except Tenant.DoesNotExist:
        raise CommandError(f"no tenant {slug!r}") from None


def credential_named(tenant: Tenant, key_id: str) -> Credential:
    with acting_as(tenant):
        credential = tenant.credentials.select_related("tenant").filter(key_id=key_id).first()
    if credential is None:
        raise CommandError(f"tenant {tenant.slug!r} has no credential {key_id!r}")
    return credential


def usable_credential(slug: str) -> Credential:
    """The newest key pair with which the tenant's clients may sign now."""
    tenant = tenant_named(slug)
    with acting_as(tenant):
        newest_first = tenant.credentials.select_related("tenant").order_by("-created")
        credential = next((one for one in newest_first if one.usable), None)
    if credential is None:
        raise CommandError(f"tenant {slug!r} has no usable credential")
    return credential
