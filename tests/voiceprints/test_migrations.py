"""What an update makes of the rows that are there."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Sum

from tenants.context import acting_as, acting_as_platform
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import services
from voiceprints.models import StockChange

pytestmark = pytest.mark.django_db(transaction=True)

OURS = {"tenants", "voiceprints", "native"}
EARLIER_FOLD = """
WITH folded AS (DELETE FROM voiceprints_stockchange RETURNING tenant_id, speakers, stored_bytes)
INSERT INTO voiceprints_stockchange (tenant_id, speakers, stored_bytes)
SELECT tenant_id, sum(speakers), sum(stored_bytes) FROM folded GROUP BY tenant_id
"""


@pytest.fixture
def updated():
    """To be called with a migration, after which the tables are as they were before; and again for how they are."""
    yield lambda name="": call_command("migrate", *(["voiceprints", name] if name else []), verbosity=0)
    call_command("migrate", verbosity=0)


def enrolled(tenant):
    services.enroll(tenant, LIBRARY, SUSAN, [audio(SUSAN), audio(SUSAN, 2)])
    return tenant


@pytest.fixture
def tenants(acme, globex):
    return [enrolled(acme), enrolled(globex)]


def test_every_tenants_voiceprints_learn_how_much_speech_they_are_made_of(tenants, updated):
    updated("0007_generations")
    updated()
    for tenant in tenants:
        with acting_as(tenant):
            said = tenant.utterances.aggregate(seconds=Sum("speech_seconds"))["seconds"]
            assert said > 0
            assert tenant.voiceprints.get().speech_seconds == pytest.approx(said)


def test_the_recordings_that_are_there_are_counted_and_taken_away_as_they_go(tenants, updated):
    updated("0020_own_recordings")
    updated()
    for tenant in tenants:
        with acting_as(tenant):
            said = tenant.utterances.aggregate(seconds=Sum("duration_seconds"))["seconds"]
        counted = stock_sums(tenant)
        assert counted["recordings"] == 2
        assert counted["audio_milliseconds"] == pytest.approx(1000 * said, abs=1)
        services.delete_speaker(tenant, tenant.libraries.all(), SUSAN)
        assert set(stock_sums(tenant).values()) == {0}


def test_an_earlier_version_that_adds_up_without_the_recordings_loses_none(tenants):
    with pytest.raises(IntegrityError), acting_as_platform(), connection.cursor() as cursor:
        cursor.execute(EARLIER_FOLD)
    assert [stock_sums(tenant)["recordings"] for tenant in tenants] == [2, 2]


def stock_sums(tenant):
    with acting_as(tenant):
        return StockChange.all_tenants.aggregate(
            **{name: Sum(name) for name in ("speakers", "stored_bytes", "recordings", "audio_milliseconds")}
        )


def test_tables_of_a_version_that_is_not_followed_are_left_alone():
    recorder = MigrationRecorder(connection)
    recorder.record_applied("voiceprints", "9999_of_tomorrow")
    try:
        with pytest.raises(CommandError, match=r"had voiceprints\.9999_of_tomorrow and 0 other migrations"):
            call_command("migrate", verbosity=0)
    finally:
        recorder.record_unapplied("voiceprints", "9999_of_tomorrow")


def test_no_migration_that_somebody_may_have_run_gets_another_name():
    """Whoever has run one would run it again. A new one gets its line in the file."""
    ours = {".".join(node) for node in MigrationLoader(None).disk_migrations if node[0] in OURS}

    assert sorted(ours) == (Path(__file__).parent / "migrations.txt").read_text().split()
