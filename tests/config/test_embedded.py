"""The embedded PostgreSQL has room for everybody at once."""

import os
import subprocess
import sys

from django.conf import settings

ASK = "from config import embedded; print(' '.join(embedded.postgres_command()))"


def test_the_busiest_jobs_leave_a_connection_for_each_web_thread(tmp_path):
    """One for each of 16 jobs' own threads, beats and items."""
    size = {"OPENVPR_WEB_PROCESSES": "2", "OPENVPR_WEB_THREADS": "10", "OPENVPR_BULK_CONCURRENCY": "8"}
    said = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=settings.BASE_DIR,
        env=os.environ | size | {"OPENVPR_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    connections = int(said.split("max_connections=")[1].split()[0])
    assert connections > 2 * 10 + 16 * (1 + 1 + 8)
