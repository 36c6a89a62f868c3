"""Recordings in an S3 service: a real client against a real server on this machine."""

import uuid

import boto3
import pytest
from django.test import RequestFactory
from moto.server import ThreadedMotoServer

from config.settings import s3_recordings
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import recordings, services
from voiceprints.errors import RecordingNotFound, StorageFailed
from voiceprints.serving import recording_response

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
