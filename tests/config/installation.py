"""The whole platform, started as a user starts it, with a home of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import psutil
from django.conf import settings

from api.abcpen.signature import signature

PATIENCE_SECONDS = 150


class Platform:
    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENVPR", "DATABASE", "REDIS"))
        } | {"OPENVPR_HOME": str(home), "OPENVPR_PORT": str(port), "OPENVPR_WORKERS": "1", "PYTHONUNBUFFERED": "1"}
        self.process: subprocess.Popen[str] | None = None
        self.printed = ""
        self.curl_lines: list[str] = []

    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.printed = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config"],
            cwd=settings.BASE_DIR,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.wait_for(lambda: "logs in" in self.printed or self.process.poll() is not None)
        if "shown once" in self.printed:
            self.wait_for(lambda: "/voiceid/recognize" in self.printed)
            self.curl_lines = re.findall(r"^\s+(curl .*)$", self.printed, re.MULTILINE)
        if shown := re.search(r"key +(\S+) / (\S+)", self.printed):
            self.credential = shown[1], shown[2]

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.printed += line

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            left = psutil.Process(self.process.pid).children(recursive=True)
            told = [one.info["cmdline"] for one in psutil.process_iter(["cmdline"]) if one in left]
            self.kill()
            raise AssertionError(f"it did not stop, nor did {told}") from None
        self.reader.join()
        return status

    def kill(self) -> None:
        """What a failed test leaves would keep the next ones from their work."""
        for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def shell(self, line: str) -> dict:
        return json.loads(self.shown(line))

    def shown(self, line: str) -> bytes:
        """What a terminal would show that knows nothing of the platform but what it has printed."""
        environment = {name: value for name, value in self.environment.items() if not name.startswith("OPENVPR")}
        command = ["bash", "-c", line]
        return subprocess.run(command, cwd=settings.BASE_DIR, env=environment, capture_output=True).stdout

    def enroll(self, name: str = "susan") -> dict:
        return self.shell(self.curl_lines[0].replace("spk_name=susan", f"spk_name={name}"))

    def identify(self) -> dict:
        return self.shell(self.curl_lines[1])

    def recognises(self, name: str) -> bool:
        return name in {one["spk_name"] for one in self.identify()["data"]}

    def identify_signed(self) -> dict:
        """The same, signed here: the printed line asks the database, which may be down."""
        key_id, secret = self.credential
        ts = str(int(time.time()))
        query = urlencode({"appid": key_id, "ts": ts, "signa": signature(key_id, ts, secret)})
        line = re.sub(r'\?\$.*"$', f'?{query}"', self.curl_lines[1])
        return self.shell(f"""{line} || echo '{{"code": "no answer"}}'""")

    def process_named(self, *words: str) -> psutil.Process:
        """The topmost process of this platform whose command line has all these words."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            if all(any(word in part for part in process.cmdline()) for word in words):
                return process
        raise AssertionError(f"no process {words}")

    def wait_for(self, condition) -> None:
        gives_up = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < gives_up, self.printed
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def installation() -> Iterator[Platform]:
    """With a home of its own. What is up in the end is stopped."""
    with tempfile.TemporaryDirectory(prefix="openvpr-run-", ignore_cleanup_errors=True) as folder:
        platform = Platform(Path(folder), free_port())
        try:
            yield platform
        finally:
            if platform.is_up():
                platform.stop()


def is_success(reply: dict) -> bool:
    return reply["code"] == "0"
