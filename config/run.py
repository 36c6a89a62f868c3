"""Starts the platform under supervisord, says how to reach it, and watches it until Ctrl-C.

A process that dies is started again; one that cannot stay up ends the whole with a line that says so.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseFailed

from config import embedded, programs, settings, startup, stopping
from config.home import held, is_ours_alone, lack_of_room, private_folder
from config.supervision import (
    START_SECONDS,
    TOLD_BY,
    AlreadyRunning,
    Failed,
    Stopped,
    Supervisor,
    end_left_behind,
    is_left_behind,
    manager_that_answers,
    managers_of,
    supervised,
)
from config.telling import tell, tell_secrets, tell_that_it_runs
from tenants.services import provision

RUN = settings.HOME / "run"
IN_USE = RUN / "in-use.lock"
COMMAND_STOP_SECONDS = 60.0
NOT_FOUND = 127
SIGNALLED = 128
JUST_NOW = Failed(f"OPENVPR_HOME={settings.HOME} is just being started or stopped; try again in a moment")


class Unprepared(Exception):
    """There is no speaker model to start with, and why has been said."""


def main(command: list[str], *, services_only: bool = False) -> int:
    """Run until stopped, or while `command` runs; returns the exit status."""
    if command and not shutil.which(command[0]):
        tell(f"no command {command[0]!r} is found that may be run", logging.ERROR)
        return NOT_FOUND
    try:
        stopping.interrupt_by(Stopped, TOLD_BY)
        return _run(command, services_only=services_only)
    except Stopped:
        stopping.heed()
        tell("stopped")
        return 1 if command else 0
    except Unprepared:
        return 1
    except (Failed, ImproperlyConfigured, CommandError) as error:
        return _complain(error)
    except (OSError, DatabaseFailed) as error:
        if not lack_of_room(settings.HOME):
            raise
        return _complain(error)


def _run(command: list[str], *, services_only: bool) -> int:
    """On a platform that is up already, only the command."""
    try:
        return _run_services(command) if services_only else _run_platform(command)
    except AlreadyRunning:
        if not command:
            raise
        return _run_command(command)
    finally:
        stopping.heed()


def _run_platform(command: list[str]) -> int:
    refuse_running(ends_left_behind=not command)
    refuse_taken_port()
    prepare_home()
    with supervised(RUN, tells=not command) as supervisor:
        wait_for_services(supervisor)
        startup.refuse_half_configured()
        call_command("migrate", verbosity=0, interactive=False)
        prepare_models()
        provisioned = provision()
        try:
            supervisor.start(one for one in programs.programs() if one.stage is not programs.Stage.SERVICES)
            wait_for_web(supervisor)
            late = wait_until_ready(supervisor)
            if not command:
                tell_that_it_runs(provisioned, late)
        except BaseException:
            tell_secrets(provisioned)
            raise
        if not command:
            supervisor.watch()
        tell_secrets(provisioned)
        return _run_command(command)


def _run_services(command: list[str]) -> int:
    """The database as it is, or empty: nothing is migrated, and nobody is served."""
    refuse_running(ends_left_behind=False)
    prepare_home()
    with supervised(RUN, tells=False) as supervisor:
        wait_for_services(supervisor)
        startup.refuse_half_configured()
        return _run_command(command)


def _run_command(command: list[str]) -> int:
    """What it uses is not stopped by a next start as long as it runs, also when we are killed.

    Returns its status, as shells tell it where a signal ended it. When we are told to stop, so is it, and waited for.
    """
    process, hears = None, False
    with held(IN_USE, fcntl.LOCK_SH, JUST_NOW) as descriptor:
        os.set_inheritable(descriptor, True)
        try:
            with stopping.undisturbed():
                process = _begun(command)
            # Of what came before it was there it has heard nothing.
            hears = not stopping.told()
            # A wait that fetches the status may be interrupted before it has put that down.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            stopping.heed()
        except Stopped:
            if process is None:
                raise
        if told := stopping.heed():
            _stop_command(process, told, heard=hears and told == signal.SIGINT and _terminal_tells(process))
        status = process.wait()
    return status if status >= 0 else SIGNALLED - status


def _stop_command(process: subprocess.Popen[bytes], told: int, *, heard: bool) -> None:
    """By the signal that stops us, unless it has heard that: a second Ctrl-C would interrupt its way out."""
    if not heard:
        process.send_signal(told)
    for insist in (process.terminate, process.kill):
        try:
            process.wait(COMMAND_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            insist()


def _begun(command: list[str]) -> subprocess.Popen[bytes]:
    """Raises Failed."""
    try:
        return subprocess.Popen(command, close_fds=False)
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {(error.strerror or str(error)).lower()}") from None


def _terminal_tells(process: subprocess.Popen[bytes]) -> bool:
    """Whether Ctrl-C reaches it as well as us: one process group, in the foreground of a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp() == os.getpgid(process.pid)
    except OSError:
        return False
    finally:
        os.close(terminal)


