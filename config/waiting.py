"""gunicorn's threaded worker, of which no thread waits for a client to say what it wants, or to close.

gunicorn gives a thread to each connection, which then reads the head of a request as slowly as it comes, and closes
connections in the loop that accepts them, where one may take two seconds. Here that loop looks after both together with
all that waits for something, so that a slow client costs a socket.
"""

from __future__ import annotations

import math
import re
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_SECONDS = 15.0
LARGEST_HEAD_BYTES = 64 * 1024
LINGER_SECONDS = 2.0
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class WaitingWorker(ThreadWorker):  # type: ignore[misc]
    ends = math.inf
    """When nobody is waited for any more who has not said what it wants, once the server is to stop."""

    def enqueue_req(self, conn: TConn) -> None:
        """Called for a new connection, and for a kept one that sends again."""
        conn.init()
        conn.timeout = min(time.monotonic() + HEAD_SECONDS, self.ends)
        self._hear(conn)

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        self._look_away(conn)
        self._hear(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._part(conn)

    def murder_pending(self) -> None:
        now = time.monotonic()
        for conn in [one for one in self.pending_conns if one.timeout <= now]:
            self._look_away(conn)
            self._close(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """Whoever has not said anything yet is not waited for at the end."""
        super()._cap_keepalive(deadline)
        self.ends = deadline
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def _hear(self, conn: TConn) -> None:
        """A thread has it when the head is whole; else it waits for more, or is closed."""
        unreader, more = conn.parser.unreader, _received(conn.sock)
        head = unreader.take_buffered() + (more or b"")
        unreader.unread(head)
        if is_readable(head):
            super().enqueue_req(conn)
        elif more == b"" or conn.timeout <= time.monotonic():
            self._close(conn)
        elif len(head) > LARGEST_HEAD_BYTES:
            self.handle_error(None, conn.sock, conn.client, LimitRequestHeaders("the head has no end"))
            self._part(conn)
        else:
            self._look_after(conn, self.on_pending_socket_readable)

    def _part(self, conn: TConn) -> None:
        """Let the client close: one that is still sending would miss its answer (RFC 9112, section 9.6)."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.timeout = time.monotonic() + LINGER_SECONDS
        self._look_after(conn, self._hear_out)

    def _hear_out(self, conn: TConn, _: socket.socket) -> None:
        if _received(conn.sock) == b"":
            self._look_away(conn)
            self._close(conn)

    def _look_after(self, conn: TConn, deed: Callable[[TConn, socket.socket], None]) -> None:
        conn.sock.setblocking(False)
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(deed, conn))

    def _look_away(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def is_readable(head: bytes) -> bool:
    """Whether gunicorn's parser comes to an end with it: it is whole, or has an end of a line that is refused."""
    return b"\r\n\r\n" in head.removeprefix(b"\r\n") or BARE_LINE_FEED.search(head) is not None


def _received(sock: socket.socket) -> bytes | None:
    """What has come, None for nothing yet, and b"" after the end."""
    try:
        sock.setblocking(False)
        return sock.recv(LARGEST_HEAD_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""
