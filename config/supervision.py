"""A supervisord of our own: started, asked, watched and stopped."""

from __future__ import annotations

import http.client
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from supervisor.xmlrpc import Faults, SupervisorTransport

from config import programs, settings, stopping
from config.home import lack_of_room
from config.telling import tell

START_SECONDS = 60.0
STOP_SECONDS = 10.0 + sum(max(one.stop_seconds for one in stage) for stage in programs.stages().values())
WATCH_SECONDS = 1.0
TOLD_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CREDENTIALS = struct.Struct("3i")
UNREACHABLE = (OSError, http.client.HTTPException, xmlrpc.client.Error)
LOG = settings.HOME / "logs" / "supervisord.log"
ENDED = f"the process manager ended by itself; see {LOG}"


class Failed(Exception):
    """The platform cannot run on; the text says why in one line."""


class Stopped(Exception):
    """Somebody asked us to stop, or the process manager."""


class AlreadyRunning(Failed):
    """A platform with this OPENVPR_HOME is up."""


@contextmanager
def supervised(folder: Path, *, tells: bool) -> Iterator[Supervisor]:
    """Our programs under a supervisord in a session of its own, so that Ctrl-C reaches us and we stop it in order.

    `tells`: whether it is said that they stop.
    """
    config = programs.write_supervisor_config(folder)
    process = None
    try:
        with LOG.open("ab") as log, stopping.undisturbed():
            process = subprocess.Popen(
                [sys.executable, "-m", "config.manager", "--configuration", str(config)],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        supervisor = Supervisor(folder, process)
        supervisor.wait_for_control()
        yield supervisor
    finally:
        if process:
            _stop(process, tells=tells)


@dataclass(frozen=True)
class Supervisor:
    folder: Path
    process: subprocess.Popen[bytes]

    def start(self, wanted: Iterable[programs.Program]) -> None:
        with self._asked():
            for program in wanted:
                _control(self.folder).startProcess(program.full_name, False)

    def refuse_fatal(self) -> None:
        """Raise Failed for a program that died, was started again, and could not stay up."""
        if self.process.poll() is not None:
            raise self._end()
        for info in self._fatal():
            raise _cannot_run(info)

    def watch(self) -> NoReturn:
        born = {info["name"]: info["start"] for info in self._infos()}
        while True:
            time.sleep(WATCH_SECONDS)
            # One look decides: what is asked for its state may change it in answering.
            if stuck := self._fatal():
                self._wait_for_room(stuck)
            for info in self._infos():
                name = info["name"]
                if info["statename"] == "RUNNING" and info["start"] != born.get(name):
                    born[name] = info["start"]
                    tell(f"{name} died and was started again; see {info['stdout_logfile']}", logging.WARNING)

    def _wait_for_room(self, stuck: list[dict[str, Any]]) -> None:
        """Who could not stay up on a full disk is started again once there is room. Until then requests are refused.

        Raises Failed where there is room.
        """
        if not (lack := lack_of_room(settings.HOME)):
            raise _cannot_run(stuck[0])
        names = ", ".join(info["name"] for info in stuck)
        tell(f"{lack}; {names} cannot run, and will be started again when there is room", logging.ERROR)
        while lack_of_room(settings.HOME):
            if self.process.poll() is not None:
                raise self._end()
            time.sleep(WATCH_SECONDS)
        for info in self._fatal():
            with self._asked(), suppress(xmlrpc.client.Fault):  # somebody else has started it
                _control(self.folder).startProcess(f"{info['group']}:{info['name']}", False)

    def _fatal(self) -> list[dict[str, Any]]:
        return [info for info in self._infos() if info["statename"] == "FATAL"]

    def wait_for_control(self) -> None:
        gives_up = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < gives_up:
            if _pid(self.folder):
                return
            time.sleep(0.05)
        raise Failed(f"the process manager did not start; see {LOG}")

    def _infos(self) -> list[dict[str, Any]]:
        with self._asked():
            return list(_control(self.folder).getAllProcessInfo())

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Raises Stopped where the process manager was told to stop, and Failed where it does not answer."""
        try:
            yield
        except xmlrpc.client.Fault as refusal:
            if refusal.faultCode == Faults.SHUTDOWN_STATE:
                raise Stopped from None
            raise Failed(f"the process manager refuses: {refusal.faultString}") from None
        except UNREACHABLE as error:
            if self._ends():
                raise self._end() from None
            raise Failed(f"the process manager does not answer: {error}") from None

    def _ends(self) -> bool:
        try:
            self.process.wait(WATCH_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _end(self) -> Exception:
        """Whether somebody told it to stop, which it does in order, or something else ended it."""
        return Failed(ENDED) if self.process.returncode else Stopped()


def _control(folder: Path) -> Any:
    return _server(folder).supervisor


def _server(folder: Path) -> Any:
    """A connection that failed once stays unusable, so each call gets a fresh one."""
    transport = SupervisorTransport(serverurl=f"unix://{programs.supervisor_socket(folder)}")
    return xmlrpc.client.ServerProxy("http://supervisor", transport)


def _pid(folder: Path) -> int | None:
    try:
        return int(_control(folder).getPID())
    except UNREACHABLE:
        return None


def manager_that_answers(folder: Path) -> int | None:
    """Its process id. Raises Failed where it is stopping."""
    try:
        return int(_control(folder).getPID())
    except xmlrpc.client.Fault:
        raise Failed("an earlier start is still stopping; try again in a moment") from None
    except (OSError, http.client.HTTPException):
        return None


def is_left_behind(folder: Path, manager: int) -> bool:
    """Whether its launcher was killed, as it says itself; and we see its processes, by the ids that it gives them."""
    try:
        return bool(_server(folder).launcher.is_gone()) and _listener(folder) == manager
    except UNREACHABLE:
        return False


def _listener(folder: Path) -> int:
    """The process that answers there, 0 in a namespace of processes that we do not see."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(programs.supervisor_socket(folder)))
        process, _, _ = CREDENTIALS.unpack(
            probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size),
        )
    return int(process)


