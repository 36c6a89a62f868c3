"""Starts the platform under supervisord, says how to reach it, and watches it until Ctrl-C.

A process that dies is started again; one that cannot stay up ends the whole with a line that says so.
"""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import xmlrpc.client
from pathlib import Path
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from supervisor.xmlrpc import SupervisorTransport

from audio.catalogue import DEFAULT_MODEL, find_model
from config import embedded, programs, settings, startup
from config.home import private_folder
from tenants.services import Provisioned, provision

START_SECONDS = 60.0
STOP_SECONDS = 45.0
WATCH_SECONDS = 1.0
UNREACHABLE = (OSError, http.client.HTTPException, xmlrpc.client.Error)
SAMPLES = Path("voiceprints/samples")


class Failed(Exception):
    """The platform cannot run on; the text says why in one line."""


class Stopped(Exception):
    """Somebody asked us to stop."""


class AlreadyRunning(Failed):
    """A platform with this OPENVPR_HOME is up."""


def main(command: list[str]) -> int:
    """Run until stopped, or while `command` runs; returns the exit status."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, _stop)
    try:
        return _run(command)
    except Stopped:
        print("openvpr: stopped")
        return 0
    except (Failed, ImproperlyConfigured) as error:
        print(f"openvpr: {error}", file=sys.stderr)
        return 1


def _run(command: list[str]) -> int:
    try:
        return _run_platform(command)
    except AlreadyRunning:
        if not command:
            raise
        return subprocess.run(command, check=False).returncode


def _run_platform(command: list[str]) -> int:
    prepare_home()
    with Supervisor(settings.HOME / "run") as supervisor:
        refuse_taken_port()
        wait_for_services(supervisor)
        startup.refuse_half_configured()
        call_command("migrate", verbosity=0, interactive=False)
        provisioned = provision()
        supervisor.start(program.name for program in programs.programs() if not program.service)
        wait_for_web(supervisor)
        if command:
            return subprocess.run(command, check=False).returncode
        print(welcome(provisioned), flush=True)
        supervisor.watch()


class Supervisor:
    """A supervisord of our own, in a session of its own, so that Ctrl-C reaches us and we stop it in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def control(self) -> Any:
        """A connection that failed once stays unusable, so each call gets a fresh one."""
        address = f"unix://{programs.supervisor_socket(self.folder)}"
        return xmlrpc.client.ServerProxy("http://supervisor", SupervisorTransport(serverurl=address)).supervisor

    def __enter__(self) -> Supervisor:
        self._refuse_second()
        config = programs.write_supervisor_config(self.folder)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(config)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            self._wait_for_control()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, signal.SIG_IGN)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)

    def start(self, names: Any) -> None:
        for name in names:
            self.control.startProcess(name, False)

    def refuse_fatal(self) -> None:
        """Raise Failed for a process that died, was started again, and could not stay up."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise Failed(f"the process manager ended by itself; see {settings.HOME / 'logs' / 'supervisord.log'}")
        for info in self._infos():
            if info["statename"] == "FATAL":
                raise Failed(f"{info['name']} cannot run; see {info['stdout_logfile']}\n{_last_line(info)}")

    def watch(self) -> NoReturn:
        born = {info["name"]: info["start"] for info in self._infos()}
        while True:
            time.sleep(WATCH_SECONDS)
            self.refuse_fatal()
            for info in self._infos():
                if info["statename"] == "RUNNING" and info["start"] != born.get(info["name"]):
                    born[info["name"]] = info["start"]
                    print(
                        f"openvpr: {info['name']} died and was started again; see {info['stdout_logfile']}", flush=True
                    )

    def _infos(self) -> list[dict[str, Any]]:
        try:
            return list(self.control.getAllProcessInfo())
        except UNREACHABLE as error:
            raise Failed(f"the process manager does not answer: {error}") from None

    def _refuse_second(self) -> None:
        try:
            pid = self.control.getPID()
        except xmlrpc.client.Fault:
            raise Failed("an earlier start is still stopping; try again in a moment") from None
        except (OSError, http.client.HTTPException):
            return
        raise AlreadyRunning(f"already running with OPENVPR_HOME={settings.HOME}; `kill {pid}` stops it")

    def _wait_for_control(self) -> None:
        assert self.process is not None
        gives_up = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < gives_up:
            try:
                self.control.getPID()
                return
            except UNREACHABLE:
                time.sleep(0.05)
        raise Failed(f"the process manager did not start; see {settings.HOME / 'logs' / 'supervisord.log'}")


def refuse_taken_port() -> None:
    """Say so at once, rather than after the web server's own attempts."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST.strip("[]"), settings.PORT))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failed(f"cannot listen on {settings.HOST}:{settings.PORT}: {reason}; set OPENVPR_PORT") from None


def prepare_home() -> None:
    private_folder(settings.HOME)
    private_folder(settings.HOME / "run")
    private_folder(settings.HOME / "secrets")
    private_folder(settings.HOME / "recordings")
    if settings.EMBEDDED_REDIS:
        embedded.prepare_redis()
    if settings.EMBEDDED_POSTGRES:
        embedded.prepare_postgres()


def wait_for_services(supervisor: Supervisor) -> None:
    if settings.EMBEDDED_POSTGRES:
        embedded.wait_for_postgres()
        embedded.prepare_database()
    embedded.wait_for_redis()
    supervisor.refuse_fatal()


def wait_for_web(supervisor: Supervisor) -> None:
    gives_up = time.monotonic() + START_SECONDS
    while time.monotonic() < gives_up:
        supervisor.refuse_fatal()
        try:
            urllib.request.urlopen(f"{local_address()}/health/live", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Failed(f"the web server does not answer at {local_address()}; see {settings.HOME / 'logs' / 'web.log'}")


def local_address() -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{host}:{settings.PORT}"


def welcome(new: Provisioned) -> str:
    url = settings.PUBLIC_URL or local_address()
    lines = ["", "OpenVPR is running. Ctrl-C stops it.", "", f"  console    {url}{settings.CONSOLE_PATH}"]
    if new.admin_password:
        lines += [f"  login      {new.admin_name} / {new.admin_password}    (shown once)"]
    if new.credential:
        lines += [
            f"  tenant     {new.credential.tenant.slug}, app_id {new.credential.tenant.app_id}",
            f"  key        {new.credential.key_id} / {new.credential.secret}    (secret shown once)",
        ]
    model = find_model(DEFAULT_MODEL)
    lines += [
        f"  model      {model.name}, equal error rate {model.equal_error_rate:.1%} on {model.measured_on}",
        f"  state      {settings.HOME}, logs in {settings.HOME / 'logs'}",
        "",
        *_curl_lines(url),
    ]
    return "\n".join([*lines, ""])


def _curl_lines(url: str) -> list[str]:
    python = shlex.quote(os.path.relpath(sys.executable))
    signed = f"$({python} manage.py abcpen_signature demo)"
    return [
        "Enroll a voice, then ask who is speaking (from this folder, in another terminal):",
        "",
        f'  curl -s -F org_id=demo -F tag_id= -F spk_name=susan -F audio=@{SAMPLES}/susan/1.opus "{url}/voiceid/register?{signed}"',
        f'  curl -s -F org_id=demo -F audio=@{SAMPLES}/susan/2.opus "{url}/voiceid/recognize?{signed}"',
    ]


def _last_line(info: dict[str, Any]) -> str:
    try:
        lines = Path(info["stdout_logfile"]).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"  {lines[-1]}" if lines else ""


def _stop(*_: object) -> NoReturn:
    raise Stopped
