"""What the audit trail tells of the people who have an account: who came in, who was refused, and what was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from tenants.actions import Action, Outcome
from tenants.context import acting_as_platform, memberships_of
from tenants.models import Membership, Tenant
from tenants.origins import ActorKind, identified
from tenants.targets import member_target, user_target
from tenants.trail import NOTHING, note

NOTED_FIELDS = ("username", "password", "first_name", "last_name", "email", "is_active", "is_superuser", "is_staff")
SAID_FIELDS = ("is_active", "is_superuser")


def watch() -> None:
    """Called once the apps are there."""
    users = get_user_model()
    user_logged_in.connect(note_sign_in, dispatch_uid="trail")
    user_logged_out.connect(note_sign_out, dispatch_uid="trail")
    pre_save.connect(remember, sender=users, dispatch_uid="trail")
    post_save.connect(note_saved, sender=users, dispatch_uid="trail")
    pre_delete.connect(note_leaving, sender=users, dispatch_uid="trail")
    post_delete.connect(note_deleted, sender=users, dispatch_uid="trail")


def note_sign_in(user: Any, **_: Any) -> None:
    identified(ActorKind.USER, user.pk, user.get_username())
    note_everywhere(user, Action.SIGNED_IN)


def note_sign_out(user: Any, **_: Any) -> None:
    if user is not None:
        note_everywhere(user, Action.SIGNED_OUT)


def note_refused_sign_in(user_name: str) -> None:
    """Whatever was typed where nobody bears the name may have been a password, so it is not written down."""
    user = get_user_model().objects.filter(username=user_name).first()
    if user:
        note_everywhere(user, Action.SIGN_IN_REFUSED, Outcome.REFUSED)
        return
    with acting_as_platform():
        note(None, Action.SIGN_IN_REFUSED, NOTHING, outcome=Outcome.REFUSED)


def note_everywhere(user: Any, action: Action, outcome: Outcome = Outcome.DONE, **details: Any) -> None:
    """In each tenant where the user works, for platform staff and strangers on the platform."""
    with acting_as_platform():
        for tenant in _tenants_of(user) or [None]:
            note(tenant, action, user_target(user), outcome=outcome, **details)


def _tenants_of(user: Any) -> Sequence[Tenant | None]:
    if user.is_superuser:
        return []
    with memberships_of(user):
        return [one.tenant for one in Membership.all_tenants.filter(user=user.pk).select_related("tenant")]


def remember(instance: Any, update_fields: Any = None, **_: Any) -> None:
    instance.known_before = None
    if instance.pk and not _only_a_visit(update_fields):
        instance.known_before = type(instance).objects.filter(pk=instance.pk).values(*NOTED_FIELDS).first()


def note_saved(instance: Any, created: bool, update_fields: Any = None, **_: Any) -> None:
    before = instance.known_before
    changed = [field for field in NOTED_FIELDS if before and before[field] != getattr(instance, field)]
    if not created and (not changed or _only_a_visit(update_fields)):
        return
    about: dict[str, Any] = {"fields": changed} if changed else {}
    said: dict[str, Any] = {field: getattr(instance, field) for field in SAID_FIELDS}
    with acting_as_platform():
        note(None, Action.USER_CREATED if created else Action.USER_CHANGED, user_target(instance), **about, **said)


def note_leaving(instance: Any, **_: Any) -> None:
    """In each tenant where the user works: the memberships go with the account."""
    with acting_as_platform():
        for membership in Membership.all_tenants.filter(user=instance.pk).select_related("tenant", "user"):
            note(membership.tenant, Action.MEMBER_REMOVED, member_target(membership), role=membership.role)


def note_deleted(instance: Any, **_: Any) -> None:
    with acting_as_platform():
        note(None, Action.USER_DELETED, user_target(instance))


def _only_a_visit(update_fields: Any) -> bool:
    return update_fields is not None and set(update_fields) == {"last_login"}
