"""The servers, the cast, and the recordings that every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages

from config import embedded
from tenants.models import Credential, Tenant
from tenants.services import create_tenant
from tests.servers import POSTGRES, REDIS


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
