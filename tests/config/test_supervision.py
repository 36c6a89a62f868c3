"""What is said of a process manager that ends, or does not answer."""

import signal
import subprocess
import sys
import xmlrpc.client
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from django.conf import settings
from supervisor.xmlrpc import Faults

from config import programs, supervision
from config.supervision import Failed, Stopped, Supervisor

# supervisor closes no socket that could not be connected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize(("status", "outcome"), [(0, Stopped), (1, Failed)])
def test_nothing_is_started_by_one_that_has_ended(status, outcome, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])
    with pytest.raises(outcome):
        Supervisor(tmp_path, ended).start(programs.programs())


def test_one_that_does_not_answer_is_said_in_one_line(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as silent:
        with pytest.raises(Failed, match=r"^the process manager does not answer: [^\n]+$"):
            Supervisor(tmp_path, silent).start(programs.programs())
        silent.kill()


def test_what_it_refuses_is_said_in_one_line(tmp_path, monkeypatch):
    def refuse(name, _):
        raise xmlrpc.client.Fault(Faults.SPAWN_ERROR, f"SPAWN_ERROR: {name}")

    monkeypatch.setattr(supervision, "_control", lambda _: SimpleNamespace(startProcess=refuse))
    with subprocess.Popen(["sleep", "60"]) as running, ExitStack() as stack:
        stack.callback(running.kill)
        with pytest.raises(Failed, match=r"^the process manager refuses: SPAWN_ERROR: [^\n]+$"):
            Supervisor(tmp_path, running).start(programs.programs())


TOLD_TO_STOP_AT_ONCE = """
import os, signal, time
from supervisor.options import ServerOptions
from config import manager

options = ServerOptions()
options.setsignals()
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
pid = options.fork()
if pid == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_program_that_is_told_to_stop_before_it_has_begun_ends():
    told = [sys.executable, "-c", TOLD_TO_STOP_AT_ONCE]
    assert subprocess.check_output(told, cwd=settings.BASE_DIR, text=True) == f"{-signal.SIGTERM}\n"


TOLD_TO_STOP_AS_IT_BEGINS = """
import os, signal
from config import lifeline

os.getppid = lambda: os.getsid(0)
os.execvp = lambda *_: os.kill(os.getpid(), signal.SIGINT)
lifeline.main("INT", "", "true")
"""


def test_a_program_that_is_interrupted_as_it_begins_ends():
    """Python would raise, which the beginning of a program passes over."""
    command = [sys.executable, "-c", TOLD_TO_STOP_AS_IT_BEGINS]
    ended = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")
