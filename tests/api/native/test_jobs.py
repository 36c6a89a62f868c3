"""Imports, exports and enrollments that nobody waits for, as a client of our own API sees them."""

from __future__ import annotations

import io
import shutil
import zipfile
from datetime import datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from tenants.context import acting_as
from tests.api.native.client import STAFF, Native, encoded, problem
from tests.archives import csv_manifest, targz, voices, zipped
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, WEI, audio, recording, silence
from tests.servers import through_the_queue
from voiceprints import bulk, erasure, generations, services
from voiceprints.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

LATER = {"Prefer": "respond-async"}


def file(content: io.BytesIO | bytes, name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content if isinstance(content, bytes) else content.getvalue())


def people() -> io.BytesIO:
    lines = csv_manifest("susan,susan/1.opus", "nobody,nowhere.wav", "ken,ken/1.opus")
    return targz({"manifest.csv": lines, **voices("susan/1.opus", "ken/1.opus")})


def imported(native: Native, archive: io.BytesIO, **fields) -> dict:
    reply = native.form("imports", archive=file(archive, "people.tar.gz"), **STAFF, **fields)
    assert reply.status_code == 202, reply.content
    return native.client.get(reply["Location"], headers=native.authorization).json()


def export_job(native: Native, **wants) -> dict:
    library = native.get("libraries", org_id="acme").json()["items"][0]["id"]
    reply = native.post(f"libraries/{library}/export", wants)
    assert reply.status_code == 202
    return native.client.get(reply["Location"], headers=native.authorization).json()


def test_an_import_becomes_a_job_with_a_result_for_each_line(native):
    job = imported(native, people())
    assert (job["kind"], job["state"], job["done"], job["total"]) == ("import", "succeeded", 3, 3)
    assert (job["result"], job["problem"], job["file_expires"]) == ({"enrolled": 2, "failed": 1}, None, None)
    first = native.get(f"jobs/{job['id']}/rows", limit=2).json()
    rest = native.get(f"jobs/{job['id']}/rows", cursor=first["next_cursor"]).json()
    assert [(row["number"], row["external_id"], row["outcome"]) for row in first["items"] + rest["items"]] == [
        (1, "susan", "enrolled"),
        (2, "nobody", "failed"),
        (3, "ken", "enrolled"),
    ]
    assert rest["next_cursor"] is None
    refused = first["items"][1]["problem"]
    assert (refused["type"], refused["status"], refused["name"]) == (
        "urn:openvpr:problem:file-missing",
        422,
        "nowhere.wav",
    )
    failed = native.get(f"jobs/{job['id']}/rows", outcome="failed").json()["items"]
    assert [row["number"] for row in failed] == [2]
    assert native.identify(recording(SUSAN, 2)).json()["best"]["external_id"] == "susan"


def test_a_list_without_archive_means_the_import_folder(native, recordings_folder):
    folder = recordings_folder / "imports" / "tenant-acme"
    folder.mkdir(parents=True)
    (folder / "ken.opus").write_bytes(recording(KEN))
    reply = native.form("imports", manifest=file(csv_manifest("ken,ken.opus"), "list.csv"), **STAFF)
    assert reply.json()["kind"] == "import"
    assert native.get("speakers").json()["items"][0]["external_id"] == "ken"


def test_a_failed_job_says_why_in_the_words_of_a_problem(native):
    job = imported(native, zipped({"../up": b""}))
    assert job["state"] == "failed"
    assert job["problem"]["type"] == "urn:openvpr:problem:archive-refused"
    assert job["problem"]["reason"] == "unsafe name"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"archive": "text"},
        {"archive": file(b"", "empty.zip")},
        {"archive": file(b"x", "x.zip"), "when_enrolled": "always"},
        {"archive": file(b"x", "x.zip"), "org_id": "x" * 65},
        {"archive": file(b"x", "x.zip"), "voice": "x"},
    ],
    ids=range(6),
)
def test_a_form_that_cannot_be_meant_is_refused_at_once(native, fields, recordings_folder):
    assert problem(native.form("imports", **fields)) == (422, "invalid-request")
    assert native.get("jobs").json()["items"] == []
    assert not recordings_folder.exists()


