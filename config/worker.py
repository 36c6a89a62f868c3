"""gunicorn's threaded worker, for clients that do not keep every rule of HTTP, and with refusals in JSON."""

from __future__ import annotations

import errno
import json
import queue
import re
import signal
import sys
import time
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

from config.logs import JsonLines
from config.waiting import WaitingWorker

# A space inside an address, and any byte of a text that is not ASCII.
UNENCODED = re.compile(rb"[\x20\x80-\xff]")

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

STALLED_SECONDS = 15.0
SENDING_STALLED_SECONDS = 15.0
SLOWEST_BYTES_PER_SECOND = 4096

STATUS_OF = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.ParseException: HTTPStatus.BAD_REQUEST,
}


class ImpatientSocket:
    """A client's socket that gives up on whoever sends nothing, or next to nothing.

    Otherwise one who announces a request and lets it trickle would keep a thread for ever.
    """

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self._begin_window()

    def recv(self, size: int) -> bytes:
        if time.monotonic() - self._began > STALLED_SECONDS:
            if self._received < STALLED_SECONDS * SLOWEST_BYTES_PER_SECOND:
                raise TimeoutError
            self._begin_window()
        received = self._received_within(STALLED_SECONDS, size)
        self._received += len(received)
        return received

    def gettimeout(self) -> float | None:
        timeout: float | None = self.sock.gettimeout()
        return timeout

    def settimeout(self, seconds: float | None) -> None:
        self.sock.settimeout(seconds)

    def _begin_window(self) -> None:
        self._began = time.monotonic()
        self._received = 0

    def _received_within(self, seconds: float, size: int) -> bytes:
        """The timeout is for what comes in; what goes out keeps its own."""
        usual = self.sock.gettimeout()
        self.sock.settimeout(seconds if usual is None else min(seconds, usual))
        try:
            received: bytes = self.sock.recv(size)
        finally:
            self.sock.settimeout(usual)
        return received


class LenientRequest(Request):  # type: ignore[misc]
    def parse(self, unreader: Any) -> Any:
        if isinstance(unreader, SocketUnreader):
            unreader.sock = ImpatientSocket(getattr(unreader.sock, "sock", unreader.sock))
        return super().parse(unreader)

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Clients in the field put names into an address as they are: encode what they should have encoded."""
        method, _, rest = line_bytes.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        super().parse_request_line(b" ".join([method, UNENCODED.sub(_percent_encoded, target), version]))


class JsonLogger(Logger):  # type: ignore[misc]
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())


class Worker(WaitingWorker):
    def init_process(self) -> None:
        RequestParser.mesg_class = LenientRequest
        super().init_process()

    def is_parent_alive(self) -> bool:
        """Whoever comes in its place needs the address now, and not when the last request here is answered."""
        alive: bool = super().is_parent_alive()
        if not alive:
            self.set_accept_enabled(False)
            for listener in self.sockets:
                listener.close()
        return alive

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Whoever does not take its answer does not keep a thread either."""
        conn.sock.settimeout(SENDING_STALLED_SECONDS)
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "the client does not take its answer") from None

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """In JSON, and without repeating the request in the log: its address may carry a signature."""
        status = next((status for kind, status in STATUS_OF.items() if isinstance(exc, kind)), None)
        if status is None:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            self.log.error("a request failed outside the application", exc_info=exc)
        else:
            self.log.warning("refused what is no proper HTTP: %s", type(exc).__name__)
        try:
            util.write_nonblock(client, refusal(status))
        except OSError:
            self.log.debug("nobody waited for the refusal")


def post_fork(server: Any, _: Worker) -> None:
    """End at once when the server was told to stop before this worker has handlers of its own.

    Until then it has its server's, which lay a signal into a queue that nobody here reads: it would stay until the
    server's patience is over.
    """
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    try:
        while True:
            if server.SIG_QUEUE.get_nowait() in STOPPING:
                sys.exit()
    except queue.Empty:
        return


def refusal(status: HTTPStatus) -> bytes:
    body = json.dumps({"status": status.value, "title": status.phrase.lower()}).encode()
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _percent_encoded(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]
