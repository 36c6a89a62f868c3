"""The servers, the cast, and the recordings that every test may use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack
import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from whitenoise.middleware import WhiteNoiseMiddleware

from audio.catalogue import DEFAULT_MODEL
from config import embedded
from tenants import metering
from tenants.chains import EVENTS, HEADS, SEALS
from tenants.models import Credential, Tenant
from tenants.services import create_tenant
from tests.model_commands import models
from tests.second_model import tiny
from tests.servers import POSTGRES, REDIS

__all__ = ["models", "tiny"]
from voiceprints import installed, tasks
from voiceprints.decisions import forget_calibrations


@pytest.fixture(scope="session", autouse=True)
def services() -> Iterator[None]:
    """A real PostgreSQL with pgvector and a real Redis: those of the environment, else the embedded ones."""
    with ExitStack() as stack:
        if settings.EMBEDDED_REDIS:
            REDIS.start()
            stack.callback(REDIS.stop)
        if settings.EMBEDDED_POSTGRES:
            POSTGRES.start(embedded.postgres_account())
            stack.callback(POSTGRES.stop)
            embedded.prepare_database()
            with embedded.as_superuser() as superuser:
                superuser.execute("ALTER ROLE openvpr CREATEDB")
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(services: None, django_db_modify_db_settings: None) -> None:
    """The test database is made once its server runs."""


@pytest.fixture(scope="session", autouse=True)
def trail_forgotten_between_tests() -> Iterator[None]:
    """Tests that commit empty all tables afterwards, which the audit trail refuses unless its triggers are off."""
    empty = connection.ops.sql_flush

    def without_triggers(*args: Any, **options: Any) -> list[str]:
        switched = [
            [f"ALTER TABLE {table} {switch} TRIGGER {table}_is_kept" for table in (EVENTS, HEADS, SEALS)]
            for switch in ("DISABLE", "ENABLE")
        ]
        return [*switched[0], *empty(*args, **options), *switched[1]]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.ops, "sql_flush", without_triggers)
        yield


@pytest.fixture(autouse=True)
def recordings_folder(tmp_path: Path, settings) -> Path:
    """Every test keeps its recordings in a folder of its own."""
    folder = tmp_path / "recordings"
    kept = dict(
        settings.STORAGES["recordings"], OPTIONS=settings.STORAGES["recordings"]["OPTIONS"] | {"location": folder}
    )
    settings.STORAGES = settings.STORAGES | {"recordings": kept}
    storages._storages.clear()
    return folder


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, settings) -> Path:
    """And its speaker models, of which the bundled one is always there."""
    settings.MODELS = tmp_path / "models"
    return settings.MODELS


@pytest.fixture(scope="session", autouse=True)
def measured_once() -> Iterator[None]:
    """The same recording is not measured again with the same options by the model that ships with the project.

    What is measured follows from the two alone, and thousands of requests send the same few recordings. Each is really
    measured the first time. Tests of measuring itself call it directly, and workers have processes of their own.
    """
    known: dict[bytes, dict[str, Any]] = {}
    measured = tasks.measured

    def remembered(content: bytes, options: dict[str, Any]) -> dict[str, Any]:
        if {*options.get("encoders", ()), *options.get("standing_by", ())} - {DEFAULT_MODEL}:
            return measured(content, options)
        key = hashlib.sha256(msgpack.packb(options) + content).digest()
        outcome = known.get(key) or measured(content, options)
        if "failed" not in outcome:
            known[key] = outcome
        return dict(outcome)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "measured", remembered)
        yield


@pytest.fixture(scope="session", autouse=True)
def static_files_listed_once() -> Iterator[None]:
    """Every test client makes the middleware anew, which lists and opens all static files. They do not change."""
    known: dict[str, Any] = {}
    list_files = WhiteNoiseMiddleware.add_files_from_finders

    def remembered(self: WhiteNoiseMiddleware) -> None:
        if not known:
            list_files(self)
            known.update(self.files)
        self.files.update(known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", remembered)
        yield


@pytest.fixture(autouse=True)
def knowledge_of_this_test() -> Iterator[None]:
    """What a test stored is gone with it, so nobody may remember calibrations or weights of it."""
    yield
    forget_calibrations()
    metering.METER.taken()
    installed._agreed_until.clear()


@pytest.fixture
def acme_credential(db: None) -> Credential:
    return create_tenant("acme", name="Acme")


@pytest.fixture
def acme(acme_credential: Credential) -> Tenant:
    return acme_credential.tenant


@pytest.fixture
def globex_credential(db: None) -> Credential:
    return create_tenant("globex", name="Globex")


@pytest.fixture
def globex(globex_credential: Credential) -> Tenant:
    return globex_credential.tenant
