"""What this room does on its own."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from tenants import guessing, invitations, sealing, verifying
from tenants.cleaning import Tally, clean, forget_old_runs, keep_up
from tenants.sessions import sweep_sessions

logger = logging.getLogger("openvpr.audit")


@shared_task(name="tenants.sweep_sign_ins")
def sweep_sign_ins() -> None:
    """Forget old failures, sessions and invitations that have expired, and what clean-ups did long ago."""
    clean("sign-ins", _sweep_sign_ins)


def _sweep_sign_ins(tally: Tally) -> None:
    tally.add(failures=guessing.sweep(), invitations=invitations.sweep(), sessions=sweep_sessions())
    forget_old_runs(tally)


@shared_task(name="tenants.seal_trail")
def seal_trail() -> int:
    return keep_up("seals", sealing.seal_all)


@shared_task(name="tenants.check_trail", throws=(sealing.TrailBroken,))
def check_trail() -> None:
    """Verify every chain, and let go what is older than it is to be kept."""
    clean("audit", _check_trail)


@shared_task(name=verifying.VERIFY)
def verify_chain(chain: int, mark: str) -> None:
    """Somebody wants to know now whether it is intact."""
    verifying.verify_after(chain, mark)


def _check_trail(tally: Tally) -> None:
    """All of them, whatever is found in one. Raises the first TrailBroken."""
    broken = []
    for chain in sealing.chains():
        try:
            tally.add(events=_checked(chain))
        except sealing.TrailBroken as error:
            first, places = error.verdict.problems[0], len(error.verdict.problems)
            logger.error("chain %s is broken: %s", chain, first)  # noqa: TRY400 - that says it all
            tally.find(chain=sealing.name_of(chain), places=places, **asdict(first))
            broken.append(error)
    if broken:
        raise broken[0]


def _checked(chain: int) -> int:
    """How many events were let go. Raises TrailBroken."""
    if settings.AUDIT_KEPT_DAYS:
        return sealing.trim(chain, timezone.now() - timedelta(days=settings.AUDIT_KEPT_DAYS))
    verdict = sealing.verify(chain)
    if not verdict.intact:
        raise sealing.TrailBroken(verdict)
    return 0
