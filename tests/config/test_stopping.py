"""Whoever is told to stop stops, also where something passes over what interrupts it."""

import os
import signal
import time
from contextlib import suppress

import pytest

from config import run, stopping
from config.supervision import TOLD_BY


class Interrupted(Exception):
    pass


@pytest.fixture(autouse=True)
def handlers():
    """They belong to the whole process."""
    before = {which: signal.getsignal(which) for which in (*TOLD_BY, signal.SIGALRM)}
    yield
    signal.alarm(0)
    for which, handler in before.items():
        signal.signal(which, handler)


def test_what_was_passed_over_comes_again_until_it_is_heeded():
    stopping.interrupt_by(Interrupted, [signal.SIGTERM])
    with suppress(Interrupted):
        os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(2):
        with pytest.raises(Interrupted):
            time.sleep(30)
    stopping.heed()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.parametrize("told", TOLD_BY)
def test_the_launcher_ends_although_something_passes_over_its_interruption(told, monkeypatch, capsys):
    def passes_over(*_, **__):
        with suppress(Exception):
            os.kill(os.getpid(), told)
        time.sleep(30)
        pytest.fail("nobody told it again")

    monkeypatch.setattr(run, "_run_platform", passes_over)
    assert run.main([]) == 0
    assert capsys.readouterr().out == "openvpr: stopped\n"
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
