"""A connection on which nobody waits for a server that has stopped answering, which it may do without closing it.

A statement may take as long as it takes. But where nothing came for a while, the server is asked in another way whether
it still speaks, and the connection is closed when it does not: whoever waits gets an OperationalError, as when it has
gone. A limit in the server is not kept by one that stands still, whose kernel goes on answering keepalive packets.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, ClassVar, Final

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow

ASKED_AFTER_SECONDS: Final = 3.0
ANSWERS_WITHIN_SECONDS: Final = 2.0
# The first of PostgreSQL's protocol: a length, and a number that stands for the question whether it speaks TLS.
DO_YOU_SPEAK_TLS: Final = struct.pack("!ii", 8, 80877103)


class WatchedConnection(psycopg.Connection[TupleRow]):
    watched: ClassVar[bool] = False
    """Where somebody waits for an answer of ours. Jobs and commands wait for a server until it comes back."""

    def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        return super().wait(self._watching(gen) if self.watched else gen, *args, **options)

    def _watching(self, gen: PQGen[RV]) -> PQGen[RV]:
        """psycopg comes back every tenth of a second with nothing while nothing has come."""
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() - heard > ASKED_AFTER_SECONDS:
                    self._refuse_silence()
                    heard = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: RV = end.value
            return answer

    def _refuse_silence(self) -> None:
        if not self._server_answers():
            self.close()
            raise psycopg.OperationalError("the server does not answer")

    def _server_answers(self) -> bool:
        try:
            with self._another_socket() as another:
                another.sendall(DO_YOU_SPEAK_TLS)
                return another.recv(1) != b""
        except OSError:
            return False

    def _another_socket(self) -> socket.socket:
        about = self.info
        if not about.host.startswith("/"):
            return socket.create_connection((about.hostaddr or about.host, about.port), ANSWERS_WITHIN_SECONDS)
        another = socket.socket(socket.AF_UNIX)
        another.settimeout(ANSWERS_WITHIN_SECONDS)
        another.connect(f"{about.host}/.s.PGSQL.{about.port}")
        return another
