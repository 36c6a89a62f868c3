from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.failures import FAILURES, failing
from voiceprints import jobs


@pytest.fixture
def measuring_fails(monkeypatch) -> Callable[[Exception], None]:
    """With this error from now on, whatever the recording."""
    return lambda error: monkeypatch.setattr(jobs, "analyze", failing(error))


@pytest.fixture(params=FAILURES, ids=lambda error: type(error).__name__)
def failure(request, measuring_fails) -> type[Exception]:
    """Each of them in turn, with which measuring fails."""
    measuring_fails(request.param)
    return type(request.param)
