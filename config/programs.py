"""The processes of the platform, as supervisord runs them."""

from __future__ import annotations

import os
import sys
from configparser import RawConfigParser
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from config import embedded, settings
from config.home import PRIVATE_FILE, private_folder

LOG_BYTES = 10 * settings.MEBIBYTE
PYTHON = sys.executable
LIFELINE = [PYTHON, "-I", "-S", str(Path(__file__).with_name("lifeline.py"))]
# A recording that is being measured when the platform stops is waited for.
BULK_STOP_SECONDS = 30
# More than gunicorn's own grace for what it is answering.
WEB_STOP_SECONDS = 30


class Stage(IntEnum):
    """Stopped one after another, the last first, since each asks those before it; what is in one is stopped at once."""

    SERVICES = 1
    WORKERS = 2
    JOBS = 3
    WEB = 4


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    stage: Stage
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    account: str | None = None

    @property
    def full_name(self) -> str:
        """As supervisord has it."""
        return f"{self.stage.name.lower()}:{self.name}"


def programs() -> list[Program]:
    """In the order they are started in: first what a request needs."""
    return [*_services(), _web(), _embed_worker(), _background_worker(), _bulk_worker(), *_platform_workers(), _beat()]


def stages() -> dict[Stage, list[Program]]:
    by_stage = attrgetter("stage")
    return {stage: list(members) for stage, members in groupby(sorted(programs(), key=by_stage), by_stage)}


def write_supervisor_config(folder: Path) -> Path:
    """supervisord's configuration for this installation, launched by this process. Nothing in it is secret."""
    logs = private_folder(settings.HOME / "logs")
    parser = RawConfigParser()
    parser["supervisord"] = {
        "nodaemon": "true",
        "silent": "true",
        "logfile": str(logs / "supervisord.log"),
        "logfile_maxbytes": str(LOG_BYTES),
        "logfile_backups": "2",
        "pidfile": str(folder / "supervisord.pid"),
        "directory": str(settings.BASE_DIR),
        "umask": "077",
    }
    if embedded.postgres_account():
        parser["supervisord"]["user"] = "root"
    parser["unix_http_server"] = {"file": str(supervisor_socket(folder)), "chmod": "0700"}
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    parser["rpcinterface:launcher"] = {
        "supervisor.rpcinterface_factory": "config.manager:Launcher",
        "pid": str(os.getpid()),
    }
    for program in programs():
        parser[f"program:{program.name}"] = _section(program, logs)
    for stage, members in stages().items():
        names = ",".join(program.name for program in members)
        parser[f"group:{stage.name.lower()}"] = {"programs": names, "priority": str(stage.value)}
    path = folder / "supervisord.conf"
    with path.open("w") as file:
        parser.write(file)
    path.chmod(PRIVATE_FILE)
    return path


def supervisor_socket(folder: Path) -> Path:
    return folder / "supervisor.sock"


def _section(program: Program, logs: Path) -> dict[str, str]:
    command = [*LIFELINE, program.stop_signal, program.account or "", *program.command]
    return {
        "command": " ".join(_quoted(word) for word in command),
        "autostart": str(program.stage is Stage.SERVICES).lower(),
        "autorestart": "true",
        "startsecs": "2",
        "startretries": "5",
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_seconds),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(logs / f"{program.name}.log").replace("%", "%%"),
        "stdout_logfile_maxbytes": str(LOG_BYTES),
        "stdout_logfile_backups": "3",
    }


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _services() -> list[Program]:
    services = []
    if settings.EMBEDDED_POSTGRES:
        command, account = embedded.postgres_command(), embedded.postgres_account()
        services.append(Program("postgres", command, Stage.SERVICES, stop_signal="INT", account=account))
    if settings.EMBEDDED_REDIS:
        services.append(Program("redis", embedded.redis_command(), Stage.SERVICES))
    return services


def _web() -> Program:
    command = [PYTHON, "-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
    return Program("web", command, Stage.WEB, stop_seconds=WEB_STOP_SECONDS)


def _embed_worker() -> Program:
    count = ["--concurrency", str(settings.WORKERS)]
    return Program("worker", [*_celery("worker"), "-Q", "embed", "-n", "embed@%h", *count, *QUIET], Stage.WORKERS)


def _background_worker() -> Program:
    """As many processes again, which get what the others leave of the processors."""
    count = ["--concurrency", str(settings.WORKERS)]
    command = ["nice", "-n", "19", *_celery("worker"), "-Q", "embed-bulk", "-n", "embed-bulk@%h", *count, *QUIET]
    return Program("background", command, Stage.WORKERS)


def _bulk_worker() -> Program:
    """Its threads wait for the workers most of the time; one that measures nothing needs no process of its own."""
    threads = ["--pool", "threads", "--concurrency", str(settings.BULK_JOBS)]
    command = [*_celery("worker"), "-Q", "bulk", "-n", "bulk@%h", *threads, *QUIET]
    return Program("bulk", command, Stage.JOBS, stop_seconds=BULK_STOP_SECONDS)


def _platform_workers() -> list[Program]:
    """What is due within seconds waits for no clean-up, and who asks something gets the processor before either."""
    alone = ["--pool", "solo", *QUIET]
    maintenance = [*_celery("worker"), "-Q", "maintenance", "-n", "maintenance@%h", *alone]
    cleanup = ["nice", "-n", "19", *_celery("worker"), "-Q", "cleanup", "-n", "cleanup@%h", *alone]
    return [Program("maintenance", maintenance, Stage.JOBS), Program("cleanup", cleanup, Stage.JOBS)]


def _beat() -> Program:
    return Program("beat", [*_celery("beat"), "--pidfile", ""], Stage.JOBS)


# The workers need not hear of each other, nor anybody of them every other second.
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


def _celery(command: str) -> list[str]:
    # Its banner is no line of a log.
    return [PYTHON, "-m", "celery", "--quiet", "-A", "config.celery", command]
