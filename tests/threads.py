"""Several at the same moment, each in a thread and a database connection of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

from voiceprints.errors import VoiceprintError


def all_at_once(*deeds):
    """The outcome of each: what it returned, or the kind of its refusal."""
    together = Barrier(len(deeds))

    def outcome(deed):
        try:
            connection.ensure_connection()
            together.wait(30)
            return deed()
        except VoiceprintError as refusal:
            return type(refusal)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(outcome, deeds))
