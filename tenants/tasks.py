"""What this room does on its own."""

from __future__ import annotations

from celery import shared_task

from tenants import guessing, invitations
from tenants.sessions import SessionStore


@shared_task(name="tenants.sweep_sign_ins")
def sweep_sign_ins() -> None:
    """Forget old failures, and sessions and invitations that have expired."""
    guessing.sweep()
    invitations.sweep()
    SessionStore.clear_expired()
