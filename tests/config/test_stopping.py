"""Whoever is told to stop stops, also where something passes over what interrupts it."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress

import pytest

from config import run, stopping
from config.supervision import TOLD_BY

# Its other method would use the same timer of the process.
pytestmark = pytest.mark.timeout(60, method="thread")

SAYS_BY_WHAT_IT_ENDS = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); time.sleep(30)"


class Interrupted(Exception):
    pass


@pytest.fixture(autouse=True)
def handlers():
    """They belong to the whole process."""
    before = {which: signal.getsignal(which) for which in (*TOLD_BY, signal.SIGALRM)}
    yield
    stopping.heed()
    for which, handler in before.items():
        signal.signal(which, handler)


def told(which=signal.SIGTERM):
    os.kill(os.getpid(), which)


def test_what_was_passed_over_comes_again_until_it_is_heeded():
    stopping.interrupt_by(Interrupted, [signal.SIGTERM])
    with suppress(Interrupted):
        told()
        pytest.fail("it was not interrupted")
    for _ in range(2):
        with pytest.raises(Interrupted):
            time.sleep(30)
    stopping.heed()
    told()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_another_signal_does_not_interrupt_the_way_out():
    stopping.interrupt_by(Interrupted, TOLD_BY)
    with pytest.raises(Interrupted):
        told(signal.SIGTERM)
    told(signal.SIGHUP)
    told(signal.SIGTERM)


def test_what_may_not_be_disturbed_is_interrupted_after_it():
    stopping.interrupt_by(Interrupted, [signal.SIGTERM])
    with stopping.undisturbed():
        told()
        time.sleep(1.5 * stopping.AGAIN_SECONDS)
    with pytest.raises(Interrupted):
        time.sleep(30)


@pytest.mark.parametrize("which", TOLD_BY)
def test_the_launcher_ends_although_something_passes_over_its_interruption(which, monkeypatch, capsys):
    def passes_over(*_, **__):
        with suppress(Exception):
            told(which)
        time.sleep(30)
        pytest.fail("nobody told it again")

    monkeypatch.setattr(run, "_run_platform", passes_over)
    assert run.main([]) == 0
    assert capsys.readouterr().out == "openvpr: stopped\n"
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_command_that_never_ran_is_no_success(monkeypatch):
    monkeypatch.setattr(run, "_run_platform", lambda _: told())
    assert run.main(["true"]) == 1


@pytest.mark.parametrize(
    ("command", "status"),
    [([sys.executable, "-c", SAYS_BY_WHAT_IT_ENDS], 7), (["sleep", "30"], 128 + signal.SIGTERM)],
)
def test_a_command_ends_as_it_likes_when_its_launcher_is_told_to_stop(command, status, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "IN_USE", tmp_path / "in-use.lock")
    monkeypatch.setattr(run, "_run_platform", run._run_command)
    threading.Timer(1, told).start()
    assert run.main(command) == status


def test_a_command_that_does_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "IN_USE", tmp_path / "in-use.lock")
    monkeypatch.setattr(run, "_run_platform", run._run_command)
    monkeypatch.setattr(run, "COMMAND_STOP_SECONDS", 0.5)
    threading.Timer(1, told).start()
    assert run.main(["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]) == 128 + signal.SIGKILL
