"""The PostgreSQL and the Redis of the test run, which a test may kill and start again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
from celery import current_app
from django.conf import settings

from config import embedded

# A busy machine takes its time to write everything down.
PATIENCE_SECONDS = 120


class Server:
    def __init__(self, prepare: Callable[[], None], command: Callable[[], list[str]], wait: Callable[[], None]) -> None:
        self.prepare, self.command, self.wait = prepare, command, wait
        self.process: subprocess.Popen[bytes] | None = None
        self.account: str | None = None

    def start(self, account: str | None = None) -> None:
        self.prepare()
        self.account = account
        with (settings.HOME / "servers.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), user=account, group=account, cwd="/", stdout=log, stderr=log
            )
        self.wait()

    def stop(self, how: int = signal.SIGINT) -> None:
        assert self.process
        self.process.send_signal(how)
        self.process.wait(PATIENCE_SECONDS)

    @contextmanager
    def down(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start(self.account)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It says nothing, and closes nothing."""
        assert self.process
        with frozen(psutil.Process(self.process.pid)):
            yield


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """With all its children."""
    process.suspend()
    everybody = [process, *process.children(recursive=True)]
    for one in everybody:
        with suppress(psutil.NoSuchProcess):
            one.suspend()
    try:
        yield
    finally:
        for one in everybody:
            with suppress(psutil.NoSuchProcess):
                one.resume()


def _hasty_postgres() -> list[str]:
    """What it has told the operating system outlives every process that a test kills; that is waited for, no disk."""
    return [*embedded.postgres_command(), "-c", "fsync=off", "-c", "full_page_writes=off"]


REDIS = Server(embedded.prepare_redis, embedded.redis_command, embedded.wait_for_redis)
POSTGRES = Server(embedded.prepare_postgres, _hasty_postgres, embedded.wait_for_postgres)


@contextmanager
def through_the_queue() -> Iterator[None]:
    """Recordings and jobs wait for a worker, as in production, and are not done at once by whoever asks."""
    current_app.conf.task_always_eager = False
    try:
        yield
    finally:
        current_app.conf.task_always_eager = True
