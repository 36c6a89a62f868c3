"""The command line, where it cannot do anything."""

import os
import signal
import subprocess
import sys

import pytest

from config.settings import BASE_DIR


def test_a_database_that_does_not_answer_is_said_in_one_line():
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing"}
    command = [sys.executable, "manage.py", "models", "list"]
    ended = subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("openvpr: the database fails: ")
    assert "127.0.0.1" in line


def test_without_the_platform_its_own_database_is_missed(tmp_path):
    environment = os.environ | {"OPENVPR_HOME": str(tmp_path)}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "manage.py", "models", "list"]
    ended = subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False)

    assert ended.stderr.endswith("It is the platform's own, which has to run meanwhile: `make run`.\n")


UNDOES = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{told})
    time.sleep(30)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.{told})
    print("undone")
    raise
"""


@pytest.mark.parametrize(("told", "ignored"), [("SIGINT", ""), ("SIGTERM", ""), ("SIGHUP", ""), ("SIGTERM", "INT")])
def test_whoever_is_told_to_stop_undoes_what_was_begun_as_by_ctrl_c(told, ignored):
    """Also in the background of a script, where nobody hears Ctrl-C."""
    ended = shell(UNDOES.format(told=told), ignored)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "undone\n", "")


TOLD_TWICE = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{first})
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep({later})
    try:
        os.kill(os.getpid(), signal.{then})
        time.sleep(1)
    except KeyboardInterrupt:
        print("heard again")
        raise
"""


@pytest.mark.parametrize(
    ("first", "then", "later"), [("SIGINT", "SIGINT", 1.2), ("SIGTERM", "SIGTERM", 1.2), ("SIGHUP", "SIGTERM", 0)]
)
def test_whoever_is_told_to_stop_later_or_otherwise_hears_it_again(first, then, later):
    """As by a launcher to whom the way out takes too long, or by somebody who presses Ctrl-C once more."""
    ended = shell(TOLD_TWICE.format(first=first, then=then, later=later))
    assert (ended.returncode, ended.stdout) == (130, "heard again\n")


IN_A_FINALIZER = """
import os, signal, time, weakref

class Thing: pass

thing = Thing()
weakref.finalize(thing, os.kill, os.getpid(), signal.{told})
try:
    del thing
    time.sleep(5)
except KeyboardInterrupt:
    print("undone")
    raise
"""


@pytest.mark.parametrize(("told", "ignored"), [("SIGINT", ""), ("SIGTERM", "INT")])
def test_whoever_is_told_to_stop_while_a_finalizer_runs_hears_of_it_after_that(told, ignored):
    ended = shell(IN_A_FINALIZER.format(told=told), ignored)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "undone\n", "")


def test_what_else_fails_in_a_finalizer_is_told():
    ended = shell("import weakref; thing = {1}; weakref.finalize(thing, int, 'x'); del thing; print('went on')")
    assert (ended.returncode, ended.stdout) == (0, "went on\n")
    assert ended.stderr.endswith("ValueError: invalid literal for int() with base 10: 'x'\n")


LISTENS_ITSELF = """
import os, signal
signal.signal(signal.SIGINT, lambda *_: print("heard in its own way"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_command_with_a_way_of_its_own_to_hear_ctrl_c_hears_others_in_it():
    ended = shell(LISTENS_ITSELF)
    assert (ended.returncode, ended.stdout) == (0, "heard in its own way\n")


def test_what_nohup_runs_goes_on_when_its_terminal_is_closed():
    ended = shell("import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('went on')", "HUP")
    assert (ended.returncode, ended.stdout) == (0, "went on\n")


def shell(script, ignored=""):
    """By whoever ignores that signal, if any."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", script]
    ignoring = ["sh", "-c", f'trap "" {ignored}; exec "$@"', "sh", *command] if ignored else command
    return subprocess.run(ignoring, cwd=BASE_DIR, preexec_fn=hear_of_all, capture_output=True, text=True, check=False)


def hear_of_all():
    """Whatever runs the tests."""
    for which in (signal.SIGINT, signal.SIGHUP):
        signal.signal(which, signal.SIG_DFL)
