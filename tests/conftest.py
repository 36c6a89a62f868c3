"""The servers, the cast, and the recordings that every test may use."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack
import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.test import TransactionTestCase
from whitenoise.middleware import WhiteNoiseMiddleware

from audio.catalogue import DEFAULT_MODEL
from config import embedded
from tenants import metering, resting
from tenants.models import Credential, Tenant
from tenants.services import create_tenant
from tests.model_commands import models
from tests.second_model import tiny
from tests.servers import POSTGRES, REDIS
from tests.tracing import traced
from voiceprints import installed, tasks
from voiceprints.apps import write_down_models
from voiceprints.decisions import forget_calibrations

__all__ = ["models", "tiny", "traced"]

# Past triggers, which keep the audit trail, and row-level security. TRUNCATE makes every file of a table and its
# indexes anew, and of all that point at it, which takes longer than most tests.
EMPTY_TABLES = """
DO $$
DECLARE
    emptied text;
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);
    FOR emptied IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
    LOOP
        EXECUTE format('DELETE FROM %I', emptied);
        IF pg_relation_size(quote_ident(emptied)::regclass) > 1024 * 1024 THEN
            EXECUTE format('TRUNCATE %I CASCADE', emptied);
        END IF;
    END LOOP;
END $$
"""


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Files that may take longest begin first, so that at the end no processor is left without work."""
    usual = float(config.getini("timeout"))
    longest: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        marker = item.get_closest_marker("timeout")
        longest[item.path] = max(longest[item.path], marker.args[0] if marker else usual)
    items.sort(key=lambda item: longest[item.path], reverse=True)


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
def emptied_between_tests() -> Iterator[None]:
    """Tests that commit leave the next what migrations left: empty tables, permissions, and the bundled model."""

    def empty_tables(_: TransactionTestCase) -> None:
        with embedded.as_superuser(connection.settings_dict["NAME"]) as superuser:
            superuser.execute(EMPTY_TABLES)
        write_down_models(apps.get_app_config("voiceprints"), connection.alias)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


@pytest.fixture(scope="session", autouse=True)
def nobody_rests() -> Iterator[None]:
    """Clean-ups that run in a test have nobody beside them who waits for an answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resting, "sleep", lambda _: None)
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
