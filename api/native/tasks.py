"""What this room does on its own."""

from __future__ import annotations

from celery import shared_task

from api.native import idempotency


@shared_task(name="native.sweep_answers")
def sweep_answers() -> int:
    return idempotency.sweep()
