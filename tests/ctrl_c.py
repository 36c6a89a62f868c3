"""Ctrl-C, pressed while a command runs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError

STOPPED = 130


@contextmanager
def stopped_when(condition: Callable[[], object]) -> Iterator[list[str]]:
    """Pressed as soon as this holds. What is run inside must end with one line, which lies in the list afterwards."""
    said: list[str] = []
    thread = threading.Thread(target=_press, args=[condition, threading.main_thread().ident], daemon=True)
    with _listening():
        thread.start()
        with pytest.raises(CommandError) as ended:
            yield said
        thread.join()
    assert ended.value.returncode == STOPPED
    said += str(ended.value).splitlines()
    assert len(said) == 1


@contextmanager
def _listening() -> Iterator[None]:
    """A shell lets what it runs in the background ignore Ctrl-C, and so the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _press(condition: Callable[[], object], whose: int) -> None:
    while not condition():
        time.sleep(0.02)
    # Whoever has made the condition true comes to wait for what follows.
    time.sleep(0.2)
    signal.pthread_kill(whose, signal.SIGINT)
