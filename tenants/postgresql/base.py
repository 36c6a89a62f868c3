"""Django's PostgreSQL, without asking at the beginning of each request whether the server is still there."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """A server on this machine that ends a connection says so, and its words wait in the socket.

        Where any wait, it is asked; and where there is a network, since what it lost says nothing.
        """
        return (self._is_local() and self._is_idle_and_silent()) or super().is_usable()

    def _is_local(self) -> bool:
        return str(self.settings_dict["HOST"]).startswith("/")

    def _is_idle_and_silent(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return not waiting.poll(0) and self.connection.info.transaction_status == TransactionStatus.IDLE
