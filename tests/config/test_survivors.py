"""The whole platform when one of those who watch over others is killed, as the kernel kills when memory runs out."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.config.test_run import PATIENCE_SECONDS, Platform, free_port, is_success

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]


@pytest.fixture
def platform() -> Iterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="openvpr-run-", ignore_cleanup_errors=True) as folder:
        platform = Platform(Path(folder), free_port())
        platform.start()
        processes = everybody(platform)
        yield platform
        if platform.process.poll() is None:
            processes += everybody(platform)
            platform.stop()
        for process in running(processes):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def everybody(platform: Platform) -> list[psutil.Process]:
    return psutil.Process(platform.process.pid).children(recursive=True)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def kill_process_manager(platform: Platform) -> None:
    psutil.Process(int((platform.home / "run" / "supervisord.pid").read_text())).kill()


def start_another(platform: Platform) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "config"],
        cwd=settings.BASE_DIR,
        env=platform.environment,
        capture_output=True,
        text=True,
    )


def test_programs_end_with_a_killed_process_manager_before_the_launcher_and_nothing_is_lost(platform):
    assert is_success(platform.enroll())
    processes = everybody(platform)
    kill_process_manager(platform)
    assert platform.process.wait(90) == 1
    assert not running(processes)
    assert "the process manager ended by itself" in platform.printed
    platform.start()
    assert platform.identify()["data"][0]["spk_name"] == "susan"
    assert "was not properly shut down" not in (platform.home / "logs" / "postgres.log").read_text()


def test_programs_end_with_a_killed_process_manager_when_the_launcher_was_killed_first(platform):
    processes = everybody(platform)
    platform.process.kill()
    platform.process.wait()
    kill_process_manager(platform)
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert not left
    assert not (platform.home / "postgres" / "postmaster.pid").exists()  # which PostgreSQL removes when it has closed


def test_a_start_beside_services_that_nobody_can_stop_touches_nothing(platform):
    """As when the launcher was killed and somebody tidied up: the process manager runs on, and cannot be asked."""
    processes, run = everybody(platform), platform.home / "run"
    platform.process.kill()
    platform.process.wait()
    (run / "supervisor.sock").unlink()
    before = sorted(run.iterdir()), (run / "supervisord.pid").read_text()
    refused = start_another(platform)
    assert refused.returncode == 1
    assert re.fullmatch(
        r"openvpr: still running with .*: PostgreSQL \(process \d+\) and Redis \(process \d+\); .*\n", refused.stderr
    )
    assert {int(pid) for pid in re.findall(r"process (\d+)", refused.stderr)} < {process.pid for process in processes}
    assert before == (sorted(run.iterdir()), (run / "supervisord.pid").read_text())
    assert is_success(platform.enroll())


def test_a_web_server_is_replaced_while_the_killed_one_still_answers_somebody(platform):
    web_log = platform.home / "logs" / "web.log"
    arbiter = platform.process_named("gunicorn")
    workers = arbiter.children()
    with ExitStack() as stack:
        for _ in range(20):
            waiting = stack.enter_context(socket.create_connection(("127.0.0.1", platform.port)))
            waiting.sendall(b"POST /console/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        platform.enroll()
        arbiter.kill()
        platform.wait_for(lambda: web_log.read_text().count("Listening at") == 2)
        assert running(workers)
        platform.wait_for(lambda: is_success(platform.identify_signed()))
    assert "died and was started again" not in platform.printed.replace("web died and was started again", "", 1)
