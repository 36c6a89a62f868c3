"""Empty databases beside the one of the test, to restore into."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection

from config import embedded


@pytest.fixture
def fresh_database() -> Iterator[str]:
    """As docs/production.md has it made: with the extension, and owned by the plain role."""
    name, owner = f"fresh-{uuid.uuid4()}", settings.DATABASES["default"]["USER"]
    with embedded.as_superuser() as superuser:
        superuser.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        with embedded.as_superuser(name) as inside:
            inside.execute("CREATE EXTENSION IF NOT EXISTS vector")
        yield name
        superuser.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def in_database(name: str) -> Iterator[None]:
    """What the block does, it does there."""
    usual = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual


def keep_recordings_in(settings, folder):
    options = settings.STORAGES["recordings"]["OPTIONS"] | {"location": folder}
    settings.STORAGES = settings.STORAGES | {"recordings": settings.STORAGES["recordings"] | {"OPTIONS": options}}
    storages._storages.clear()


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
