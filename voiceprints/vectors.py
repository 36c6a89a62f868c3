"""Vectors read as bytes: numbers written out in decimals take many times as long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from django.db.models import BinaryField, Func

from audio.results import Embedding

# Before its numbers pgvector sends the dimension, and two bytes that mean nothing yet.
HEADER_BYTES: Final = 4


def sent(column: str) -> Func:
    """A column of vectors, for `read_vectors`."""
    return Func(column, function="vector_send", output_field=BinaryField())


def read_vectors(vectors: Iterable[bytes]) -> Embedding:
    """Of one dimension, shape (n, D)."""
    read = [np.frombuffer(vector, dtype=">f4", offset=HEADER_BYTES) for vector in vectors]
    return np.stack(read).astype(np.float32)
