"""What may go wrong on our side, made to go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.db import OperationalError, connection

from voiceprints.errors import AnalysisTimedOut, EngineFailed, EngineUnreachable, ModelUnusable, TooBusy

# For which every room has an answer.
FAILURES = [
    TooBusy(what="recordings", limit=3),
    AnalysisTimedOut(deadline_seconds=20),
    EngineFailed("WorkerLostError"),
    ModelUnusable(model="ours", reason="not installed"),
    EngineUnreachable("ConnectionError"),
    OperationalError("gone"),
    ZeroDivisionError("a bug"),
]


def failing(error: Exception) -> Callable[..., NoReturn]:
    """A function that does nothing but raise it."""

    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise error

    return fail


@contextmanager
def no_answer_about(table: str) -> Iterator[None]:
    """The database fails each query that names the table, and answers all others."""

    def execute_others(execute: Any, sql: str, *rest: Any) -> Any:
        if table in sql:
            raise OperationalError("gone")
        return execute(sql, *rest)

    with connection.execute_wrapper(execute_others):
        yield
