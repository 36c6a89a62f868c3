"""The whole platform, started as a user starts it, and treated badly."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest
from django.conf import settings

from tests.config.installation import PATIENCE_SECONDS, Platform, installation, is_success

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with installation() as platform:
        platform.start()
        yield platform


def test_it_prints_how_to_reach_it(platform):
    assert f"http://127.0.0.1:{platform.port}/console/" in platform.printed
    assert re.search(r"login +admin / \S{12,}", platform.printed)
    assert "secret shown once" in platform.printed


def test_the_printed_curl_lines_enroll_and_identify(platform):
    assert is_success(platform.enroll())
    assert platform.identify()["data"][0]["spk_name"] == "susan"


def test_their_answers_end_where_the_prompt_begins_a_new_line(platform):
    assert platform.shown(platform.curl_lines[1]).endswith(b"}\n")


def test_it_becomes_ready_with_every_part(platform):
    platform.wait_for(lambda: json.loads(read(platform, "/health/ready"))["status"] == "ready")


def test_prometheus_is_told_what_all_web_processes_counted_also_of_one_that_is_gone(platform):
    before = requests_counted(platform)
    for _ in range(10):
        platform.identify_signed()
    assert requests_counted(platform) == before + 10
    # The topmost is the arbiter.
    arbiter = platform.process_named("gunicorn")
    for worker in arbiter.children():
        worker.terminate()
    platform.wait_for(lambda: is_success(platform.identify_signed()))
    assert requests_counted(platform) > before + 10


def requests_counted(platform) -> float:
    told = read(platform, "/metrics").decode()
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith("openvpr_requests_total{"))


def read(platform, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{platform.port}{path}") as page:
        return page.read()


def test_the_console_answers(platform):
    with urllib.request.urlopen(f"http://127.0.0.1:{platform.port}/console/") as page:
        assert b"OpenVPR" in page.read()


def test_nothing_listens_on_the_network_but_the_web_server(platform):
    processes = psutil.Process(platform.process.pid).children(recursive=True)
    ports = {c.laddr.port for process in processes for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert ports == {platform.port}


def test_secrets_and_logs_are_private(platform):
    assert {file.stat().st_mode & 0o777 for file in (platform.home / "secrets").iterdir()} == {0o600}
    assert (platform.home / "logs").stat().st_mode & 0o777 == 0o700


def test_a_second_start_in_the_same_home_is_refused(platform):
    second = subprocess.run(
        [sys.executable, "-m", "config"],
        cwd=settings.BASE_DIR,
        env=platform.environment,
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert "already running" in second.stderr


def test_a_taken_port_is_named_before_anything_is_made_or_started(platform, tmp_path):
    home = tmp_path / "home"
    second = subprocess.run(
        [sys.executable, "-m", "config"],
        cwd=settings.BASE_DIR,
        env=platform.environment | {"OPENVPR_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{platform.port}" in second.stderr
    assert not (home / "postgres").exists()
    assert not (home / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("gunicorn",),
        ("celery", "embed@%h"),
        ("celery", "embed-bulk@%h"),
        ("celery", "beat"),
        ("redis-server",),
        ("bin/postgres", "-D"),
    ],
    ids=" ".join,
)
def test_a_killed_process_is_started_again_and_the_platform_recovers(platform, words):
    killed = platform.process_named(*words)
    killed.kill()
    assert {platform.identify_signed()["code"] for _ in range(3)} <= {"0", "10700", "10800", "16003", "no answer"}
    platform.wait_for(lambda: "died and was started again" in platform.printed)
    platform.printed = platform.printed.replace("died and was started again", "was started again")
    platform.wait_for(lambda: is_success(platform.identify_signed()))


def test_no_secret_signature_or_recording_is_in_the_logs(platform):
    logs = b"".join(path.read_bytes() for path in (platform.home / "logs").iterdir())
    assert platform.credential[1].encode() not in logs
    assert b"signa=" not in logs
    assert b"OpusHead" not in logs
    assert b"fLaC" not in logs


def test_ctrl_c_stops_everything_and_a_restart_finds_everything(platform):
    processes = psutil.Process(platform.process.pid).children(recursive=True)
    assert platform.stop() == 0
    assert not [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert platform.printed.endswith("openvpr: stopping\nopenvpr: stopped\n")
    platform.start()
    assert platform.identify()["data"][0]["spk_name"] == "susan"
    assert "shown once" not in platform.printed


def test_a_platform_that_runs_a_command_ends_with_it_and_its_status():
    with installation() as platform:
        command = [sys.executable, "-c", "import sys; sys.exit(7)"]
        ran = subprocess.run(
            [sys.executable, "-m", "config", *command], cwd=settings.BASE_DIR, env=platform.environment, check=False
        )
    assert ran.returncode == 7


def test_what_is_shown_once_is_shown_by_a_first_start_that_is_stopped_and_a_manager_that_is_stopped_stops_it_all():
    with installation() as platform:
        begun = subprocess.Popen(
            [sys.executable, "-m", "config"],
            cwd=settings.BASE_DIR,
            env=platform.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        while not (platform.home / "logs" / "web.log").exists():
            assert begun.poll() is None
            time.sleep(0.05)
        begun.send_signal(signal.SIGINT)
        assert re.search(r"login +admin / \S+ .*shown once", begun.communicate(timeout=PATIENCE_SECONDS)[0])

        platform.start()
        os.kill(int((platform.home / "run" / "supervisord.pid").read_text()), signal.SIGTERM)
        assert platform.process.wait(PATIENCE_SECONDS) == 0
        platform.reader.join()
        assert platform.printed.endswith("openvpr: stopped\n")


def test_more_requests_than_may_wait_are_refused_at_once_and_the_rest_answered(platform):
    with ThreadPoolExecutor(40) as crowd:
        codes = Counter(reply["code"] for reply in crowd.map(lambda _: platform.identify_signed(), range(40)))
    assert set(codes) == {"0", "10800"}
    assert is_success(platform.identify_signed())


def test_hundreds_who_never_finish_a_request_do_not_keep_others_waiting(platform):
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", platform.port))) for _ in range(300)]
        for one in slow:
            one.sendall(b"G")
        assert is_success(platform.identify_signed())
        with pytest.raises(BlockingIOError):  # nobody had to be given up before that
            slow[0].recv(1, socket.MSG_DONTWAIT)


def test_a_start_whose_model_cannot_be_fetched_ends_with_one_line():
    with installation() as platform:
        model = {"OPENVPR_MODEL": "resnet34-LM", "OPENVPR_MODEL_MIRROR": "http://127.0.0.1:9"}
        refused = subprocess.run(
            [sys.executable, "-m", "config"],
            cwd=settings.BASE_DIR,
            env=platform.environment | model,
            capture_output=True,
            text=True,
        )
    assert refused.returncode == 1
    assert "openvpr: 127.0.0.1 cannot be reached" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
