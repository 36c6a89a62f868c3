"""What somebody tried without permission, told to their tenant, seldom enough that nobody floods its trail."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone

from tenants.actions import Action, Outcome
from tenants.auditing import told_of
from tenants.context import acting_as
from tenants.locks import nobody_else_is_at
from tenants.models import Tenant
from tenants.origins import origin
from tenants.trail import Target, note

TOLD_AGAIN_AFTER: Final = timedelta(hours=1)
MOST_TOLD: Final = 100
"""Of one actor within that time."""

PLACEHOLDER = re.compile(r"<[^>]*>")


def note_refused(tenant: Tenant, request: HttpRequest, **details: Any) -> None:
    """Once within an hour for each actor, path and method; the log has a line for each request.

    The path is told as a pattern: what stands in it may be anybody's, or nobody's.
    """
    route: str = request.resolver_match.route  # type: ignore[union-attr]
    path, method = f"/{PLACEHOLDER.sub('…', route)}", str(request.method)
    by = origin()
    with acting_as(tenant):
        if not nobody_else_is_at(tenant, "refused", f"{by.kind} {by.number}"):
            return
        told = told_of(tenant, Action.ACCESS_REFUSED, since=timezone.now() - TOLD_AGAIN_AFTER)
        known = set(told.values_list("object_name", "details__method")[:MOST_TOLD])
        if (path, method) not in known and len(known) < MOST_TOLD:
            target = Target("path", None, path)
            note(tenant, Action.ACCESS_REFUSED, target, outcome=Outcome.REFUSED, method=method, **details)
