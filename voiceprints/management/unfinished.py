"""What commands say of an erasure that does not end before they do."""

from __future__ import annotations

from voiceprints.errors import BackupHoldsFiles, ErasureUnfinished, FilesAwaited, StorageFailed
from voiceprints.models import Erasure

UNFINISHED = (BackupHoldsFiles, ErasureUnfinished, FilesAwaited, StorageFailed)


def goes_on(erasure: Erasure, whose: str, reason: Exception) -> str:
    """`whose`: the slug of the tenant, or the platform."""
    number = erasure.pk
    return f"{reason}; erasure {number} goes on by itself, and then `erase receipt {whose} {number}` prints its receipt"
