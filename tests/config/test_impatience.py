"""Whoever sends a request drop by drop does not keep a thread."""

import socket
import time

import pytest

from api import bodies
from api.bodies import drain
from config import worker
from config.worker import ImpatientSocket


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setattr(worker, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(worker, "SLOWEST_BYTES_PER_SECOND", 100)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ImpatientSocket(ours), theirs


def test_who_sends_is_heard(pair):
    ours, theirs = pair
    theirs.sendall(b"GET")
    assert ours.recv(100) == b"GET"


def test_who_sends_nothing_is_given_up(pair):
    ours, _ = pair
    with pytest.raises(TimeoutError):
        ours.recv(100)


def test_who_sends_drop_by_drop_is_given_up(pair):
    ours, theirs = pair

    def listen_to_drops():
        while True:
            theirs.sendall(b"G")
            ours.recv(100)
            time.sleep(0.1)

    with pytest.raises(TimeoutError):
        listen_to_drops()


def test_who_began_fast_is_given_up_once_it_drips(pair):
    ours, theirs = pair
    theirs.sendall(b"x" * 5000)
    ours.recv(5000)

    def listen_to_drops():
        for _ in range(50):
            theirs.sendall(b"G")
            ours.recv(100)
            time.sleep(0.1)

    with pytest.raises(TimeoutError):
        listen_to_drops()


def test_what_is_sent_back_keeps_its_own_time(pair):
    ours, theirs = pair
    theirs.sendall(b"GET")
    ours.recv(100)
    assert ours.gettimeout() is None


class Stuck:
    """A client that has stopped sending, behind gunicorn's socket."""

    def __init__(self, ours):
        self.sock = ours

    def read(self, _):
        return ImpatientSocket(self.sock).recv(10)


def test_who_has_stopped_sending_gets_the_answer_all_the_same(rf, monkeypatch):
    monkeypatch.setattr(bodies, "DRAIN_STALLED_SECONDS", 0.1)
    monkeypatch.setattr(worker, "STALLED_SECONDS", 10_000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30)
        request = rf.generic("POST", "/", CONTENT_LENGTH="1000", **{"gunicorn.socket": ours})
        request._stream = Stuck(ours)
        drain(request)
        assert ours.gettimeout() == 30