def test_an_import_is_a_form(native):
    assert problem(native.post("imports", {"archive": "x"})) == (415, "unsupported-media-type")


def test_an_import_may_be_larger_than_a_request_otherwise(native, settings):
    settings.MAX_UPLOAD_BYTES = 10_000
    assert problem(native.form("enroll", audio=file(bytes(20_000), "a.wav"))) == (413, "too-large")
    reply = native.form("imports", archive=file(bytes(20_000), "a.zip"))
    assert reply.status_code == 202
    settings.MAX_IMPORT_BYTES = 10_000
    assert problem(native.form("imports", archive=file(bytes(20_000), "a.zip"))) == (413, "too-large")


def test_an_export_is_fetched_and_brought_in_elsewhere(native, stranger):
    imported(native, people())
    job = export_job(native, recordings=True, embeddings=True)
    assert (job["done"], job["total"], job["result"]["speakers"]) == (2, 2, 2)
    assert job["file_expires"]
    reply = native.get(f"jobs/{job['id']}/file")
    content = b"".join(reply.streaming_content)
    assert (reply["Content-Type"], reply["Accept-Ranges"]) == ("application/zip", "bytes")
    assert reply["Content-Disposition"] == f'attachment; filename="export-{job["id"]}.zip"'
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 4
    there = stranger.form("imports", archive=file(content, "export.zip"))
    assert stranger.client.get(there["Location"], headers=stranger.authorization).json()["result"] == {"enrolled": 2}


def test_a_file_whose_time_is_over_is_not_served_until_it_is_swept(native, acme):
    imported(native, people())
    job = export_job(native, embeddings=True)
    with acting_as(acme):
        acme.jobs.filter(pk=job["id"]).update(expires=timezone.now())
    assert problem(native.get(f"jobs/{job['id']}/file")) == (404, "job-file-not-found")
    assert native.get(f"jobs/{job['id']}").json()["file_expires"] is None


def test_of_who_came_as_an_embedding_there_is_no_recording(native, stranger):
    services.enroll(native.tenant, LIBRARY, "ken", [audio(KEN)])
    job = export_job(native, embeddings=True)
    content = b"".join(native.get(f"jobs/{job['id']}/file").streaming_content)
    stranger.form("imports", archive=file(content, "export.zip"))
    (utterance,) = stranger.get("utterances").json()["items"]
    assert utterance["has_recording"] is False
    assert problem(stranger.get(f"utterances/{utterance['id']}/recording")) == (404, "recording-not-found")


def test_a_file_that_is_gone_already_is_no_file(native, recordings_folder):
    services.enroll(native.tenant, LIBRARY, "ken", [audio(KEN)])
    job = export_job(native)
    (archive,) = recordings_folder.rglob("*.zip")
    archive.unlink()
    assert problem(native.get(f"jobs/{job['id']}/file")) == (404, "job-file-not-found")


