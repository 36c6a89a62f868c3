"""The whole platform on a disk that becomes full, until PostgreSQL finds no room for its log."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.config.installation import Platform, free_port, is_success
from tests.disks import small_disk

pytestmark = [pytest.mark.platform, pytest.mark.timeout(400)]


@contextmanager
def disk_for_a_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="openvpr-run-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        stack.enter_context(small_disk(Path(folder), "512m"))
        yield Path(folder)


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    with disk_for_a_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def home(disk: Path) -> Iterator[Platform]:
    """Starts take most of the time of these tests: where one leaves a platform, the next goes on with it."""
    platform = Platform(disk / "home", free_port())
    yield platform
    (disk / "filler").unlink(missing_ok=True)
    if platform.is_up():
        platform.stop()


@pytest.fixture
def platform(home: Platform, disk: Path) -> Platform:
    (disk / "filler").unlink(missing_ok=True)
    if not home.is_up():
        home.start()
    return home


def fill(disk: Path) -> Path:
    """Returns what to remove for there to be room again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))
    return filler


def fill_to_the_last(disk: Path) -> Path:
    """So that not even a line of a log finds room."""
    filler = fill(disk)
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1))
    return filler


def write_on(platform: Platform, disk: Path) -> Path:
    """Until PostgreSQL has no room for its log, as many enrollments would do it."""
    password = (platform.home / "secrets" / "postgres-superuser").read_text()
    about = {"host": str(platform.home / "postgres"), "user": "postgres", "dbname": "template1"}
    with psycopg.connect(**about, password=password, autocommit=True) as connection:
        filler = fill(disk)
        with suppress(psycopg.OperationalError):
            while True:
                connection.execute("SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))")
    return filler


def test_it_says_that_the_disk_is_full_refuses_requests_and_goes_on_when_there_is_room(platform, disk):
    assert is_success(platform.enroll("susan"))
    filler = write_on(platform, disk)
    platform.wait_for(lambda: f"the disk of {platform.home} is full" in platform.printed)
    assert "postgres cannot run" in platform.printed
    assert platform.identify_signed()["code"] == "16003"
    filler.unlink()
    platform.wait_for(lambda: is_success(platform.identify_signed()))
    assert platform.recognises("susan")
    assert platform.process.poll() is None
    assert "Traceback" not in platform.printed


def test_what_no_log_has_room_for_ends_nothing(platform, disk):
    assert is_success(platform.enroll("another"))
    filler = fill_to_the_last(disk)
    assert {platform.enroll(f"nobody{number}")["code"] for number in range(10)} == {"16003"}
    assert platform.process.poll() is None
    filler.unlink()
    platform.wait_for(lambda: is_success(platform.identify_signed()))
    assert platform.process.poll() is None


def test_a_first_start_on_a_full_disk_says_so_in_one_line():
    with disk_for_a_home() as disk:
        platform = Platform(disk / "home", free_port())
        fill(disk)
        platform.start()
        assert platform.process.wait() == 1
        assert re.fullmatch(r"openvpr: OPENVPR_HOME cannot hold \S+: no space left on device\n", platform.printed)


def test_a_start_on_a_full_disk_names_it_and_a_later_one_finds_everything(platform, disk):
    assert is_success(platform.enroll("third"))
    platform.stop()
    filler = fill(disk)
    platform.start()
    assert platform.process.wait() == 1
    assert f"the disk of {platform.home} is full" in platform.printed
    assert "postgres cannot run" in platform.printed
    assert "Traceback" not in platform.printed
    filler.unlink()
    platform.start()
    assert platform.recognises("third")
