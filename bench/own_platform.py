"""A platform of its own for a measurement, in a folder that is removed afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile


def run_in_one(module: str) -> int:
    """Runs the module while the platform is up; returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="openvpr-bench-", ignore_cleanup_errors=True) as home:
        return subprocess.run(
            [sys.executable, "-m", "config", sys.executable, "-m", module],
            env=clean_environment()
            | {"OPENVPR_HOME": home, "OPENVPR_PORT": str(free_port()), "OPENVPR_LOG_LEVEL": "WARNING"},
            check=False,
        ).returncode


def clean_environment() -> dict[str, str]:
    """Without what could lead to a real installation's database, broker or bucket."""
    ours = ("OPENVPR_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
