"""Django's PostgreSQL, without asking at the beginning of each request whether the server is still there, and without
waiting for one that has stopped answering.
"""

from __future__ import annotations

import select
from types import SimpleNamespace
from typing import Any, Final

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from tenants.postgresql.watching import WatchedConnection

CONNECTED_WITHIN_SECONDS: Final = 3


class DatabaseWrapper(base.DatabaseWrapper):
    Database = SimpleNamespace(**vars(psycopg) | {"connect": WatchedConnection.connect})  # type: ignore[assignment]

    def get_connection_params(self) -> dict[str, Any]:
        patience = {"connect_timeout": CONNECTED_WITHIN_SECONDS} if WatchedConnection.watched else {}
        return patience | super().get_connection_params()

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
