"""The process is killed before and after every statement to the database and every operation on a file.

Whatever the moment, once the sweep has run there is no file without its row and no row without its file, and an
enrollment, an update or a deletion has happened as a whole or not at all.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.utils import timezone

from audio.analysis import analyze
from tenants.context import acting_as, acting_as_platform
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, audio, recording
from voiceprints import recordings, services
from voiceprints.models import DoomedRecording
from voiceprints.results import Turn

pytestmark = pytest.mark.django_db(transaction=True)

MOST_STEPS = 200


class KillingStorage(FileSystemStorage):
    """A file system that dies with its process around each operation."""

    def _save(self, name, content):
        Death.comes_near()
        saved = super()._save(name, content)
        Death.comes_near()
        return saved

    def delete(self, name):
        Death.comes_near()
        super().delete(name)
        Death.comes_near()


class Death:
    """Kills this process at the given step; with steps left over, the deed was done."""

    steps_to_live: int | None = None

    @classmethod
    def comes_near(cls, *_):
        if cls.steps_to_live is None:
            return
        cls.steps_to_live -= 1
        if cls.steps_to_live < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    @classmethod
    def around_each_statement(cls, execute, *arguments):
        cls.comes_near()
        result = execute(*arguments)
        cls.comes_near()
        return result


@pytest.fixture
def killing_storage(settings, recordings_folder):
    backend = {"BACKEND": "tests.voiceprints.test_crashes.KillingStorage", "OPTIONS": {"location": recordings_folder}}
    settings.STORAGES = settings.STORAGES | {"recordings": backend}


def killed_at(step: int, deed: Callable[[], object]) -> bool:
    """Do the deed in a child that dies at this step. False: it needed fewer steps and is done."""
    began = _asked("SELECT clock_timestamp()")
    connection.close()
    child = os.fork()
    if child == 0:
        Death.steps_to_live = step
        with connection.execute_wrapper(Death.around_each_statement):
            deed()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"the child failed by itself: {status}"
    # PostgreSQL sees a moment later that nobody is there any more, and lets go of what was locked.
    gives_up = time.monotonic() + 30
    while _asked(BEGUN_SINCE, began):
        assert time.monotonic() < gives_up
        time.sleep(0.01)
    return status != 0


BEGUN_SINCE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_start >= %s
AND backend_type = 'client backend'
"""


def _asked(question, *values):
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        return cursor.fetchone()[0]


def sweep_much_later():
    with acting_as_platform():
        DoomedRecording.all_tenants.update(not_before=timezone.now() - timedelta(hours=1))
    recordings.sweep()


def state(tenant, folder):
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    with acting_as(tenant):
        rows = sorted(tenant.utterances.values_list("recording", flat=True))
        speakers = sorted(tenant.speakers.values_list("external_id", "status"))
        found = sorted(tenant.voiceprints.values_list("speaker__external_id", flat=True))
        assert not DoomedRecording.all_tenants.exists()
    assert files == rows
    assert [name for name, status in speakers if status == "enrolled"] == found
    return speakers, rows


def die_at_every_step(tenant, folder, prepare, deed, *, whole_states):
    for step in range(MOST_STEPS):
        services.delete_libraries(tenant, tenant.libraries.all())
        prepare()
        before = state(tenant, folder)
        died = killed_at(step, deed)
        sweep_much_later()
        after = state(tenant, folder)
        assert after == before or whole_states(before, after), f"half done after {step} steps"
        if not died:
            assert after != before
            return
    pytest.fail("the deed never ended")


@pytest.fixture
def measured_before(monkeypatch):
    """The recordings are measured once, in advance: only the steps that store something are of interest here."""
    known = {number: analyze(recording(SUSAN, number)) for number in (1, 2)}
    known[KEN] = analyze(recording(KEN))
    contents = {recording(SUSAN, 1): known[1], recording(SUSAN, 2): known[2], recording(KEN): known[KEN]}

    def at_once(tenant, audio, options, meanwhile):
        meanwhile()
        return contents[audio.read()]

    monkeypatch.setattr("voiceprints.jobs.analyze", at_once)


def nothing():
    """No preparation."""


def test_an_enrollment_killed_at_any_step(acme, killing_storage, recordings_folder, measured_before):
    die_at_every_step(
        acme,
        recordings_folder,
        prepare=nothing,
        deed=lambda: services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)]),
        whole_states=lambda before, after: after[0] == [(SUSAN, "enrolled")] and len(after[1]) == 2,
    )


def test_a_replacement_killed_at_any_step(acme, killing_storage, recordings_folder, measured_before):
    die_at_every_step(
        acme,
        recordings_folder,
        prepare=lambda: services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]),
        deed=lambda: services.update(acme, LIBRARY, SUSAN, [audio(KEN)]),
        whole_states=lambda before, after: len(after[1]) == 1 and not set(before[1]) & set(after[1]),
    )


def test_a_turn_taken_again_killed_at_any_step(acme, killing_storage, recordings_folder, measured_before):
    def take(number, key):
        return services.enroll_turn(acme, key, SUSAN, audio(SUSAN, number), turn=Turn(1), within=acme.libraries.all())

    die_at_every_step(
        acme,
        recordings_folder,
        prepare=lambda: take(1, LIBRARY),
        deed=lambda: take(2, OTHER_TAG),
        whole_states=lambda before, after: len(after[1]) == 1 and not set(before[1]) & set(after[1]),
    )


def test_a_deletion_killed_at_any_step(acme, killing_storage, recordings_folder, measured_before):
    die_at_every_step(
        acme,
        recordings_folder,
        prepare=lambda: services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)]),
        deed=lambda: services.delete_libraries(acme, acme.libraries.all()),
        whole_states=lambda before, after: after == ([], []),
    )
