"""A PostgreSQL that stands still, with open sockets, and one that only takes its time."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from tenants.context import acting_as_platform
from tenants.models import Tenant
from tenants.postgresql import watching
from tenants.postgresql.watching import WatchedConnection
from tests.cast import LIBRARY, SUSAN, audio
from tests.servers import POSTGRES
from voiceprints import recordings, services
from voiceprints.models import DoomedRecording

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def watched(monkeypatch) -> None:
    monkeypatch.setattr(WatchedConnection, "watched", True)
    monkeypatch.setattr(watching, "ASKED_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(watching, "ANSWERS_WITHIN_SECONDS", 2.0)
    connection.close()
    connection.ensure_connection()


def asked(statement: str = "SELECT 1") -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_nobody_waits_for_a_server_that_stands_still():
    with POSTGRES.frozen(), pytest.raises(OperationalError, match="does not answer"):
        asked()
    connection.close()
    assert asked() == 1


def test_nobody_waits_to_be_connected_to_it():
    connection.close()
    with POSTGRES.frozen(), pytest.raises(OperationalError, match="timeout"):
        connection.ensure_connection()


def test_a_statement_may_take_its_time():
    assert asked("SELECT 1 FROM pg_sleep(1)") == 1


def test_who_waits_for_a_lock_waits_on(acme):
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=acme.pk)
        waiting = threading.Thread(target=lambda: (Tenant.objects.update(name="Renamed"), connection.close()))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(30)
    acme.refresh_from_db()
    assert acme.name == "Renamed"


def test_what_was_not_committed_is_not_there_afterwards(acme):
    with pytest.raises(OperationalError), transaction.atomic():
        Tenant.objects.update(name="Renamed")
        with POSTGRES.frozen():
            asked()
    connection.close()
    acme.refresh_from_db()
    assert acme.name == "Acme"


def test_an_enrollment_that_finds_it_standing_still_leaves_no_speaker_and_no_file(acme, monkeypatch, recordings_folder):
    with ExitStack() as standing_still:

        def write_and_freeze(*what: Any, write: Any = recordings.write) -> None:
            write(*what)
            standing_still.enter_context(POSTGRES.frozen())

        monkeypatch.setattr(recordings, "write", write_and_freeze)
        with pytest.raises(OperationalError):
            services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    connection.close()
    assert services.count_speakers(acme, acme.libraries.all()) == 0
    with acting_as_platform():
        DoomedRecording.all_tenants.update(not_before=timezone.now())
    assert recordings.sweep() == 1
    assert not [path for path in recordings_folder.rglob("*") if path.is_file()]


def test_who_is_not_watched_waits_until_it_goes_on(monkeypatch):
    monkeypatch.setattr(WatchedConnection, "watched", False)
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: (answers.append(asked()), connection.close()))
    with POSTGRES.frozen():
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive()
    waiting.join(30)
    assert answers == [1]


@pytest.fixture
def port() -> Iterator[int]:
    """Of the network, where the server is reached as well."""
    path = f"{connection.settings_dict['HOST']}/.s.PGSQL.5432"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=relay_all, args=[listener, path], daemon=True).start()
        yield listener.getsockname()[1]


def relay_all(listener: socket.socket, path: str) -> None:
    with suppress(OSError):
        while True:
            threading.Thread(target=relay, args=[listener.accept()[0], path], daemon=True).start()


def relay(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        other = {client: server, server: client}
        while True:
            for source in select.select(list(other), [], [])[0]:
                content = source.recv(65536)
                if not content:
                    return
                other[source].sendall(content)


def test_it_is_asked_over_the_network_too(port):
    about = connection.get_connection_params() | {"host": "127.0.0.1", "port": port}
    with WatchedConnection.connect(**about) as far:
        assert far.execute("SELECT 1 FROM pg_sleep(1)").fetchone() == (1,)
        with POSTGRES.frozen(), pytest.raises(psycopg.OperationalError, match="does not answer"):
            far.execute("SELECT 1")
        assert far.closed
