"""Having a chain of the audit trail verified now, and not only in the night."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis import RedisError

from tenants import sealing
from tenants.context import acting_as_platform
from tenants.locks import alone
from tenants.models import AuditCheck

logger = logging.getLogger("openvpr.audit")

VERIFY: Final = "tenants.verify_chain"
NEVER: Final = "never"
AWAITED_FOR: Final = timedelta(minutes=10)
"""For so long: the worker may have died, or have much to do."""
AGAIN_AFTER: Final = timedelta(minutes=1)


class QueueUnreachable(Exception):
    """Nobody was told."""


def mark_of(check: AuditCheck | None) -> str:
    """By which one verification of a chain is told from the next, on whichever machine it ran."""
    return check.at.isoformat() if check else NEVER


def is_recent(check: AuditCheck | None) -> bool:
    """Whether it was done just now, so that nobody keeps a worker busy with it all the time."""
    return check is not None and timedelta() <= timezone.now() - check.at < AGAIN_AFTER


def have_verified(chain: int, mark: str) -> None:
    """Have a worker do it. Raises QueueUnreachable."""
    if current_app.conf.task_always_eager:
        verify_after(chain, mark)
        return
    try:
        current_app.send_task(VERIFY, args=[chain, mark], expires=AWAITED_FOR.total_seconds())
    except (RedisError, OperationalError) as error:
        raise QueueUnreachable(type(error).__name__) from error


def verify_after(chain: int, mark: str) -> None:
    """Unless that was done since, or is being done, so that many who ask have it verified once."""
    with alone(f"verification of chain {chain}") as mine:
        if not mine or mark != mark_of(_last_of(chain)):
            return
        verdict = sealing.verify(chain)
        if not verdict.intact:
            logger.error("chain %s is broken: %s", chain, verdict.problems[0])


def _last_of(chain: int) -> AuditCheck | None:
    with acting_as_platform():
        return AuditCheck.all_tenants.filter(pk=chain).first()
