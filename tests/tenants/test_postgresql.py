"""Whether a connection is still good, without asking the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import psycopg
import pytest
from django.db import connection
from django.db.backends.postgresql import base

from tenants.postgresql.base import DatabaseWrapper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def another() -> Iterator[DatabaseWrapper]:
    wrapper = cast(DatabaseWrapper, connection.copy())
    wrapper.ensure_connection()
    yield wrapper
    wrapper.close()


def ended(wrapper: DatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [wrapper.connection.info.backend_pid])


def test_a_connection_that_is_there_is_not_asked(another, monkeypatch):
    def asked(_: DatabaseWrapper) -> bool:
        raise AssertionError("a round trip")

    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", asked)
    assert another.is_usable()


def test_a_connection_that_the_server_ended_is_found_out(another):
    ended(another)
    assert not another.is_usable()


def test_a_connection_that_has_something_to_say_is_asked(another):
    with another.cursor() as cursor:
        cursor.execute("LISTEN openvpr_test")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY openvpr_test")
    assert another.is_usable()


def test_a_connection_in_a_broken_transaction_is_asked(another, monkeypatch):
    another.set_autocommit(False)
    with pytest.raises(psycopg.Error), another.connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    assert not another.is_usable()
