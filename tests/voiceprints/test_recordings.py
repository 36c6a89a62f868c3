"""Files and rows: what happens when one of them fails."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.core.files.storage import FileSystemStorage, storages
from django.utils import timezone

from tenants.context import acting_as, acting_as_platform
from tenants.models import Tenant
from tests import searching
from tests.cast import LIBRARY, SUSAN, audio
from tests.servers import through_the_queue
from tests.threads import making_a_backup
from voiceprints import bulk, jobs, recordings, services, work
from voiceprints.errors import StorageFailed
from voiceprints.models import DoomedRecording
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)


class FullDisk(FileSystemStorage):
    def _save(self, name, content):
        raise OSError(28, "No space left on device")


class ReadOnlyDisk(FileSystemStorage):
    def delete(self, name):
        raise OSError(30, "Read-only file system")


class BrokenDisk(FileSystemStorage):
    def delete(self, name):
        raise RuntimeError("nobody expected this")


class PartlyReadOnlyDisk(FileSystemStorage):
    def delete(self, name):
        if name.startswith("stuck"):
            raise OSError(30, "Read-only file system")
        super().delete(name)


@pytest.fixture
def disk(settings, recordings_folder):
    def replace(backend):
        options = {
            "BACKEND": f"tests.voiceprints.test_recordings.{backend}",
            "OPTIONS": {"location": recordings_folder},
        }
        settings.STORAGES = settings.STORAGES | {"recordings": options}

    return replace


def doomed():
    with acting_as_platform():
        return DoomedRecording.all_tenants.count()


def test_a_full_disk_enrolls_nobody(acme, disk):
    disk("FullDisk")
    with pytest.raises(StorageFailed):
        services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    assert services.count_speakers(acme, acme.libraries.all()) == 0
    assert doomed() == 0


def test_a_file_that_cannot_be_removed_is_removed_by_a_later_sweep(acme, disk, recordings_folder):
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    disk("ReadOnlyDisk")
    services.delete_speakers(acme, acme.libraries.all(), [SUSAN])
    assert (recordings_folder / path).exists()
    disk("FullDisk")
    with acting_as_platform():
        DoomedRecording.all_tenants.update(not_before=timezone.now())
    assert recordings.sweep() == 1
    assert not (recordings_folder / path).exists()


def planned(tenant):
    paths = [recordings.new_path("acme")]
    with acting_as(tenant):
        recordings.plan(tenant, paths)
    return paths


def test_the_sweep_leaves_a_file_whose_row_is_being_written(acme, recordings_folder):
    paths = planned(acme)
    recordings.write(paths, [b"flac"])
    assert recordings.sweep() == 0
    with acting_as(acme):
        recordings.claim(paths)
    assert (recordings_folder / paths[0]).exists()


def test_a_file_swept_too_early_is_not_claimed(acme):
    paths = planned(acme)
    recordings.write(paths, [b"flac"])
    with acting_as_platform():
        DoomedRecording.all_tenants.update(not_before=timezone.now() - timedelta(minutes=1))
    recordings.sweep()
    with pytest.raises(StorageFailed), acting_as(acme):
        recordings.claim(paths)


def test_files_stay_planned_as_long_as_they_are_written(acme, monkeypatch, recordings_folder):
    """Also one that was written before, for the same job."""
    written, seen = recordings.write_file, []

    def lapsed_and_planned_on(*asked):
        with acting_as(acme):
            seen.append(acme.doomed_recordings.update(not_before=timezone.now()))
        for _ in range(600):
            with acting_as(acme):
                if not acme.doomed_recordings.filter(not_before__lte=timezone.now()).exists():
                    break
            time.sleep(0.05)
        assert recordings.sweep() == 0
        written(*asked)

    monkeypatch.setattr(recordings, "write_file", lapsed_and_planned_on)
    monkeypatch.setattr(recordings, "PLANNED_ON_EVERY_SECONDS", 0.01)
    with through_the_queue():
        job = bulk.begin_import(acme, manifest=io.BytesIO(b"a list"), archive=io.BytesIO(b"an archive"))
    assert seen == [1, 2]
    assert [recordings.read(path) for path in job.inputs] == [b"a list", b"an archive"]


@pytest.mark.parametrize(
    "writing", [recordings.removed_on_failure, partial(recordings.planned_on, within=timedelta(1))]
)
def test_what_was_written_in_vain_is_let_go_also_while_a_backup_keeps_it(writing, acme, recordings_folder):
    paths = planned(acme)
    with making_a_backup(), pytest.raises(ZeroDivisionError), writing(acme, paths):
        recordings.write(paths, [b"flac"])
        raise ZeroDivisionError
    recordings.remove_let_go(acme)
    assert searching.files(recordings_folder) == {}


@pytest.fixture(params=["its plan", "its tenant"])
def gone_while_written(request, acme, monkeypatch):
    written = recordings.write_file

    def gone_meanwhile(*asked):
        with acting_as_platform():
            acme.doomed_recordings.all().delete()
            if request.param == "its tenant":
                Tenant.objects.filter(pk=acme.pk).delete()
        written(*asked)

    monkeypatch.setattr(recordings, "write_file", gone_meanwhile)
    return request.param


def test_a_file_of_which_nothing_tells_once_it_is_written_goes(acme, gone_while_written, recordings_folder):
    with pytest.raises(StorageFailed):
        work.stored(acme, io.BytesIO(b"a file"))
    assert searching.files(recordings_folder) == {}


def test_such_a_file_that_resists_is_told_of(acme, gone_while_written, monkeypatch, caplog):
    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.delete", _refuse)
    with pytest.raises(StorageFailed):
        work.stored(acme, io.BytesIO(b"a file"))
    has_tenant = gone_while_written == "its plan"
    assert (doomed(), "a file is left" in caplog.text) == (int(has_tenant), not has_tenant)


def _refuse(*_):
    raise PermissionError


def test_an_empty_folder_goes_with_its_last_file_and_others_stay(recordings_folder):
    first, second, elsewhere = (recordings.new_path(org) for org in ("acme", "acme", "globex"))
    recordings.write([first, second, elsewhere], [b"flac"] * 3)
    recordings.remove_file(first)
    assert (recordings_folder / second).exists()
    recordings.remove_file(second)
    assert [one.name for one in recordings_folder.iterdir()] == ["globex"]


@pytest.mark.parametrize("name", ["imports", "jobs"])
def test_an_empty_folder_that_is_not_only_an_organisations_stays_without_its_last_file(recordings_folder, name):
    path = recordings.new_path(name)
    recordings.write([path], [b"flac"])
    recordings.remove_file(path)
    assert [str(one.relative_to(recordings_folder)) for one in recordings_folder.rglob("*")] == [name]


def test_what_a_crash_left_of_empty_folders_goes_when_the_removal_is_tried_again(recordings_folder):
    (recordings_folder / "acme").mkdir(parents=True)
    recordings.remove_file(recordings.new_path("acme"))
    assert list(recordings_folder.iterdir()) == []


def test_the_last_file_of_all_leaves_the_storage_there(recordings_folder):
    recordings.write(["alone.flac"], [b"flac"])
    recordings.remove_file("alone.flac")
    assert recordings_folder.is_dir()


def test_a_recording_is_stored_while_the_last_one_of_its_folder_goes(recordings_folder):
    def come_and_go(_):
        for _ in range(300):
            path = recordings.new_path("acme")
            recordings.write([path], [b"flac"])
            assert recordings.read(path) == b"flac"
            recordings.remove_file(path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert list(recordings_folder.iterdir()) == []


def test_the_sweep_leaves_files_that_have_their_rows(acme, recordings_folder):
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    recordings.sweep()
    assert storages["recordings"].exists(path)


def test_a_removal_that_breaks_after_the_commit_leaves_the_new_recording(acme, disk, recordings_folder):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    disk("BrokenDisk")
    kept = services.update(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)]).recording
    assert (recordings_folder / kept).exists()


def test_files_that_cannot_be_removed_do_not_keep_the_sweep_from_the_others(acme, disk, recordings_folder, monkeypatch):
    monkeypatch.setattr(recordings, "SWEEP_BATCH", 2)
    disk("PartlyReadOnlyDisk")
    past = timezone.now() - timedelta(minutes=1)
    stuck = [f"stuck/{number}.flac" for number in range(3)]
    with acting_as(acme):
        recordings.doom(acme, [*stuck, "free.flac"], not_before=past)
    assert recordings.sweep() == 1
    assert doomed() == len(stuck)


def test_an_organisation_with_the_longest_name_keeps_its_recordings(acme, recordings_folder):
    path = services.enroll(acme, LibraryKey("😀" * 64), SUSAN, [audio(SUSAN)]).recording
    assert (recordings_folder / path).exists()


def test_long_names_that_begin_alike_keep_their_folders_apart():
    assert recordings.folder_of("名" * 63 + "甲") != recordings.folder_of("名" * 63 + "乙")


def test_what_may_be_measured_late_is_not_swept_before(acme, settings):
    settings.ANALYSIS_DEADLINE_SECONDS = 600
    patient = jobs.BULK_PATIENCE * 600
    with jobs.nobody_waiting(), acting_as(acme):
        recordings.plan(acme, ["acme/20260101/late.flac"])
    with acting_as(acme):
        assert acme.doomed_recordings.get().not_before > timezone.now() + timedelta(seconds=patient)
