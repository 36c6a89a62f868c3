"""Whoever is told to stop stops, also where something passes over what interrupts it."""

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from django.conf import settings

from config import run, stopping, supervision
from config.supervision import TOLD_BY

# Its other method would use the same timer of the process.
pytestmark = pytest.mark.timeout(60, method="thread")


class Interrupted(Exception):
    pass


@pytest.fixture(autouse=True)
def handlers():
    """They belong to the whole process."""
    before = {which: signal.getsignal(which) for which in (*TOLD_BY, signal.SIGALRM)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
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


def test_under_nohup_nobody_hears_that_a_terminal_is_closed():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping.interrupt_by(Interrupted, TOLD_BY)
    told(signal.SIGHUP)
    with pytest.raises(Interrupted):
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


@pytest.fixture
def beside_nothing(tmp_path, monkeypatch):
    """The launcher's part in a command, without a platform and a terminal, which whoever runs the tests may have."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: -1)
    monkeypatch.setattr(run, "IN_USE", tmp_path / "in-use.lock")
    monkeypatch.setattr(run, "_run_platform", run._run_command)


# A command of ours: it undoes what it has begun, which takes longer than a moment.
UNDOES = """
import os, signal, sys, time
import manage

signal.signal(signal.SIGINT, signal.default_int_handler)
manage.hear_of_stops()
try:
    {told}
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep(2)
    sys.exit(7)
"""
LAUNCHER = "os.kill(os.getppid(), signal.{0})"
BOTH = "os.kill(os.getppid(), signal.{0}); os.kill(os.getpid(), signal.{0})"


@pytest.mark.usefixtures("beside_nothing")
@pytest.mark.parametrize("which", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("told", [LAUNCHER, BOTH])
def test_a_command_undoes_what_it_has_begun_when_its_launcher_is_told_to_stop(which, told, monkeypatch):
    monkeypatch.chdir(settings.BASE_DIR)
    assert run.main([sys.executable, "-c", UNDOES.format(told=told.format(which))]) == 7


# As of anybody, in a terminal: it has no ears but Python's own.
IN_A_TERMINAL = """
import fcntl, signal, sys, termios, time
from pathlib import Path

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
import django

django.setup()
from config import run

run.IN_USE = Path(sys.argv[1])
run._run_platform = run._run_command
stop = run._stop_command
# By then the command is on its way out.
run._stop_command = lambda *told, **how: (time.sleep(0.5), stop(*told, **how))
sys.exit(run.main([sys.executable, "-c", sys.argv[2]]))
"""
UNDOES_FOR_A_WHILE = """
import os, sys, time
{first}
try:
    print("begun", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep(2)
    print("undone", flush=True)
    sys.exit(7)
"""


@pytest.mark.parametrize("first", ["", "os.setsid()"])
def test_a_command_in_a_terminal_hears_of_ctrl_c_once(first, tmp_path):
    """Also one that has left the terminal, such as what `setsid` and `timeout` run."""
    ours, its = pty.openpty()
    undoes = UNDOES_FOR_A_WHILE.format(first=first)
    command = [sys.executable, "-c", IN_A_TERMINAL, str(tmp_path / "in-use.lock"), undoes]
    options = {"cwd": settings.BASE_DIR, "env": os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}}
    with (
        open(ours, "wb", buffering=0) as keyboard,
        open(its, "rb", buffering=0) as terminal,
        subprocess.Popen(
            command, start_new_session=True, stdin=terminal, stdout=subprocess.PIPE, text=True, **options
        ) as process,
    ):
        assert process.stdout.readline() == "begun\n"
        keyboard.write(b"\x03")
        assert (process.stdout.read(), process.wait()) == ("undone\n", 7)


@pytest.mark.usefixtures("beside_nothing")
def test_what_is_no_program_is_said(tmp_path, capsys):
    script = tmp_path / "script"
    script.write_text("exit 7\n")
    script.chmod(0o755)
    assert run.main([str(script)]) == 1
    assert capsys.readouterr().err == f"openvpr: {script} cannot be run: exec format error\n"


@pytest.mark.usefixtures("beside_nothing")
@pytest.mark.parametrize("in_a_terminal", [True, False])
def test_a_command_that_begins_as_its_launcher_is_told_to_stop_hears_of_it(in_a_terminal, monkeypatch):
    """Also where a terminal tells, which was before it was there."""
    monkeypatch.setattr(run, "_terminal_tells", lambda _: in_a_terminal)

    def told_as_it_begins(*args, **options):
        process = popen(*args, **options)
        told(signal.SIGINT)
        return process

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", told_as_it_begins)
    assert run.main(["sleep", "30"]) == 128 + signal.SIGINT


@pytest.mark.usefixtures("beside_nothing")
def test_a_launcher_whose_interruption_was_passed_over_begins_no_command(monkeypatch, tmp_path):
    def passes_over(command):
        with suppress(Exception):
            told()
        return run._run_command(command)

    monkeypatch.setattr(run, "_run_platform", passes_over)
    assert run.main(["touch", str(tmp_path / "begun")]) == 1
    assert not (tmp_path / "begun").exists()


@pytest.mark.parametrize(("tells", "said"), [(True, "openvpr: stopping\n"), (False, "")])
def test_that_all_stops_is_said_unless_a_command_speaks(tells, said, capsys):
    process = subprocess.Popen(["sleep", "30"], start_new_session=True)
    stopping.interrupt_by(Interrupted, [signal.SIGTERM])
    with suppress(Interrupted):
        told()
    supervision._stop(process, tells=tells)
    assert capsys.readouterr().out == said


INTERRUPTED_AS_IT_IS_LOADED = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, *_):
        if name == "config.celery":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupts())
"""


def test_who_presses_ctrl_c_at_once_is_told_nothing(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED_AS_IT_IS_LOADED)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "OPENVPR_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "config"]
    ended = subprocess.run(command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_a_command_that_there_is_not_is_said_before_anything_is_started(capsys, monkeypatch):
    monkeypatch.setattr(run, "_run_platform", pytest.fail)
    assert run.main(["no-such-command"]) == 127
    assert capsys.readouterr().err == "openvpr: no command 'no-such-command' is found that may be run\n"


@pytest.mark.usefixtures("beside_nothing")
def test_a_command_that_a_signal_ends_has_the_status_that_shells_tell():
    assert run.main(["sh", "-c", "kill -TERM $PPID; exec sleep 30"]) == 128 + signal.SIGTERM


@pytest.mark.usefixtures("beside_nothing")
def test_a_command_that_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(run, "COMMAND_STOP_SECONDS", 0.5)
    stubborn = "trap '' TERM; kill -TERM $PPID; while true; do sleep 1; done"
    assert run.main(["sh", "-c", stubborn]) == 128 + signal.SIGKILL


@pytest.mark.usefixtures("beside_nothing")
@pytest.mark.parametrize(("where", "moment"), [(os, "waitid"), (stopping, "heed")])
def test_what_ended_in_the_moment_in_which_its_launcher_was_told_keeps_its_status(where, moment, monkeypatch):
    does = getattr(where, moment)

    def told_around_it(*which):
        monkeypatch.undo()
        if does is stopping.heed:
            told(signal.SIGINT)
        found = does(*which)
        told(signal.SIGINT)
        return found

    monkeypatch.setattr(where, moment, told_around_it)
    assert run.main(["sh", "-c", "exit 7"]) == 7
