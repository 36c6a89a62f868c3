"""Trying a job again: what failed, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import Tenant
from tests.archives import csv_manifest, voices, zipped
from tests.cast import LIBRARY, audio, recording
from tests.second_model import install_tiny
from tests.servers import through_the_queue
from tests.voiceprints.test_imports import files_in, imported, rows, speakers
from voiceprints import bulk, generations, imports, installed, services, tasks, work
from voiceprints.errors import (
    GenerationNotFound,
    JobNotFound,
    JobUnderWay,
    NothingToRetry,
    TooBusy,
    UploadsGone,
)
from voiceprints.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def half_done(acme) -> Job:
    """Of two lines the second failed, since its recording is not in the import folder yet."""
    put(acme, "susan.opus", "susan")
    lines = ContentFile(csv_manifest("susan,susan.opus", "ken,ken.opus"))
    return imported(acme, manifest=lines, manifest_name="list.csv")


def put(tenant, name: str, voice: str) -> None:
    storages["recordings"].save(f"{imports.import_folder(tenant)}/{name}", ContentFile(recording(voice)))


def uploads(folder) -> list[str]:
    return [name for name in files_in(folder) if name.startswith("jobs/")]


def test_only_what_failed_is_done_again(acme, half_done):
    assert (half_done.result, half_done.done) == ({"enrolled": 1, "failed": 1}, 2)
    first = rows(acme, half_done)[0]
    put(acme, "ken.opus", "ken")
    assert bulk.retry_job(acme, half_done.pk).pk == half_done.pk
    job = bulk.find_job(acme, half_done.pk)
    assert (job.state, job.done, job.total, job.result) == ("succeeded", 2, 2, {"enrolled": 2})
    assert rows(acme, job) == [first, (2, "ken", "enrolled", None)]
    assert speakers(acme) == {"susan": ("enrolled", 1), "ken": ("enrolled", 1)}


def test_what_fails_again_can_be_tried_again(acme, half_done):
    bulk.retry_job(acme, half_done.pk)
    job = bulk.find_job(acme, half_done.pk)
    assert (job.done, job.result) == (2, {"enrolled": 1, "failed": 1})
    put(acme, "ken.opus", "ken")
    bulk.retry_job(acme, half_done.pk)
    assert bulk.find_job(acme, half_done.pk).result == {"enrolled": 2}


def test_an_upload_is_kept_while_something_may_be_tried_again(acme, half_done, recordings_folder):
    assert len(uploads(recordings_folder)) == 1
    put(acme, "ken.opus", "ken")
    bulk.retry_job(acme, half_done.pk)
    assert uploads(recordings_folder) == []


def test_the_upload_goes_when_its_time_has_come(acme, half_done, recordings_folder):
    tasks.sweep_jobs()
    assert len(uploads(recordings_folder)) == 1
    with acting_as(acme):
        acme.jobs.update(inputs_expire=timezone.now() - timedelta(seconds=1))
    tasks.sweep_jobs()
    assert uploads(recordings_folder) == []
    with pytest.raises(UploadsGone):
        bulk.retry_job(acme, half_done.pk)
    assert bulk.find_job(acme, half_done.pk).state == "succeeded"


def test_a_cancelled_import_keeps_no_upload(acme, recordings_folder):
    with through_the_queue():
        job = imported(acme, manifest=ContentFile(csv_manifest("ken,ken.opus")), manifest_name="list.csv")
        bulk.cancel_job(acme, job.pk)
    assert uploads(recordings_folder) == []


def test_of_what_went_well_nothing_is_tried_again(acme):
    job = imported(acme, zipped({"manifest.csv": csv_manifest("susan,susan/1.opus"), **voices("susan/1.opus")}))
    with pytest.raises(NothingToRetry):
        bulk.retry_job(acme, job.pk)
    export = bulk.begin_export(acme, LIBRARY)
    with pytest.raises(NothingToRetry):
        bulk.retry_job(acme, export.pk)


def test_what_is_under_way_is_not_tried_again(acme):
    with through_the_queue():
        job = imported(acme, manifest=ContentFile(csv_manifest("ken,ken.opus")), manifest_name="list.csv")
        with pytest.raises(JobUnderWay):
            bulk.retry_job(acme, job.pk)


def test_a_failed_export_begins_anew(acme, monkeypatch):
    services.enroll(acme, LIBRARY, "susan", [audio("susan")])
    with monkeypatch.context() as broken:
        broken.setattr(storages["recordings"], "save", failing)
        broken.setattr(work, "MOST_TRIES", 1)
        job = bulk.begin_export(acme, LIBRARY)
    assert bulk.find_job(acme, job.pk).state == "failed"
    bulk.retry_job(acme, job.pk)
    job = bulk.find_job(acme, job.pk)
    assert (job.state, job.problem, bool(job.output)) == ("succeeded", None, True)


def failing(*_):
    raise OSError("no space")


def test_a_tenant_with_too_many_jobs_gets_none_back(acme, half_done, settings):
    settings.JOBS_PER_TENANT = 0
    with pytest.raises(TooBusy):
        bulk.retry_job(acme, half_done.pk)
    assert rows(acme, half_done)[1][2] == "failed"


def test_an_import_without_its_model_ends_at_once_and_goes_on_where_it_was(acme, tiny, tmp_path):
    Tenant.objects.filter(pk=acme.pk).update(model=tiny)
    installed.store().remove(tiny)
    lines = csv_manifest("susan,susan/1.opus", "ken,ken/1.opus")
    archive = zipped(voices("susan/1.opus", "ken/1.opus") | {"manifest.csv": lines})
    job = imported(Tenant.objects.get(pk=acme.pk), archive)
    assert (job.state, job.problem["kind"], job.done, job.total) == ("failed", "ModelUnusable", 0, 2)
    install_tiny(tmp_path)
    bulk.retry_job(acme, job.pk)
    assert bulk.find_job(acme, job.pk).result == {"enrolled": 2}


def test_a_job_of_another_tenant_is_unknown(globex, half_done):
    with pytest.raises(JobNotFound):
        bulk.retry_job(globex, half_done.pk)


def test_what_could_not_be_embedded_is_tried_by_another_job(acme, tiny, recordings_folder):
    utterance = services.enroll(acme, LIBRARY, "susan", [audio("susan")]).utterances[0]
    path = recordings_folder / utterance.recording.name
    sound = path.read_bytes()
    path.write_bytes(b"no sound")
    job = generations.begin(acme, tiny)
    path.write_bytes(sound)
    again = bulk.retry_job(acme, job.pk, by="olga")
    assert again.pk != job.pk
    assert bulk.find_job(acme, again.pk).begun_by == "olga"
    assert generations.coverage(acme, tiny).embedded == 1


def test_a_model_that_was_dropped_does_not_come_back_by_trying_again(acme, tiny, recordings_folder):
    utterance = services.enroll(acme, LIBRARY, "susan", [audio("susan")]).utterances[0]
    (recordings_folder / utterance.recording.name).write_bytes(b"no sound")
    job = generations.begin(acme, tiny)
    generations.drop(acme, tiny)
    with pytest.raises(GenerationNotFound):
        bulk.retry_job(acme, job.pk)
