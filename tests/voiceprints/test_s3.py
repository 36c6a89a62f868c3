"""Recordings in an S3 service: a real client against a real server on this machine."""

import io
import uuid
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import RequestFactory
from django.utils import timezone
from moto.server import ThreadedMotoServer

from config.settings import s3_recordings
from tenants.context import acting_as_platform
from tests.archives import csv_manifest, voices, zipped
from tests.cast import KEN, LIBRARY, SUSAN, audio, recording
from tests.fresh import fresh_database, in_database
from voiceprints import backups, bulk, erasure, recordings, restored_files, restoring, services, work
from voiceprints.encrypted_files import key_of_passphrase
from voiceprints.errors import RecordingNotFound, StorageFailed
from voiceprints.models import DoomedRecording
from voiceprints.serving import recording_response
from voiceprints.stored import RESTORING

__all__ = ["fresh_database"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Third parties' own: boto3 and the server warn of their futures.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture
def s3(settings, monkeypatch):
    """The bucket, used as OPENVPR_S3_BUCKET and OPENVPR_S3_ENDPOINT have it used."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"recordings-{uuid.uuid4()}"
    bucket = boto3.resource("s3", endpoint_url=endpoint).Bucket(name)
    bucket.create()
    settings.STORAGES = settings.STORAGES | {"recordings": s3_recordings(name, endpoint)}
    yield server, bucket
    server.stop()


def played(path):
    return b"".join(recording_response(RequestFactory().get("/"), path))


def objects(bucket):
    return [item.key for item in bucket.objects.all()]


def test_a_recording_is_kept_in_the_bucket_under_its_path(acme, s3):
    _, bucket = s3
    enrollment = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    assert objects(bucket) == [enrollment.recording]
    assert played(enrollment.recording).startswith(b"fLaC")


def test_a_recording_that_cannot_be_fetched_is_a_failure_of_the_storage(acme, s3):
    server, _ = s3
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    server.stop()
    with pytest.raises(StorageFailed):
        played(path)


def test_a_recording_that_is_not_in_the_bucket_is_not_found(s3):
    with pytest.raises(RecordingNotFound):
        played("acme/20250101/nothing.flac")


def test_a_bucket_that_is_not_there_is_a_failure_of_the_storage(acme, s3):
    _, bucket = s3
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    bucket.objects.all().delete()
    bucket.delete()
    with pytest.raises(StorageFailed):
        played(path)


def test_a_deleted_speaker_takes_its_recording_out_of_the_bucket(acme, s3):
    _, bucket = s3
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    services.delete_speakers(acme, acme.libraries.all(), [SUSAN])
    assert objects(bucket) == []


def test_without_its_bucket_nobody_is_enrolled(acme, s3):
    _, bucket = s3
    bucket.delete()
    with pytest.raises(StorageFailed):
        services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    assert services.count_speakers(acme, acme.libraries.all()) == 0


def test_a_service_that_is_down_delays_a_removal_but_not_the_deletion(acme, s3):
    server, _ = s3
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    server.stop()
    assert services.delete_speakers(acme, acme.libraries.all(), [SUSAN]).speakers == 1
    assert services.count_speakers(acme, acme.libraries.all()) == 0
    assert recordings.sweep() == 0


def test_what_is_deleted_while_the_bucket_is_not_there_goes_when_it_is_back(acme, s3):
    _, bucket = s3
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    content = played(path)
    bucket.objects.all().delete()
    bucket.delete()
    services.delete_speakers(acme, acme.libraries.all(), [SUSAN])
    with acting_as_platform():
        assert DoomedRecording.all_tenants.filter(path=path).exists()
        DoomedRecording.all_tenants.update(not_before=timezone.now())
    with pytest.raises(StorageFailed):
        recordings.remove_let_go(acme)

    bucket.create()
    bucket.put_object(Key=path, Body=content)
    recordings.remove_let_go(acme)
    assert objects(bucket) == []


def test_an_erasure_waits_for_a_bucket_that_is_not_there(acme, s3):
    _, bucket = s3
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    bucket.objects.all().delete()
    bucket.delete()
    begun = erasure.erase_person(acme, SUSAN)
    with pytest.raises(StorageFailed):
        erasure.go_on(acme, begun.pk, patiently=False)
    bucket.create()
    bucket.put_object(Key=path, Body=b"fLaC")
    assert erasure.go_on(acme, begun.pk).state == "done"
    assert objects(bucket) == []


def answer_not_found(**_):
    return SimpleNamespace(status_code=404), {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": 404}}


@pytest.mark.parametrize("tells", [False, True], ids=["a service that says nothing of it", "one that does"])
def test_a_file_that_is_not_in_the_bucket_is_as_good_as_removed(s3, tells):
    if tells:
        events = storages["recordings"].bucket.meta.client.meta.events
        events.register("before-call.s3.DeleteObject", answer_not_found)
    assert recordings.remove_file("acme/20250101/nothing.flac")


# --- Backups ---------------------------------------------------------------------------------------------------------

KEY = key_of_passphrase("correct horse battery staple")


def made():
    target = io.BytesIO()
    backups.back_up(target, KEY, lambda done, total: None)
    return io.BytesIO(target.getvalue())


def test_a_backup_goes_out_of_one_bucket_and_into_another(acme, s3, settings, fresh_database):
    server, bucket = s3
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, number) for number in (1, 2, 3)])
    whole, backup = {key: played(key) for key in objects(bucket)}, made()
    another = another_bucket(server, settings)
    with in_database(fresh_database):
        restoring.restore(backup, KEY, lambda done: None)
        assert {key: played(key) for key in objects(another)} == whole
        assert len(whole) == 3


@pytest.mark.parametrize("earlier", [True, False], ids=["after one that was killed", "at first"])
def test_a_restoration_into_a_bucket_that_fails_can_be_done_again(earlier, acme, s3, settings, fresh_database):
    server, bucket = s3
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, number) for number in (1, 2, 3)])
    whole, backup = {key: played(key) for key in objects(bucket)}, made()
    another = another_bucket(server, settings)
    if earlier:
        for name in (f"{RESTORING}{32 * '0'}", next(iter(whole))):
            another.put_object(Key=name, Body=b"")
    with in_database(fresh_database):
        with pytest.raises(ZeroDivisionError) as failed:
            restoring.restore(backup, KEY, lambda done: done // 0)
        said = restored_files.FILES_LEFT if earlier else "nothing was restored"
        assert failed.value.__notes__ == [said]
        assert [key.startswith(RESTORING) for key in objects(another)] == ([True] if earlier else [])
        backup.seek(0)
        restoring.restore(backup, KEY, lambda done: None)
        assert {key: played(key) for key in objects(another)} == whole


def another_bucket(server, settings):
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    bucket = boto3.resource("s3", endpoint_url=endpoint).Bucket(f"another-{uuid.uuid4()}")
    bucket.create()
    settings.STORAGES = settings.STORAGES | {"recordings": s3_recordings(bucket.name, endpoint)}
    return bucket


def test_a_bucket_that_is_in_use_is_left_alone(acme, s3, fresh_database):
    _, bucket = s3
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    backup, kept = made(), objects(bucket)
    with in_database(fresh_database), pytest.raises(restored_files.StorageInUse):
        restoring.restore(backup, KEY, lambda done: None)
    assert objects(bucket) == kept


def test_a_bucket_that_fails_for_a_while_fails_no_backup(acme, breaks, monkeypatch):
    monkeypatch.setattr(backups, "PAUSES_SECONDS", (0.01, 0.01))
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    breaks(times=2)
    assert backups.verify(made(), KEY, lambda section: None).contents.files == 1
    breaks()
    with pytest.raises(StorageFailed):
        made()


# --- Found, and not to be fetched ------------------------------------------------------------------------------------


@pytest.fixture
def breaks(s3, monkeypatch):
    """From its call on, objects are found and so many times not to be fetched, if their keys begin so."""
    monkeypatch.setattr(work, "FIRST_PAUSE_SECONDS", 0.01)

    def begin(times=1000, beginning=""):
        left = iter(range(times))

        def refuse(params, **_):
            if f"/{beginning}" in params["url"] and next(left, None) is not None:
                raise EndpointConnectionError(endpoint_url="nowhere")

        client = storages["recordings"].bucket.meta.client
        client.meta.events.register("before-call.s3.GetObject", refuse)

    return begin


FAILED = ("failed", "StorageFailed")


def failed(tenant, job):
    found = bulk.find_job(tenant, job.pk)
    return found.state, found.problem["kind"]


def test_an_open_recording_has_its_content_at_hand(acme, s3):
    server, _ = s3
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    with recordings.opened(path) as file:
        server.stop()
        assert file.read().startswith(b"fLaC")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("HEAD", {}, 200),
        ("HEAD", {"range": "bytes=0-3"}, 206),
        ("GET", {"if-none-match": "*"}, 304),
        ("GET", {"range": "bytes=99999999-"}, 416),
    ],
)
def test_an_answer_without_content_fetches_none(acme, breaks, method, headers, status):
    path = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).recording
    breaks()
    request = RequestFactory().generic(method, "/", headers=headers)
    assert recording_response(request, path).status_code == status


def test_a_file_that_is_not_in_the_bucket_is_said_to_be_missing(s3):
    with pytest.raises(FileNotFoundError):
        recordings.opened("acme/20250101/nothing.flac")


def test_an_enrollment_whose_recording_cannot_be_fetched_fails(acme, breaks):
    breaks()
    assert failed(acme, bulk.begin_enrollment(acme, LIBRARY, SUSAN, [audio(SUSAN)], answer="native")) == FAILED


def test_an_import_whose_archive_cannot_be_fetched_fails(acme, breaks):
    breaks()
    archive = zipped({"manifest.csv": csv_manifest("susan,susan/1.opus"), **voices("susan/1.opus")})
    assert failed(acme, bulk.begin_import(acme, archive=archive, key=LIBRARY)) == FAILED


def test_a_recording_of_the_import_folder_that_cannot_be_fetched_fails_its_line(acme, breaks):
    lines = csv_manifest(*(f"{name},{name}.opus" for name in (SUSAN, KEN)))
    for name in (SUSAN, KEN):
        storages["recordings"].save(f"imports/tenant-acme/{name}.opus", ContentFile(recording(name)))
    breaks(beginning="imports/")
    job = bulk.begin_import(acme, manifest=ContentFile(lines), manifest_name="list.csv", key=LIBRARY)
    assert bulk.find_job(acme, job.pk).result == {"failed": 2}


def test_an_export_whose_recordings_cannot_be_fetched_fails(acme, breaks):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    breaks()
    assert failed(acme, bulk.begin_export(acme, LIBRARY, recordings=True)) == FAILED


def test_a_hiccup_of_the_service_does_not_fail_an_export(acme, breaks):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    breaks(2)
    job = bulk.find_job(acme, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
    assert (job.state, job.result["missing_recordings"]) == ("succeeded", 0)


def test_an_export_that_cannot_be_fetched_is_a_failure_of_the_storage(acme, breaks):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    job = bulk.begin_export(acme, LIBRARY)
    breaks()
    with pytest.raises(StorageFailed):
        bulk.copy_file(acme, job.pk, io.BytesIO())
