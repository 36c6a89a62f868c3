"""How large the files of recordings are, for those that were stored before that was noted with them."""

from __future__ import annotations

import logging
from typing import Final

from django.core.files.storage import storages
from django.db import connection

from tenants.context import acting_as_platform
from voiceprints.errors import StorageFailed
from voiceprints.models import Utterance
from voiceprints.recordings import reading

logger = logging.getLogger(__name__)

LOOKED_UP_AT_ONCE: Final = 1000
GONE: Final = 0

# Whatever was let go meanwhile takes no room.
NOTE: Final = """
UPDATE voiceprints_utterance AS utterance SET size_bytes = found.size_bytes
FROM unnest(%s::bigint[], %s::bigint[]) AS found (id, size_bytes)
WHERE utterance.id = found.id AND utterance.size_bytes IS NULL AND utterance.recording <> ''
"""


def note_sizes() -> int:
    """Of the next few recordings whose size nobody noted; returns how many. What cannot be reached waits."""
    with acting_as_platform():
        unknown = list(
            Utterance.all_tenants.unsized().order_by("pk").values_list("pk", "recording")[:LOOKED_UP_AT_ONCE]
        )
    looked_up = {pk: _size_of(path) for pk, path in unknown}
    found = {pk: size for pk, size in looked_up.items() if size is not None}
    with acting_as_platform(), connection.cursor() as cursor:
        cursor.execute(NOTE, [list(found), list(found.values())])
        return int(cursor.rowcount)


def _size_of(path: str) -> int | None:
    """None where the storage does not tell."""
    try:
        with reading(path):
            return storages["recordings"].size(path)
    except FileNotFoundError:
        return GONE
    except StorageFailed as error:
        logger.warning("the size of a recording is looked up later: %s", error)
        return None
