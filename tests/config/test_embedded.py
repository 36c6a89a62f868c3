"""The embedded PostgreSQL has room for everybody at once."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import embedded
from tests.disks import small_disk

ASK = "from config import embedded; print(' '.join(embedded.postgres_command()))"

STOPPED_MIDWAY = """
import os, subprocess, sys, time
from pathlib import Path
from config import embedded

def stopped_midway(command, **options):
    del options["check"], options["capture_output"]
    begun = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    made = Path(command[command.index("-D") + 1])
    while not (made / "PG_VERSION").exists() and begun.poll() is None:
        time.sleep(0.001)
    begun.kill()
    begun.wait()
    if sys.argv[1] == "killed":
        os._exit(0)
    raise KeyboardInterrupt

subprocess.run = stopped_midway
embedded.prepare_postgres()
"""

ASK_THE_DATABASE = """
import subprocess
from config import embedded

embedded.prepare_postgres()
command = embedded.postgres_command()
account = embedded.postgres_account()
asked = {"input": "SELECT count(*) FROM pg_language", "user": account, "group": account, "cwd": "/"}
single = [command[0], "--single", *command[1:], "postgres"]
print(subprocess.run(single, **asked, stdout=subprocess.PIPE, text=True, check=True).stdout)
"""


def run(home, script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ | {"OPENVPR_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


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


@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_what_was_stopped_while_it_made_the_database_is_begun_anew(how, short_home):
    stopped = run(short_home, STOPPED_MIDWAY, how)
    assert "KeyboardInterrupt" in stopped.stderr if how == "interrupted" else stopped.returncode == 0
    assert not (short_home / "postgres" / "PG_VERSION").exists()
    assert 'count = "4"' in run(short_home, ASK_THE_DATABASE).stdout
    assert list((short_home / "postgres").glob(".*")) == []


STOPPED_WHILE_IT_IS_PUT_IN_PLACE = """
import os, sys
from pathlib import Path
from config import embedded

renamed, steps = Path.rename, iter(range(int(sys.argv[1])))

def rename(self, target):
    renamed(self, target)
    if next(steps, None) is None:
        os._exit(9)

Path.rename = rename
embedded.prepare_postgres()
"""


def test_what_was_stopped_while_a_database_was_put_in_place_is_gone_on_with(short_home):
    renames = 0
    while (stopped := run(short_home, STOPPED_WHILE_IT_IS_PUT_IN_PLACE, str(min(renames, 3)))).returncode == 9:
        renames += 1
    assert stopped.returncode == 0, stopped.stderr
    assert renames > 3
    assert 'count = "4"' in run(short_home, ASK_THE_DATABASE).stdout
    assert list((short_home / "postgres").glob(".*")) == []


def test_the_database_may_lie_on_a_disk_of_its_own(short_home):
    data = short_home / "postgres"
    data.mkdir()
    with small_disk(data, "128m"):
        (data / "lost+found").mkdir(0o700)
        assert 'count = "4"' in run(short_home, ASK_THE_DATABASE).stdout


def test_a_disk_without_room_is_given_as_the_reason(short_home):
    data = short_home / "postgres"
    data.mkdir()
    with small_disk(data, "8m"):
        assert "No space left on device" in run(short_home, ASK_THE_DATABASE).stderr.splitlines()[-1]
        assert list(data.iterdir()) == []


def test_the_database_may_lie_elsewhere(short_home):
    elsewhere = short_home / "elsewhere"
    elsewhere.mkdir()
    (short_home / "postgres").symlink_to(elsewhere)
    assert 'count = "4"' in run(short_home, ASK_THE_DATABASE).stdout
    assert (elsewhere / "PG_VERSION").exists()


def test_a_folder_that_holds_something_else_is_refused_and_kept(short_home):
    somebodys = short_home / "postgres" / "base" / "5"
    somebodys.mkdir(parents=True)
    (somebodys / "1259").touch()
    (short_home / "postgres").chmod(0o755)
    before = (short_home / "postgres").stat()
    for _ in range(2):
        assert "holds something, but no database" in run(short_home, ASK_THE_DATABASE).stderr
    assert (somebodys / "1259").exists()
    after = (short_home / "postgres").stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


AS_A_PLAIN_ACCOUNT = """
import os
from config import embedded, settings

NOBODY = 65534
if os.geteuid() == 0:
    for its in (settings.HOME, settings.POSTGRES_DATA):
        os.chown(its, NOBODY, NOBODY)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
