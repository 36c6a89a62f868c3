"""How large the files of recordings are, for those that were stored before that was noted with them."""

from __future__ import annotations

import logging
from typing import Final

from django.core.files.storage import storages

from tenants.context import acting_as_platform
from voiceprints.errors import StorageFailed
from voiceprints.models import Utterance
from voiceprints.recordings import reading

logger = logging.getLogger(__name__)

LOOKED_UP_AT_ONCE: Final = 1000
GONE: Final = 0


def note_sizes() -> int:
    """Of the next few recordings whose size nobody noted; returns how many. What cannot be reached waits."""
    with acting_as_platform():
        unknown = list(Utterance.all_tenants.unsized().order_by("pk")[:LOOKED_UP_AT_ONCE])
    found = [utterance for utterance in unknown if _look_up(utterance)]
    with acting_as_platform():
        # Whatever was let go meanwhile takes no room.
        unsized = Utterance.all_tenants.unsized().filter(pk__in=[utterance.pk for utterance in found])
        still = set(unsized.select_for_update(of=["self"]).values_list("pk", flat=True))
        there = [utterance for utterance in found if utterance.pk in still]
        Utterance.all_tenants.bulk_update(there, ["size_bytes"], batch_size=LOOKED_UP_AT_ONCE)
    return len(there)


def _look_up(utterance: Utterance) -> bool:
    path = str(utterance.recording)
    try:
        with reading(path):
            utterance.size_bytes = storages["recordings"].size(path)
    except FileNotFoundError:
        utterance.size_bytes = GONE
    except StorageFailed as error:
        logger.warning("the size of a recording is looked up later: %s", error)
        return False
    return True
