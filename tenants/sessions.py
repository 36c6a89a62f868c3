"""The engine of the console's sessions: rows that know whose they are, and from where and with what they began."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import ua_parser
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest
from django.utils import timezone

from tenants.addresses import address_of
from tenants.cleaning import delete_rows
from tenants.models import ConsoleSession

SIGNED_IN = "signed_in"
SEEN_RESOLUTION = timedelta(minutes=1)


class SessionStore(DatabaseStore):
    seen: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[ConsoleSession]:
        return ConsoleSession

    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()  # type: ignore[attr-defined]
        self.seen = row.seen if row else None
        return self.decode(row.session_data) if row else {}

    def create_model_instance(self, data: dict[str, Any]) -> ConsoleSession:
        row = cast(ConsoleSession, super().create_model_instance(data))
        begun, row.address, row.browser = data.get(SIGNED_IN, (timezone.now().isoformat(), "", ""))
        row.user_id, row.begun = data.get(SESSION_KEY), datetime.fromisoformat(begun)
        return row

    def note_use(self) -> None:
        """At a resolution that costs somebody who clicks about nothing."""
        if self.seen and timezone.now() - self.seen > SEEN_RESOLUTION:
            ConsoleSession.objects.filter(pk=self.session_key).update(seen=timezone.now())


def sweep_sessions() -> int:
    return sum(delete_rows(ConsoleSession.objects.filter(expire_date__lt=timezone.now())))


def remember_browser(request: HttpRequest, **_: Any) -> None:
    """Whoever signs in leaves behind from where and with what."""
    request.session[SIGNED_IN] = (timezone.now().isoformat(), address_of(request), browser_of(request))


def browser_of(request: HttpRequest) -> str:
    """Such as `Firefox · Windows`; empty for what nobody knows."""
    said = ua_parser.parse(request.META.get("HTTP_USER_AGENT", "")[:500])
    names = [part.family for part in (said.user_agent, said.os) if part]
    return " · ".join(names)[:100]