embedded.prepare_postgres()
"""


def test_a_folder_that_nobody_may_look_into_is_refused_and_kept(short_home):
    data = short_home / "postgres"
    (data / "base").mkdir(parents=True)
    (data / "postgresql.conf").write_text("mine")
    data.chmod(0o300)
    assert run(short_home, AS_A_PLAIN_ACCOUNT).stderr.splitlines()[-1].endswith(f"{data}: permission denied")
    assert stat.S_IMODE(data.stat().st_mode) == 0o300
    assert (data / "postgresql.conf").read_text() == "mine"


def database_of(version, home):
    data = home / "postgres"
    (data / "base").mkdir(parents=True)
    (data / "PG_VERSION").write_text(f"{version}\n")
    data.chmod(0o750)
    return data


def test_a_database_of_another_version_is_refused_and_kept(short_home):
    data = database_of(14, short_home)
    if os.geteuid() == 0:
        run(short_home, "from config import embedded; embedded._hand_over(embedded.settings.HOME)")
        shutil.chown(data / "PG_VERSION", embedded.POSTGRES_ACCOUNT)
    before = data.stat()
    said = run(short_home, ASK_THE_DATABASE).stderr.splitlines()[-1]
    assert said.endswith(f"{data} holds a database of PostgreSQL 14; this is {embedded.POSTGRES_VERSION}")
    assert (data.stat().st_mode, data.stat().st_uid) == (before.st_mode, before.st_uid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")
def test_a_database_of_somebody_else_is_refused_and_kept(short_home):
    data = database_of(embedded.POSTGRES_VERSION, short_home)
    for its in (data, data / "PG_VERSION"):
        os.chown(its, 65534, 65534)
    assert "holds a database of another account" in run(short_home, ASK_THE_DATABASE).stderr.splitlines()[-1]
    assert (data.stat().st_uid, stat.S_IMODE(data.stat().st_mode)) == (65534, 0o750)


UNKNOWN = 54321


@pytest.fixture
def without_account(monkeypatch):
    """As root in a fresh container: PostgreSQL's account is still to be made. The commands that are run."""
    known, commands = pwd.getpwnam, []

    def unknown(name):
        if name == embedded.POSTGRES_ACCOUNT and not commands:
            raise KeyError(name)
        return known("root")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(embedded, "_let_pass", lambda _: None)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    return commands


def owned_by(number, data, monkeypatch):
    does = Path.stat

    def stat_of(path, **options):
        found = list(does(path, **options))
        found[stat.ST_UID] = number if path.name == "PG_VERSION" else found[stat.ST_UID]
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", stat_of)


@pytest.fixture
def of_nobody(short_home, without_account, monkeypatch):
    """A database whose account there is not."""
    data = database_of(embedded.POSTGRES_VERSION, short_home)
    monkeypatch.setattr(embedded.settings, "HOME", short_home)
    owned_by(UNKNOWN, data, monkeypatch)
    return data


def test_a_database_of_nobody_is_another_programs_unless_its_secret_is_here(of_nobody):
    with pytest.raises(ImproperlyConfigured, match="of another account"):
        embedded._refuse_what_is_somebodys(of_nobody)
    embedded._superuser_password()
    embedded._refuse_what_is_somebodys(of_nobody)


def test_the_account_that_is_made_for_a_database_that_is_there_gets_its_number(of_nobody, without_account):
    embedded._hand_over(of_nobody)
    (command,) = without_account
    assert command[:3] == ["useradd", "--uid", str(UNKNOWN)]


@pytest.mark.parametrize(
    ("program", "said"),
    [("echo first >&2; echo 'cannot lock /etc/passwd' >&2; exit 10", "cannot lock /etc/passwd"), (None, "useradd")],
)
def test_an_account_that_cannot_be_made_says_why(program, said, tmp_path, monkeypatch):
    if program:
        (tmp_path / "useradd").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "useradd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImproperlyConfigured, match=f"account openvpr could not be made: .*{said}"):
        embedded._make_account([])


@pytest.mark.usefixtures("without_account")
@pytest.mark.parametrize("account", ["root", "daemon"])
def test_a_database_of_somebody_known_is_refused_also_where_the_account_is_still_to_be_made(
    account, short_home, monkeypatch
):
    data = database_of(embedded.POSTGRES_VERSION, short_home)
    owned_by({"root": 0, "daemon": 1}[account], data, monkeypatch)
    with pytest.raises(ImproperlyConfigured, match="of another account"):
        embedded._refuse_what_is_somebodys(data)


WITH_ANOTHER_PROGRAM = """
import sys
from pathlib import Path
from config import embedded

embedded.postgres_program = lambda _: Path(sys.argv[1])
embedded.prepare_postgres()
"""


def test_where_initdb_gives_no_reason_it_is_told_how_it_ended(short_home):
    says_nothing = short_home / "says-nothing"
    says_nothing.write_text("#!/bin/sh\nkill -KILL $$\n")
    says_nothing.chmod(0o755)
    said = run(short_home, WITH_ANOTHER_PROGRAM, str(says_nothing)).stderr.splitlines()[-1]
    assert said.endswith("PostgreSQL could not be initialised: initdb ended with -9")


@pytest.fixture
def short_home() -> Iterator[Path]:
    """The path of a socket may not be long."""
    with tempfile.TemporaryDirectory(prefix="openvpr-initdb-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
