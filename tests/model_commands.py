"""`manage.py models`, as tests call it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

Models = Callable[..., str]


@pytest.fixture
def models(capsys: pytest.CaptureFixture[str]) -> Models:
    """Runs it with these words, and returns what it prints."""

    def run(*words: object) -> str:
        call_command("models", *map(str, words))
        return capsys.readouterr().out.strip()

    return run


def refusal(models: Models, *words: object) -> str:
    """The one line with which it refuses these words."""
    with pytest.raises(CommandError) as refused:
        models(*words)
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    return text