def _complain(error: Exception) -> int:
    """A full disk is behind many a failure, and few of them say so."""
    lack = lack_of_room(settings.HOME)
    tell(f"{lack}\n  {error}" if lack else str(error), logging.ERROR)
    return 1


def prepare_home() -> None:
    for folder in ("", "run", "secrets", "recordings"):
        private_folder(settings.HOME / folder)
    if settings.EMBEDDED_REDIS:
        embedded.prepare_redis()
    if settings.EMBEDDED_POSTGRES:
        embedded.prepare_postgres()


def refuse_running(*, ends_left_behind: bool) -> None:
    """A second start would take the sockets away from what runs, whether or not somebody still manages it.

    Or it ends what a launcher that was killed has left, unless a command that uses it still runs.
    """
    alone = is_ours_alone(settings.HOME / ".lock")
    if manager := manager_that_answers(RUN):
        _refuse_or_end(manager, left_behind=alone and is_left_behind(RUN, manager), may_end=ends_left_behind)
    if not alone:
        raise JUST_NOW
    if found := embedded.listening():
        running = " and ".join(f"{name} (process {pid})" for name, pid in found.items())
        stops = " ".join(map(str, managers_of(found.values(), RUN)))
        raise Failed(f"still running with OPENVPR_HOME={settings.HOME}: {running}; `kill {stops}` stops it")


def _refuse_or_end(manager: int, *, left_behind: bool, may_end: bool) -> None:
    running = AlreadyRunning(f"already running with OPENVPR_HOME={settings.HOME}; `kill {manager}` stops it")
    if left_behind and not may_end:
        tell("whoever started this before was killed; a start without a command begins anew", logging.WARNING)
    if not (left_behind and may_end):
        raise running
    with held(IN_USE, fcntl.LOCK_EX, running):
        tell("whoever started this before was killed; stopping what is left of it", logging.WARNING)
        end_left_behind(RUN, manager)


def refuse_taken_port() -> None:
    """Say so at once, rather than after the web server's own attempts."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST, settings.PORT))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failed(
                f"cannot listen on {settings.HOST}:{settings.PORT}: {reason}; set OPENVPR_HOST or OPENVPR_PORT"
            ) from None


def prepare_models() -> None:
    """Get the model of OPENVPR_MODEL, and see that ONNX Runtime has what it shall run on. Raises Unprepared."""
    if settings.MODEL or settings.ONNX_PROVIDERS != settings.PROCESSOR_ALONE:
        prepared = subprocess.run([sys.executable, "-m", "config.speaker_model"], cwd=settings.BASE_DIR, check=False)
        if prepared.returncode:
            raise Unprepared


def wait_for_services(supervisor: Supervisor) -> None:
    if settings.EMBEDDED_POSTGRES:
        embedded.wait_for_postgres(supervisor.refuse_fatal)
        embedded.prepare_database()
    embedded.wait_for_redis(supervisor.refuse_fatal)
    supervisor.refuse_fatal()


def wait_for_web(supervisor: Supervisor) -> None:
    gives_up = time.monotonic() + START_SECONDS
    while not web_is_up():
        supervisor.refuse_fatal()
        if time.monotonic() > gives_up:
            raise Failed(
                f"the web server does not answer at {settings.LOCAL_URL}; see {settings.HOME / 'logs' / 'web.log'}"
            )
        time.sleep(0.1)


def wait_until_ready(supervisor: Supervisor) -> list[str]:
    """Until a recording sent now would be answered. Returns which parts, that nobody waits for, are not up yet."""
    gives_up = time.monotonic() + START_SECONDS
    while (answer := asked("/health/ready")) is None or answer[0] != http.HTTPStatus.OK:
        supervisor.refuse_fatal()
        if time.monotonic() > gives_up:
            found = ", ".join(f"{part}: {state}" for part, state in _not_ok(answer[1]).items()) if answer else ""
            raise Failed(f"the platform does not become ready ({found}); see {settings.HOME / 'logs'}")
        time.sleep(0.2)
    return list(_not_ok(answer[1]))


def _not_ok(said: bytes) -> dict[str, str]:
    return {part: state for part, state in json.loads(said)["parts"].items() if state != "ok"}


def web_is_up() -> bool:
    answer = asked("/health/live")
    return answer is not None and answer[0] == http.HTTPStatus.OK


def asked(path: str) -> tuple[int, bytes] | None:
    """What our own web server answers there, None when it does not."""
    host = settings.LOCAL_URL.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
