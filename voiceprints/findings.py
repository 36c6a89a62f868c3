"""What the last sweep of the storage found, for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tenants.spreadsheets import harmless
from voiceprints.models import StorageFinding

HEADINGS: Final = ("kind", "path", "bytes", "tenant", "utterance", "found", "seen")


def lines() -> Iterator[tuple[str, ...]]:
    """In a transaction that sees them."""
    for one in StorageFinding.objects.iterator():
        numbers = (one.size_bytes, one.utterance)
        size, utterance = ("" if number is None else str(number) for number in numbers)
        yield (
            one.kind,
            harmless(one.path),
            size,
            one.tenant_slug,
            utterance,
            one.found.isoformat(),
            one.seen.isoformat(),
        )
