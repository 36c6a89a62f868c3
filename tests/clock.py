"""The clock of the server, set for requests that were signed long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

# 2025-01-01 00:00:00 UTC, when the vendors' conversations take place.
NEW_YEAR = 1_735_689_600


def fixed(unix_seconds: float) -> Callable[[], datetime]:
    """A clock that stands at this moment."""
    return lambda: datetime.fromtimestamp(unix_seconds, UTC)
