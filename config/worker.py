"""gunicorn's threaded worker, for clients that do not keep every rule of HTTP, and with refusals in JSON."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import ThreadWorker

# A space inside an address, and any byte of a text that is not ASCII.
UNENCODED = re.compile(rb"[\x20\x80-\xff]")

STALLED_SECONDS = 15.0

STATUS_OF = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.ParseException: HTTPStatus.BAD_REQUEST,
}


class LenientRequest(Request):  # type: ignore[misc]
    def parse_request_line(self, line_bytes: bytes) -> None:
        """Clients in the field put names into an address as they are: encode what they should have encoded."""
        method, _, rest = line_bytes.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        super().parse_request_line(b" ".join([method, UNENCODED.sub(_percent_encoded, target), version]))


class Worker(ThreadWorker):  # type: ignore[misc]
    def init_process(self) -> None:
        RequestParser.mesg_class = LenientRequest
        super().init_process()

    def handle_request(self, req: Any, conn: Any) -> Any:
        # Without it, somebody who announces a body and never sends it would keep a thread for ever.
        conn.sock.settimeout(STALLED_SECONDS)
        return super().handle_request(req, conn)

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


def refusal(status: HTTPStatus) -> bytes:
    body = json.dumps({"status": status.value, "title": status.phrase.lower()}).encode()
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _percent_encoded(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]