def end_left_behind(folder: Path, manager: int) -> None:
    """A process manager whose launcher was killed, with its programs, in order."""
    with suppress(*UNREACHABLE):
        _control(folder).shutdown()
    _outlast(manager)


def managers_of(pids: Iterable[int], folder: Path) -> list[int]:
    """Who has to be stopped so that these end for good: our process manager, which leads their session, or they."""
    try:
        manager = int((folder / "supervisord.pid").read_text())
        os.kill(manager, 0)
    except (OSError, ValueError):
        manager = None
    return sorted({manager if _session_of(pid) == manager else pid for pid in pids})


def _session_of(pid: int) -> int:
    """0 for a process that has ended this moment."""
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def _stop(process: subprocess.Popen[bytes], *, tells: bool) -> None:
    """In order, and not to be hurried by a second Ctrl-C."""
    if stopping.heed() and tells:
        tell("stopping")
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _outlast(process.pid)


def _outlast(session: int) -> None:
    """Wait for a process manager that was told to stop, or what one that was killed has left (`lifeline.py`)."""
    gives_up = time.monotonic() + STOP_SECONDS
    while (left := _alive_in(session)) and time.monotonic() < gives_up:
        time.sleep(0.1)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _alive_in(session: int) -> list[int]:
    """Process ids, without those that only wait to be noticed."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in parentheses, may hold anything; then come state, parent, group and session.
            state, _, _, of = file.read_text(errors="replace").rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append(int(file.parent.name))
    return found


def _cannot_run(info: dict[str, Any]) -> Failed:
    return Failed(f"{info['name']} cannot run; see {info['stdout_logfile']}\n  {_last_line(info)}")


def _last_line(info: dict[str, Any]) -> str:
    try:
        lines = Path(info["stdout_logfile"]).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
