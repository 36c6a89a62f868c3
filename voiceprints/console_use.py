"""Counting what people have measured at the console, as what clients ask for is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from audio.errors import AudioError
from tenants import metering
from tenants.models import Operation, Tenant, UsageDay
from voiceprints.errors import OUR_FAULT, VoiceprintError
from voiceprints.results import Identification, Verification

Outcome = UsageDay.Outcome
Said = ParamSpec("Said")
Result = TypeVar("Result")


def counted(tenant: Tenant, operation: Operation) -> Callable[[Callable[Said, Result]], Callable[Said, Result]]:
    """For what a view has done; it returns and raises what it would uncounted."""

    def counting(do: Callable[Said, Result]) -> Callable[Said, Result]:
        def done(*args: Said.args, **kwargs: Said.kwargs) -> Result:
            began = time.monotonic()
            try:
                result = do(*args, **kwargs)
            except Exception as error:
                _count(tenant, operation, began, _failed(error), type(error).__name__)
                raise
            _count(tenant, operation, began, _judged(result))
            return result

        return done

    return counting


def _count(tenant: Tenant, operation: Operation, began: float, outcome: Outcome, reason: str = "") -> None:
    milliseconds = (time.monotonic() - began) * 1000
    metering.count(
        tenant, operation, dialect=metering.CONSOLE, outcome=outcome, reason=reason, milliseconds=milliseconds
    )


def _failed(error: Exception) -> Outcome:
    refused = isinstance(error, (AudioError, VoiceprintError)) and not isinstance(error, OUR_FAULT)
    return Outcome.REFUSED if refused else Outcome.FAILED


def _judged(result: object) -> Outcome:
    if not isinstance(result, (Identification, Verification)):
        return Outcome.OK
    return Outcome.ACCEPTED if result.accepted else Outcome.REJECTED
