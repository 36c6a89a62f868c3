"""Clean-ups rest after each of their transactions as long as that took, so that others notice half as much of them.

The low priority of the worker that runs them is not that of PostgreSQL, which does most of their work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter, sleep
from typing import Final

LONGEST_SECONDS: Final = 0.2

_rests: ContextVar[bool] = ContextVar("rests_after_transactions", default=False)


@contextmanager
def resting() -> Iterator[None]:
    """Each transaction that begins in the block is followed by a rest, once it was committed."""
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
