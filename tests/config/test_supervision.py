"""What is said of a process manager that ends, or does not answer."""

import subprocess
import sys

import pytest

from config import programs
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
