"""Counting what tenants use, at no cost to a request: in memory, and every few seconds into the database.

A process adds what it counted in one statement, from a thread of its own, and when it ends. So a process that is killed
takes a few seconds of counts with it, and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from django.db import Error as DatabaseFailed
from django.db import connection
from django.utils import timezone

from tenants.context import acting_as_platform
from tenants.latency import STEPS, step_of

if TYPE_CHECKING:
    from tenants.models import Operation, Tenant, UsageDay

logger = logging.getLogger(__name__)

STORED_EVERY_SECONDS = 5.0
LAST_STORE_SECONDS = 10.0
LONGEST_REASON: Final = 64
JOBS: Final = "jobs"
"""Stands in place of a dialect for what jobs did."""
CONSOLE: Final = "console"
"""Stands there for what people did at the console."""
NO_REQUESTS: Final = (JOBS, CONSOLE)

# Of several processes that add to the same rows, each takes them in the same order. A tenant may be gone by now.
ADD = """
INSERT INTO tenants_usageday AS kept (tenant_id, day, operation, dialect, outcome, reason, count, latency)
SELECT fresh.* FROM (VALUES {rows}) AS fresh (tenant_id, day, operation, dialect, outcome, reason, count, latency)
JOIN tenants_tenant ON tenants_tenant.id = fresh.tenant_id
ORDER BY tenant_id, day, operation, dialect, outcome, reason
ON CONFLICT (tenant_id, day, operation, dialect, outcome, reason) DO UPDATE SET
    count = kept.count + excluded.count,
    latency = (
        SELECT array_agg(coalesce(old, 0) + coalesce(new, 0) ORDER BY step)
        FROM unnest(kept.latency, excluded.latency) WITH ORDINALITY AS both_of (old, new, step)
    )
"""
ROW = "(%s::bigint, %s::date, %s, %s, %s, %s, %s::bigint, %s::bigint[])"


class Use(NamedTuple):
    """One kind of request of one tenant on one day: what is counted together."""

    tenant_id: int
    day: date
    operation: str
    dialect: str
    outcome: str
    reason: str


class Tally:
    """How many of a kind there were, and how many took how long."""

    __slots__ = ("count", "latency")

    def __init__(self) -> None:
        self.count = 0
        self.latency = [0] * STEPS

    def add(self, count: int, latency: Sequence[int]) -> None:
        self.count += count
        self.latency = [mine + theirs for mine, theirs in zip(self.latency, latency, strict=True)]


class Meter:
    """What a process has counted since it last stored it. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[Use, Tally] = {}

    def count(self, use: Use, milliseconds: float | None) -> None:
        with self._lock:
            tally = self._tally(use)
            tally.count += 1
            if milliseconds is not None:
                tally.latency[step_of(milliseconds)] += 1

    def store(self) -> None:
        """What cannot be stored now is kept for the next time."""
        counted = self.taken()
        if not counted:
            return
        try:
            add(counted)
        except DatabaseFailed as error:
            logger.warning("usage is stored later: %s", type(error).__name__)
            self._put_back(counted)

    def taken(self) -> dict[Use, Tally]:
        with self._lock:
            counted, self._tallies = self._tallies, {}
        return counted

    def _put_back(self, counted: Mapping[Use, Tally]) -> None:
        with self._lock:
            for use, tally in counted.items():
                self._tally(use).add(tally.count, tally.latency)

    def _tally(self, use: Use) -> Tally:
        tally = self._tallies.get(use)
        if tally is None:
            tally = self._tallies[use] = Tally()
        return tally


METER: Final = Meter()


def count(
    tenant: Tenant,
    operation: Operation,
    *,
    dialect: str,
    outcome: UsageDay.Outcome,
    reason: str = "",
    milliseconds: float | None = None,
) -> None:
    """Something that was asked for just now; `reason`: why it was refused or failed."""
    day = timezone.localdate()
    METER.count(Use(tenant.pk, day, operation, dialect, outcome, reason[:LONGEST_REASON]), milliseconds)


class Storing:
    """A thread that stores what a meter counts, every few seconds and in the end. Begun after the fork."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(LAST_STORE_SECONDS)

    def _run(self) -> None:
        ending = False
        while not ending:
            ending = self._ending.wait(STORED_EVERY_SECONDS)
            self._meter.store()
            # Whoever waits for seconds keeps no connection.
            connection.close()


STORING: Final = Storing(METER)


def add(counted: Mapping[Use, Tally]) -> None:
    """To what is stored, in one statement."""
    rows = ", ".join([ROW] * len(counted))
    values = [value for use, tally in counted.items() for value in (*use, tally.count, tally.latency)]
    with acting_as_platform(), connection.cursor() as cursor:
        cursor.execute(ADD.format(rows=rows), values)
