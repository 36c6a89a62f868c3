"""What removes much rests after each of its transactions as long as that took, so that others notice less of it.

The low priority of the worker that cleans up is not that of PostgreSQL, which does most of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter, sleep
from typing import Final

LONGEST_SECONDS: Final = 0.2
"""Of a rest, however long the transaction took."""

_rests: ContextVar[bool] = ContextVar("rests_after_transactions", default=False)


@contextmanager
def resting() -> Iterator[None]:
    """Each transaction of `tenants/context.py` in the block is followed by a rest, once it was committed."""
    token = _rests.set(True)
    try:
        yield
    finally:
        _rests.reset(token)


@contextmanager
def then_rest() -> Iterator[None]:
    """Around a transaction, with all that its commit entails."""
    if not _rests.get():
        yield
        return
    token, began = _rests.set(False), perf_counter()
    try:
        yield
    finally:
        _rests.reset(token)
    sleep(min(perf_counter() - began, LONGEST_SECONDS))
