"""Files without rows and rows without files are found, and only what is surely ours and nobody's is removed."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from tenants.actions import Action
from tenants.cleaning import clean
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditEvent, CleanupRun
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio
from tests.voiceprints.test_s3 import s3
from voiceprints import bulk, recordings, services, strays
from voiceprints.models import Job, StorageFinding
from voiceprints.stored import RESTORING
from voiceprints.strays import NotOurStorage

__all__ = ["s3"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

LATER = timedelta(days=8)


@pytest.fixture
def enrolled(acme):
    return [services.enroll(acme, LIBRARY, name, [audio(name)]).recording for name in (SUSAN, KEN, WEI)]


def stray(path=""):
    name = path or f"acme/20260101/{uuid.uuid4()}.flac"
    recordings.write([name], [b"fLaC"])
    return name


def sweep(later=timedelta(days=2)):
    found = []
    clean("storage", lambda tally: found.append(strays.sweep(tally, timezone.now() + later)))
    return found[0]


def findings():
    with acting_as_platform():
        return sorted(StorageFinding.objects.values_list("kind", "path"))


def on_disk(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_that_resists_keeps_no_other_and_is_tried_again(enrolled, recordings_folder, monkeypatch):
    stuck, _ = stray(), stray()
    sweep()
    delete = FileSystemStorage.delete

    def delete_others(storage, path):
        if path == stuck:
            raise PermissionError
        delete(storage, path)

    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "delete", delete_others)
        assert sweep(timedelta(days=10)).removed == 1
    assert on_disk(recordings_folder) == sorted([*enrolled, stuck])
    assert findings() == [("stray", stuck)]
    assert sweep(timedelta(days=11)).removed == 1


def test_folders_that_have_long_been_empty_go_and_others_stay(enrolled, recordings_folder):
    left, used = recordings_folder / "of somebody/20260101", recordings_folder / enrolled[0]
    (left / "inner").mkdir(parents=True)
    (recordings_folder / "link").symlink_to(left)
    assert sweep(timedelta(0)).files == len(enrolled)
    assert left.is_dir()
    sweep()
    assert sorted(recordings_folder.iterdir()) == sorted([used.parents[1], recordings_folder / "link"])
    assert on_disk(recordings_folder) == sorted(enrolled)


@pytest.mark.parametrize("folder", ["imports/tenant-acme", "imports/tenant-acme/of a client", "jobs/tenant-1"])
def test_folders_that_are_no_organisations_stay_though_empty(enrolled, recordings_folder, folder):
    (recordings_folder / folder).mkdir(parents=True)
    sweep()
    assert (recordings_folder / folder).is_dir()


def test_where_all_is_well_nothing_is_found(enrolled, recordings_folder):
    found = sweep(LATER)
    assert (found.files, found.strays, found.foreign, found.lost) == (3, 0, 0, 0)
    assert on_disk(recordings_folder) == sorted(enrolled)


def test_a_file_without_a_row_is_found_and_goes_after_a_week(enrolled, recordings_folder):
    path = stray()
    assert sweep().strays == 1
    assert findings() == [("stray", path)]
    assert sweep(timedelta(days=8)).removed == 0
    assert sweep(timedelta(days=10)).removed == 1
    assert on_disk(recordings_folder) == sorted(enrolled)
    assert sweep(timedelta(days=11)).strays == 0
    assert findings() == []
    with acting_as_platform():
        told = AuditEvent.all_tenants.get(tenant_id=0, action=Action.STRAYS_REMOVED)
    assert told.details == {"files": 1, "bytes": 4}


def test_the_mark_of_a_restoration_goes_once_there_are_tables(enrolled, recordings_folder):
    mark = stray(RESTORING + 32 * "0")
    sweep()
    assert findings() == [("stray", mark)]
    assert sweep(timedelta(days=10)).removed == 1
    assert on_disk(recordings_folder) == sorted(enrolled)


def test_a_file_that_a_request_may_still_be_writing_is_none(enrolled):
    stray()
    assert sweep(timedelta(hours=23)).strays == 0


def test_a_file_that_is_doomed_or_that_a_job_holds_is_none(acme, enrolled):
    doomed = stray()
    with acting_as(acme):
        recordings.doom(acme, [doomed], not_before=timezone.now() + timedelta(days=100))
    bulk.begin_export(acme, LIBRARY)
    path = f"jobs/tenant-{acme.pk}/{uuid.uuid4().hex}.zip"
    stray(path)
    with acting_as(acme):
        acme.jobs.create(kind=Job.Kind.IMPORT, inputs=[path])
    assert sweep(LATER).strays == 0


def test_what_somebody_else_put_there_is_told_and_left(enrolled, recordings_folder):
    stray("backup/of/the/boss.tar")
    for days in (2, 10):
        assert sweep(timedelta(days=days)).foreign == 1
    assert (recordings_folder / "backup/of/the/boss.tar").exists()


def test_a_recording_in_an_import_folder_is_the_operators_though_a_platform_named_it(enrolled, recordings_folder):
    path = stray(f"imports/tenant-acme/{enrolled[0]}")
    for days in (2, 10):
        assert sweep(timedelta(days=days)).foreign == 1
    assert (recordings_folder / path).exists()


def test_a_file_that_got_its_row_back_stays(acme, enrolled, recordings_folder):
    path = stray()
    sweep()
    with acting_as(acme):
        acme.utterances.filter(recording=enrolled[0]).update(recording=path)
    sweep(timedelta(days=10))
    assert (recordings_folder / path).exists()


def test_a_row_without_its_file_is_found_until_the_file_is_back(acme, enrolled, recordings_folder):
    content = (recordings_folder / enrolled[1]).read_bytes()
    (recordings_folder / enrolled[1]).unlink()
    assert sweep().lost == 1
    assert findings() == [("lost", enrolled[1])]
    recordings.write_file(enrolled[1], ContentFile(content))
    assert sweep(timedelta(days=3)).lost == 0
    assert findings() == []


def test_with_the_database_of_another_installation_nothing_is_removed(enrolled, recordings_folder):
    paths = [stray() for _ in range(4)]
    sweep_refused(timedelta(days=2))
    sweep_refused(timedelta(days=10))
    assert set(paths) <= set(on_disk(recordings_folder))


def test_what_was_found_is_told_though_nothing_is_removed(enrolled):
    for _ in range(4):
        stray()
    sweep_refused(timedelta(days=2))
    assert CleanupRun.objects.get(job="storage").counts == {"strays": 4}


def sweep_refused(later):
    with pytest.raises(NotOurStorage):
        sweep(later)


def test_nothing_is_removed_where_the_setting_says_so(enrolled, recordings_folder, settings):
    settings.STRAYS_KEPT_DAYS = 0
    path = stray()
    for days in (2, 400):
        assert sweep(timedelta(days=days)).removed == 0
    assert (recordings_folder / path).exists()


def test_everything_is_looked_through_page_by_page(enrolled, monkeypatch):
    monkeypatch.setattr(strays, "PAGE", 2)
    monkeypatch.setattr(strays, "REMOVED_AT_ONCE", 1)
    for _ in range(2):
        stray()
    assert sweep().strays == 2
    assert sweep(timedelta(days=10)).removed == 2


def test_a_bucket_is_swept_like_a_disk(acme, s3):
    _, bucket = s3
    kept = [services.enroll(acme, LIBRARY, name, [audio(name)]).recording for name in (SUSAN, KEN)]
    path = stray()
    bucket.Object(kept[1]).delete()
    found = sweep()
    assert (found.files, found.strays, found.lost) == (2, 1, 1)
    assert findings() == [("lost", kept[1]), ("stray", path)]
    assert sweep(timedelta(days=10)).removed == 1
    assert [item.key for item in bucket.objects.all()] == [kept[0]]


def aged(folder, path):
    long_ago = (timezone.now() - timedelta(days=5)).timestamp()
    os.utime(folder / path, (long_ago, long_ago))


def test_the_command_says_what_is_amiss_and_a_dry_run_leaves_it(enrolled, recordings_folder, capsys):
    path = stray()
    aged(recordings_folder, path)
    call_command("sweep_storage", "--dry-run")
    assert '"strays": 1' in capsys.readouterr().out
    assert findings() == []
    call_command("sweep_storage")
    assert findings() == [("stray", path)]
    call_command("sweep_storage", "--csv")
    assert f"stray,{path},4,," in capsys.readouterr().out
    call_command("sweep_storage", "--at-once")
    assert '"removed": 1' in capsys.readouterr().out
    assert not (recordings_folder / path).exists()


def test_the_command_refuses_a_storage_that_is_not_its_own(acme, recordings_folder):
    aged(recordings_folder, stray())
    with pytest.raises(CommandError, match="1 of 1 files have no row"):
        call_command("sweep_storage")
