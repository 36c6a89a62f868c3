"""Loaded before Django's settings: a home of its own for the test run, and the embedded servers in it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="openvpr-test-"))
os.environ["OPENVPR_HOME"] = str(HOME)
os.environ["OPENVPR_EAGER"] = "1"
atexit.register(shutil.rmtree, HOME, ignore_errors=True)


@contextmanager
def running(command: list[str], account: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with (HOME / "servers.log").open("ab") as log:
        process = subprocess.Popen(command, user=account, group=account, cwd="/", stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
