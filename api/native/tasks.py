"""What this room does on its own."""

from __future__ import annotations

from celery import shared_task

from api.native import idempotency
from tenants.cleaning import clean


@shared_task(name="native.sweep_answers")
def sweep_answers() -> None:
    clean("answers", lambda tally: tally.add(answers=idempotency.sweep()))
