"""The embedded PostgreSQL has room for everybody at once."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ASK = "from config import embedded; print(' '.join(embedded.postgres_command()))"

STOPPED_MIDWAY = """
import subprocess, time
from config import embedded, settings

def stopped_midway(command, **options):
    del options["check"], options["capture_output"]
    begun = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    while not (settings.POSTGRES_DATA / "PG_VERSION").exists():
        time.sleep(0.001)
    begun.kill()
    begun.wait()
    raise KeyboardInterrupt

run, subprocess.run = subprocess.run, stopped_midway
try:
    embedded.prepare_postgres()
except KeyboardInterrupt:
    subprocess.run = run
embedded.prepare_postgres()
command = embedded.postgres_command()
account = embedded.postgres_account()
asked = {"input": "SELECT count(*) FROM pg_language", "user": account, "group": account, "cwd": "/"}
single = [command[0], "--single", *command[1:], "postgres"]
print(run(single, **asked, stdout=subprocess.PIPE, text=True, check=True).stdout)
"""


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


def test_what_was_stopped_while_it_made_the_database_is_begun_anew(short_home):
    said = subprocess.run(
        [sys.executable, "-c", STOPPED_MIDWAY],
        cwd=settings.BASE_DIR,
        env=os.environ | {"OPENVPR_HOME": str(short_home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert 'count = "4"' in said


@pytest.fixture
def short_home() -> Iterator[Path]:
    """The path of a socket may not be long."""
    with tempfile.TemporaryDirectory(prefix="openvpr-initdb-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