def test_part_of_an_export_can_be_fetched(native):
    services.enroll(native.tenant, LIBRARY, "ken", [audio(KEN)])
    job = export_job(native)
    part = native.get(f"jobs/{job['id']}/file", headers={"Range": "bytes=0-1"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"PK")


def test_a_job_without_a_file_says_so(native):
    job = imported(native, people())
    assert problem(native.get(f"jobs/{job['id']}/file")) == (404, "job-file-not-found")


def test_an_enrollment_may_be_a_job_whose_result_is_its_answer(native, stranger):
    body = STAFF | {"audio": [encoded(recording(WEI)), encoded(recording(WEI, 2))], "external_id": "wei"}
    reply = native.post("enroll", body, LATER)
    assert (reply.status_code, reply["Preference-Applied"]) == (202, "respond-async")
    job = native.client.get(reply["Location"], headers=native.authorization).json()
    at_once = stranger.post("enroll", body).json()

    def without_numbers(answer):
        answer["speaker"] = answer["speaker"] | dict.fromkeys(["id", "library_id", "created", "last_heard"])
        for utterance in answer["utterances"]:
            utterance["id"] = None
        return answer

    assert (job["kind"], job["state"]) == ("enroll", "succeeded")
    assert without_numbers(job["result"]) == without_numbers(at_once)


def test_an_enrollment_as_a_job_keeps_every_option(native):
    pcm = {"pcm_sample_rate": 8000, "trim_silence": False, "denoise": True, "required_utterances": 2, "info": "hi"}
    body = STAFF | {"audio": [encoded(silence().read())], "external_id": "wei"} | pcm
    native.post("enroll", body, LATER)
    with acting_as(native.tenant):
        said = native.tenant.jobs.get().parameters
    assert said["audios"][0]["raw_pcm"]["sample_rate"] == 8000
    assert (said["audios"][0]["denoise"], said["audios"][0]["trim_silence"]) == (True, False)
    assert (said["options"]["required_utterances"], said["options"]["info"]) == (2, "hi")


def test_an_enrollment_as_a_job_fails_as_the_request_would_have(native):
    native.post("enroll", STAFF | {"audio": [encoded(silence().read())], "external_id": "wei"}, LATER)
    (job,) = native.get("jobs", kind="enroll").json()["items"]
    assert job["state"] == "failed"
    assert (job["problem"]["type"], job["problem"]["status"]) == ("urn:openvpr:problem:not-enough-speech", 422)
    assert job["problem"]["required_seconds"] == 1.1


@pytest.mark.parametrize("preference", ["respond-async", "wait=5, Respond-Async", "respond-async; x=1"])
def test_a_preference_is_read_as_rfc_7240_writes_it(native, preference):
    body = STAFF | {"audio": [encoded(recording(WEI))], "external_id": "wei"}
    assert native.post("enroll", body, {"Prefer": preference}).status_code == 202


def test_other_preferences_are_no_matter(native):
    body = STAFF | {"audio": [encoded(recording(WEI))], "external_id": "wei"}
    assert native.post("enroll", body, {"Prefer": "return=minimal"}).status_code == 201


def test_a_repeated_import_with_a_key_is_one_job(native):
    archive = people()

    def post():
        return native.client.post(
            "/api/v1/imports",
            {"archive": file(archive, "a.tar.gz"), **STAFF},
            headers=native.authorization | {"Idempotency-Key": "monday"},
        )

    first, again = post(), post()
    assert (first.status_code, again["Idempotency-Replayed"]) == (202, "true")
    assert first["Location"] == again["Location"]
    assert len(native.get("jobs").json()["items"]) == 1


def test_a_waiting_job_is_cancelled(native):
    with acting_as(native.tenant):
        job = Job.all_tenants.create(tenant=native.tenant, kind="import")
    reply = native.post(f"jobs/{job.pk}/cancel")
    assert (reply.status_code, reply.json()["state"]) == (200, "cancelled")
    assert problem(native.post(f"jobs/{job.pk}/cancel")) == (409, "job-finished")


def test_a_job_that_an_erasure_ended_says_so_and_not_of_whom(native):
    with through_the_queue():
        job = native.form("imports", archive=file(people(), "people.tar.gz"), **STAFF).json()["id"]
        erasure.go_on(native.tenant, erasure.erase_person(native.tenant, "susan").pk)
    reply = native.get(f"jobs/{job}")
    assert reply.json()["state"] == "cancelled"
    assert reply.json()["problem"]["type"] == "urn:openvpr:problem:subject-erased"
    assert "susan" not in reply.content.decode()


def test_a_job_whose_file_an_erasure_took_says_since_when(native):
    services.save_library(native.tenant, OTHER_TAG)
    native.enroll("susan", recording("susan"))
    others, theirs = (bulk.begin_export(native.tenant, library).pk for library in (OTHER_TAG, LIBRARY))
    before = timezone.now()
    erasure.erase_person(native.tenant, "susan")
    job = native.get(f"jobs/{theirs}").json()
    assert job["file_expires"] is None
    assert before <= datetime.fromisoformat(job["files_erased"]) <= timezone.now()
    assert native.get(f"jobs/{others}").json()["files_erased"] is None


def test_what_failed_of_a_job_is_done_again(native):
    archive = targz({"manifest.csv": csv_manifest("susan,susan/1.opus", "ken,ken/1.opus"), **voices("susan/1.opus")})
    job = native.form("imports", archive=file(archive, "a.tar.gz"), **STAFF).json()["id"]
    first = native.get(f"jobs/{job}").json()
    assert (first["result"], first["inputs_expire"] is None) == ({"enrolled": 1, "failed": 1}, False)
    reply = native.post(f"jobs/{job}/retry")
    assert (reply.status_code, reply.json()["id"], reply.json()["state"]) == (200, job, "queued")
    assert native.get(f"jobs/{job}").json()["result"] == {"enrolled": 1, "failed": 1}


def test_of_a_job_that_went_well_nothing_is_done_again(native):
    imported(native, people())
    job = export_job(native)["id"]
    assert problem(native.post(f"jobs/{job}/retry")) == (409, "nothing-to-retry")


def test_a_job_says_who_began_it(native):
    imported(native, people())
    with acting_as(native.tenant):
        token = native.tenant.access_tokens.get()
    assert native.get("jobs").json()["items"][0]["begun_by"] == f"#{token.pk}"


def test_jobs_are_listed_by_kind_and_state(native):
    imported(native, people())
    export_job(native)
    assert [job["kind"] for job in native.get("jobs").json()["items"]] == ["import", "export"]
    assert [job["kind"] for job in native.get("jobs", kind="export").json()["items"]] == ["export"]
    assert native.get("jobs", state="failed").json()["items"] == []
    assert problem(native.get("jobs", state="lost")) == (422, "invalid-request")


def test_too_many_jobs_are_refused_as_busy(native, settings):
    settings.JOBS_PER_TENANT = 1
    with acting_as(native.tenant):
        Job.all_tenants.create(tenant=native.tenant, kind="import")
    reply = native.form("imports", archive=file(people(), "a.tar.gz"), **STAFF)
    assert problem(reply) == (503, "too-busy")


# --- Who may ---------------------------------------------------------------------------------------------------------


def test_another_tenants_job_is_as_unknown_as_none(native, stranger):
    imported(native, people())
    job = export_job(native)["id"]
    for ask in (f"jobs/{job}", f"jobs/{job}/rows", f"jobs/{job}/failed.csv", f"jobs/{job}/file"):
        assert problem(stranger.get(ask)) == (404, "job-not-found")
    for deed in ("cancel", "retry"):
        assert problem(stranger.post(f"jobs/{job}/{deed}")) == (404, "job-not-found")
    assert stranger.get("jobs").json()["items"] == []


def test_another_tenants_library_is_not_exported(native, stranger):
    imported(native, people())
    library = native.get("libraries").json()["items"][0]["id"]
    assert problem(stranger.post(f"libraries/{library}/export", {})) == (404, "library-not-found")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "imports", "enroll"),
        ("POST", "libraries/1/export", "admin"),
        ("GET", "jobs", "read"),
        ("GET", "jobs/1", "read"),
        ("GET", "jobs/1/rows", "read"),
        ("GET", "jobs/1/failed.csv", "read"),
        ("GET", "jobs/1/file", "admin"),
        ("POST", "jobs/1/cancel", "enroll"),
        ("POST", "jobs/1/retry", "enroll"),
    ],
)
def test_each_operation_needs_its_scope(client, acme, method, path, scope):
    others = {"read", "listen", "enroll", "recognise"} - {scope}
    reply = Native(client, acme, *others).ask(method, path)
    assert problem(reply) == (403, "insufficient-scope")
    assert reply.json()["required_scope"] == scope


def test_a_recording_that_could_not_be_embedded_anew_is_a_row_that_says_why(native, acme, tiny, recordings_folder):
    enrollment = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    (recordings_folder / enrollment.recording).unlink()
    job = native.get(f"jobs/{generations.begin(acme, tiny).pk}").json()
    assert (job["kind"], job["state"], job["result"]["failed"]) == ("reembed", "succeeded", 1)
    (row,) = native.get(f"jobs/{job['id']}/rows").json()["items"]
    assert (row["number"], row["external_id"]) == (enrollment.utterances[0].pk, SUSAN)
    assert row["problem"]["type"].endswith("file-missing")


def test_a_model_that_is_not_installed_fails_its_job_in_the_words_of_a_problem(native, acme, tiny, models_folder):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    shutil.rmtree(models_folder / tiny)
    job = native.get(f"jobs/{generations.begin(acme, tiny).pk}").json()
    assert job["state"] == "failed"
    assert job["problem"]["type"].endswith("model-unusable")
