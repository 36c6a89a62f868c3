"""The whole platform when one of those who watch over others is killed, as the kernel kills when memory runs out."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.config.installation import PATIENCE_SECONDS, Platform, free_port, installation, is_success

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def home() -> Iterator[Platform]:
    """Starts take most of the time of these tests: where one leaves a platform, the next goes on with it."""
    with installation() as platform:
        yield platform


@pytest.fixture
def platform(home: Platform) -> Iterator[Platform]:
    if not home.is_up():
        home.start()
    processes = everybody(home)
    yield home
    if not home.is_up():
        for process in running(processes):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def was_closed(platform: Platform) -> bool:
    """PostgreSQL, before its newest start."""
    *_, newest = (platform.home / "logs" / "postgres.log").read_text().split("starting PostgreSQL")
    return "was not properly shut down" not in newest


def everybody(platform: Platform) -> list[psutil.Process]:
    return psutil.Process(platform.process.pid).children(recursive=True)


def everybody_of(platform: Platform) -> list[psutil.Process]:
    """The same of one whose launcher is gone."""
    manager = manager_of(platform)
    return [manager, *manager.children(recursive=True)]


def programs_of(platform: Platform) -> list[psutil.Process]:
    """The process manager and what it runs, without what those have come and go."""
    manager = manager_of(platform)
    return [manager, *manager.children()]


def manager_of(platform: Platform) -> psutil.Process:
    return psutil.Process(int((platform.home / "run" / "supervisord.pid").read_text()))


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if is_running(one)]


def is_running(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_process_manager(platform: Platform) -> None:
    manager_of(platform).kill()


def start_another(platform: Platform) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "config"],
        cwd=settings.BASE_DIR,
        env=platform.environment,
        capture_output=True,
        text=True,
    )


def test_a_web_server_is_replaced_while_the_killed_one_still_answers_somebody(platform):
    web_log = platform.home / "logs" / "web.log"

    def starts() -> int:
        return web_log.read_text().count("Listening at")

    before = starts()
    arbiter = platform.process_named("gunicorn")
    workers = arbiter.children()
    with ExitStack() as stack:
        for _ in range(20):
            waiting = stack.enter_context(socket.create_connection(("127.0.0.1", platform.port)))
            waiting.sendall(b"POST /console/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        platform.enroll()
        arbiter.kill()
        platform.wait_for(lambda: has_let_go(platform.port) or starts() > before)
        assert running(workers)
        platform.wait_for(lambda: starts() > before)
        platform.wait_for(lambda: is_success(platform.identify_signed()))
    assert "died and was started again" not in platform.printed.replace("web died and was started again", "", 1)


def has_let_go(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_programs_end_with_a_killed_process_manager_before_the_launcher_and_nothing_is_lost(platform):
    assert is_success(platform.enroll("another"))
    processes = everybody(platform)
    kill_process_manager(platform)
    assert platform.process.wait(90) == 1
    assert not running(processes)
    assert "the process manager ended by itself" in platform.printed
    platform.start()
    assert platform.recognises("another")
    assert was_closed(platform)


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
    assert is_success(platform.enroll("third"))
    do_as_told(platform, refused)
    assert platform.recognises("third")


def do_as_told(platform: Platform, refused: subprocess.CompletedProcess[str]) -> None:
    """Run the command that the refusal names, and start again."""
    processes = everybody_of(platform)
    (command,) = re.findall("`(.+)`", refused.stderr)
    subprocess.run(command, shell=True, check=True)
    platform.wait_for(lambda: not running(processes))
    platform.start()


def test_a_start_ends_what_a_killed_launcher_left_and_nothing_is_lost(platform):
    assert is_success(platform.enroll("fourth"))
    left = everybody(platform)
    platform.process.kill()
    platform.process.wait()
    platform.start()
    assert not running(left)
    assert "stopping what is left of it" in platform.printed
    assert platform.recognises("fourth")
    assert was_closed(platform)


def test_a_command_beside_what_a_killed_launcher_left_uses_it_and_stops_nothing(platform):
    left = programs_of(platform)
    platform.process.kill()
    platform.process.wait()
    for flags in ([], ["--services"]):
        assert launched(platform, *flags, sys.executable, "manage.py", "migrate", "--check").wait() == 0
        assert running(left) == left
    assert is_success(platform.enroll("fifth"))
    platform.start()
    assert not running(left)


def test_a_start_beside_a_platform_whose_lock_is_gone_stops_nothing(platform):
    processes = programs_of(platform)
    (platform.home / ".lock").unlink()
    refused = start_another(platform)
    assert refused.returncode == 1
    assert re.fullmatch(r"openvpr: already running with .*; `kill \d+` stops it\n", refused.stderr)
    assert running(processes) == processes


def test_programs_end_with_a_killed_process_manager_when_the_launcher_was_killed_first(platform):
    processes = everybody(platform)
    platform.process.kill()
    platform.process.wait()
    kill_process_manager(platform)
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert not left
    assert not (platform.home / "postgres" / "postmaster.pid").exists()  # which PostgreSQL removes when it has closed


def test_services_of_a_killed_launcher_stay_while_its_command_runs_and_end_with_the_next_start():
    with installation() as platform, ExitStack() as stack:
        launcher = with_services(platform, "sleep", "600")
        stack.callback(launcher.kill)
        command = command_of(platform, launcher)
        everything = psutil.Process(launcher.pid).children(recursive=True)
        stack.callback(lambda: [one.kill() for one in running(everything)])
        left = programs_of(platform)
        launcher.kill()
        launcher.wait()

        assert "already running" in start_another(platform).stderr
        assert running(left) == left
        command.kill()
        platform.start()
        assert not running(left)


def test_services_of_a_killed_launcher_stay_while_a_second_command_uses_them():
    with installation() as platform, ExitStack() as stack:
        launcher = with_services(platform, "sleep", "600")
        stack.callback(launcher.kill)
        first = command_of(platform, launcher)
        second = with_services(platform, "sleep", "600")
        stack.callback(second.kill)
        last = command_of(platform, second)
        stack.callback(lambda: [one.kill() for one in running([last])])
        everything = psutil.Process(launcher.pid).children(recursive=True)
        stack.callback(lambda: [one.kill() for one in running(everything)])
        left = programs_of(platform)
        launcher.kill()
        second.kill()
        first.kill()

        assert "already running" in start_another(platform).stderr
        assert running(left) == left
        last.kill()
        platform.start()
        assert not running(left)


def command_of(platform: Platform, launcher: subprocess.Popen[bytes]) -> psutil.Process:
    def found() -> list[psutil.Process]:
        return [one for one in psutil.Process(launcher.pid).children() if one.name() == "sleep"]

    platform.wait_for(found)
    return found()[0]


def test_what_a_command_left_in_the_background_keeps_no_start_out():
    with installation() as platform, ExitStack() as stack:
        assert with_services(platform, "sh", "-c", f"sleep 600 & echo $! >{platform.home}/background").wait() == 0
        background = psutil.Process(int((platform.home / "background").read_text()))
        stack.callback(background.kill)
        launcher = with_services(platform, "sleep", "600")
        stack.callback(launcher.kill)
        command = command_of(platform, launcher)
        left = psutil.Process(launcher.pid).children(recursive=True)
        stack.callback(lambda: [one.kill() for one in running(left)])
        launcher.kill()
        command.kill()
        platform.start()
        assert not running(left)
        assert background.is_running()


def with_services(platform: Platform, *command: str) -> subprocess.Popen[bytes]:
    return launched(platform, "--services", *command)


def launched(platform: Platform, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "config", *arguments], cwd=settings.BASE_DIR, env=platform.environment
    )


def test_of_two_starts_at_once_one_wins_and_the_other_says_so():
    with tempfile.TemporaryDirectory(prefix="openvpr-run-", ignore_cleanup_errors=True) as folder:
        one, other = platforms = [Platform(Path(folder), free_port()) for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(Platform.start, platforms))
        winner, loser = (one, other) if one.process.poll() is None else (other, one)
        assert loser.process.wait() == 1
        assert re.fullmatch("openvpr: .*(just being started|already running).*\n", loser.printed)
        assert winner.process.poll() is None, winner.printed
        assert is_success(winner.enroll())
        assert winner.stop() == 0
