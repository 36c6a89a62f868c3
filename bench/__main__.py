"""`make bench`: every figure of speed and memory, each beside what it is compared with, in one run.

Starts a platform of its own in a folder that is removed afterwards.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile

from bench import analysis


def main() -> int:
    print("One recording, step by step")
    analysis.main()
    with tempfile.TemporaryDirectory(prefix="openvpr-bench-", ignore_cleanup_errors=True) as home:
        return subprocess.run(
            [sys.executable, "-m", "config", sys.executable, "-m", "bench.platform"],
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


if __name__ == "__main__":
    sys.exit(main())
