"""A web server of two threads, and clients that are slow in every way that needs no right to come in."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from django.conf import settings

from config.waiting import LARGEST_HEAD_BYTES, is_readable
from tests.config.installation import free_port

THREADS = 2
PATIENT = ["--no-control-socket", "--graceful-timeout", "3600"]
START = """
from gunicorn.app.wsgiapp import run
from config import waiting
waiting.HEAD_SECONDS = waiting.LINGER_SECONDS = {seconds}
run()
"""
STOPPED_WHILE_IT_FORKS = """
import os, signal, time
from gunicorn.app.wsgiapp import run

def fork(fork=os.fork):
    pid = fork()
    if pid == 0:
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(1)
    return pid

os.fork = fork
run()
"""
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ASK_ONCE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Opener = Callable[[], socket.socket]


@contextmanager
def web_server(home: Path, *, patience_seconds: float) -> Iterator[tuple[Opener, subprocess.Popen[bytes]]]:
    """It, and how to connect to it."""
    port = free_port()
    options = ["--worker-class", "config.worker.Worker", "--threads", str(THREADS)]
    options += [
        "--config",
        "python:config.worker",
        *PATIENT,
        "--bind",
        f"127.0.0.1:{port}",
        "wsgiref.simple_server:demo_app",
    ]
    server = subprocess.Popen(
        [sys.executable, "-c", START.format(seconds=patience_seconds), *options],
        cwd=settings.BASE_DIR,
        env=os.environ | {"OPENVPR_HOME": str(home)},
    )
    with ExitStack() as clients:
        clients.callback(server.wait, 60)
        clients.callback(server.terminate)

        def opened() -> socket.socket:
            return clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))

        while True:
            with suppress(ConnectionRefusedError):
                opened()
                break
            assert server.poll() is None
            time.sleep(0.05)
        yield opened, server


@pytest.fixture(scope="module")
def connect(tmp_path_factory) -> Iterator[Opener]:
    with web_server(tmp_path_factory.mktemp("home"), patience_seconds=3600) as (opened, _):
        yield opened


@pytest.fixture
def connect_briefly(tmp_path) -> Iterator[Opener]:
    with web_server(tmp_path, patience_seconds=0.5) as (opened, _):
        yield opened


def answers(client: socket.socket, requests: int = 1) -> list[bytes]:
    """The first lines of so many answers."""
    received = b""
    while received.count(b"HTTP/1.1 ") < requests or not received.endswith(b"0\r\n\r\n"):
        more = client.recv(65536)
        assert more, received
        received += more
    return [line for line in received.splitlines() if line.startswith(b"HTTP/1.1 ")]


def rest(client: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while more := client.recv(65536):
            received += more
    return received


def is_waited_for(client: socket.socket) -> bool:
    """The server has not closed it: whoever sends on after that is told so."""
    client.settimeout(0.2)
    try:
        client.sendall(b"a")
        return client.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def silent(client: socket.socket) -> None:
    pass


def at_its_beginning(client: socket.socket) -> None:
    client.sendall(b"G")


def at_its_second_request(client: socket.socket) -> None:
    client.sendall(ASK)
    answers(client)
    client.sendall(b"G")


def at_its_second_request_begun_with_the_first(client: socket.socket) -> None:
    client.sendall(ASK + b"G")
    answers(client)


def behind_an_empty_line(client: socket.socket) -> None:
    client.sendall(b"\r\n\r")


@pytest.mark.parametrize(
    "slow",
    [
        silent,
        at_its_beginning,
        at_its_second_request,
        at_its_second_request_begun_with_the_first,
        behind_an_empty_line,
    ],
)
def test_whoever_is_slow_to_say_what_it_wants_keeps_nobody_waiting(connect, slow):
    waiting = []
    for _ in range(5 * THREADS):
        waiting.append(connect())
        slow(waiting[-1])
    client = connect()
    client.sendall(ASK)
    assert answers(client) == [b"HTTP/1.1 200 OK"]
    assert all(map(is_waited_for, waiting))


def test_whoever_does_not_close_after_the_answer_keeps_nobody_waiting(connect):
    lingering = [connect() for _ in range(5 * THREADS)]
    for one in lingering:
        one.sendall(ASK_ONCE)
        assert rest(one).startswith(b"HTTP/1.1 200 OK")
    for one in lingering:
        one.sendall(b"still there")
    client = connect()
    client.sendall(ASK)
    assert answers(client) == [b"HTTP/1.1 200 OK"]
    for one in lingering:
        one.sendall(b"still there")


@pytest.mark.parametrize("slow", [silent, at_its_beginning, at_its_second_request])
def test_whoever_does_not_come_to_the_end_is_given_up(connect_briefly, slow):
    client = connect_briefly()
    slow(client)
    while is_waited_for(client):
        pass


def test_a_head_may_come_in_pieces_of_any_size(connect):
    client = connect()
    for byte in ASK:
        client.sendall(bytes([byte]))
    assert answers(client) == [b"HTTP/1.1 200 OK"]


def test_requests_sent_at_once_are_answered_one_by_one(connect):
    client = connect()
    client.sendall(ASK * 3)
    assert answers(client, 3) == [b"HTTP/1.1 200 OK"] * 3


def test_a_head_without_an_end_is_refused(connect):
    client = connect()
    client.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * (LARGEST_HEAD_BYTES + 1))
    assert rest(client).startswith(b"HTTP/1.1 431 ")


def test_what_ends_within_its_head_is_not_waited_for(connect):
    client = connect()
    client.sendall(b"GET / HTTP/1.1\r\n")
    client.shutdown(socket.SHUT_WR)
    assert rest(client) == b""


@pytest.mark.parametrize("wrong", [b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\n", b"\n"])
def test_lines_that_end_otherwise_are_refused_at_once(connect, wrong):
    client = connect()
    client.sendall(wrong)
    assert rest(client).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("head", [b"", b"G", ASK[:-1], b"\r\n\r\n", b"\r\nGET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r"])
def test_a_head_without_its_end_is_not_read(head):
    assert not is_readable(head)


@pytest.mark.parametrize("slow", [silent, at_its_beginning, at_its_second_request])
def test_a_server_that_stops_waits_for_nobody_who_has_not_said_what_it_wants(tmp_path, slow):
    with web_server(tmp_path, patience_seconds=3600) as (connect, server):
        slow(connect())
        server.terminate()
        server.wait(60)


def test_a_server_that_stops_waits_for_nobody_who_begins_another_request_then(tmp_path):
    with web_server(tmp_path, patience_seconds=3600) as (connect, server):
        client = connect()
        client.sendall(ASK)
        answers(client)
        server.terminate()
        # The server gives it a second in which to go on, of which a part is over.
        time.sleep(0.3)
        client.sendall(b"G")
        server.wait(60)


@pytest.mark.parametrize("config", ["config.worker", "config.gunicorn"])
def test_a_server_that_is_stopped_while_it_starts_a_worker_does_not_wait_for_it(config):
    options = ["--config", f"python:{config}", *PATIENT, "wsgiref.simple_server:demo_app"]
    command = [sys.executable, "-c", STOPPED_WHILE_IT_FORKS, "--bind", f"127.0.0.1:{free_port()}", *options]
    assert subprocess.run(command, cwd=settings.BASE_DIR, timeout=60).returncode == 0
