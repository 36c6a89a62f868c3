"""Imports, exports and jobs in the console, really run."""

from __future__ import annotations

import csv
import html
import io
import re
import zipfile
from dataclasses import asdict

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import Tenant
from tenants.origins import Origin
from tests.archives import csv_manifest, voices, zipped
from tests.cast import LIBRARY
from tests.console.people import enrolled
from tests.servers import through_the_queue
from voiceprints import bulk, erasure, generations
from voiceprints.job_deeds import DEEDS
from voiceprints.manifests import COLUMNS, EXAMPLE
from voiceprints.models import Job, JobRow
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/console/jobs/acme/"
GUESTS = LibraryKey("acme", "guests")
MOST_QUERIES = 12


def archive(*lines: str, names: tuple[str, ...] = ("susan/1.opus",)) -> SimpleUploadedFile:
    content = zipped({"manifest.csv": csv_manifest(*lines), **voices(*names)}).getvalue()
    return SimpleUploadedFile("people.zip", content, "application/zip")


def upload(client, *lines, **said):
    data = {"archive": archive(*lines), "org_id": "acme", "tag_id": "guests", "when_enrolled": "refuse"}
    return client.post(f"{PAGE}import/", data | said)


def only_job(tenant) -> Job:
    with acting_as(tenant):
        return tenant.jobs.get()


def page_of(client, job) -> str:
    return client.get(f"{PAGE}{job.pk}/").content.decode()


def do(client, job, deed, **said) -> str:
    return client.post(f"{PAGE}{job.pk}/{deed}/", said, follow=True).content.decode()


def text(response) -> str:
    return response.content.decode()


def test_the_import_page_says_what_a_list_says_and_where_recordings_lie(client_of, acme):
    client = client_of("operator")
    said = text(client.get(f"{PAGE}import/"))
    for column in COLUMNS:
        assert f"<code>{column.name}</code>" in said
        assert str(column.meaning) in html.unescape(said)
    assert f'<code id="example">{EXAMPLE}</code>' in said
    assert "<code>imports/tenant-acme</code>" in said
    template = client.get(f"{PAGE}import/manifest.csv")
    assert text(template) == EXAMPLE
    assert template["Content-Disposition"] == 'attachment; filename="manifest.csv"'
    assert client_of("globex").get(f"{PAGE}import/manifest.csv").status_code == 404


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (Origin("user", 1, "olga", "console"), "olga"),
        (Origin("token", 4, "", "native"), "access token #4"),
        (Origin("token", 4, "till", "native"), "access token till"),
        (Origin("credential", 2, "key-1", "abcpen"), "credential key-1"),
        (Origin("command", 0, "root", "manage.py import_speakers"), "command root"),
    ],
)
def test_a_job_says_who_began_it(by, said, client_of, acme, acme_rows):
    with acting_as(acme):
        acme.jobs.filter(pk=acme_rows.job.pk).update(origin=asdict(by))
    client = client_of("viewer")
    assert said in text(client.get(PAGE))
    assert said in page_of(client, acme_rows.job)


# --- Importing -------------------------------------------------------------------------------------------------------


def test_an_upload_becomes_a_job_that_enrolls(client_of, acme):
    client = client_of("operator")
    response = upload(client, "susan,susan/1.opus")
    job = only_job(acme)
    assert response.headers["Location"] == f"{PAGE}{job.pk}/"
    assert (job.state, job.result, job.begun_by) == ("succeeded", {"enrolled": 1}, "acme-operator")
    page = page_of(client, job)
    assert "1 / 1" in page
    assert "acme / guests" in page


def test_a_list_may_be_sent_beside_the_archive(client_of, acme):
    sounds = SimpleUploadedFile("sounds.zip", zipped(voices("susan/1.opus")).getvalue())
    lines = SimpleUploadedFile("people.csv", csv_manifest("susan,susan/1.opus"))
    said = {"archive": sounds, "manifest": lines, "org_id": "acme", "when_enrolled": "refuse"}
    client_of("owner").post(f"{PAGE}import/", said)
    assert only_job(acme).result == {"enrolled": 1}


def test_an_import_of_nothing_is_refused_in_words(client_of, acme):
    page = text(client_of("owner").post(f"{PAGE}import/", {"when_enrolled": "refuse"}))
    assert "Choose an archive or a list." in page
    with acting_as(acme):
        assert not acme.jobs.exists()


def test_an_upload_is_kept_in_no_memory_and_under_no_name(client_of, acme, monkeypatch, settings):
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
    seen = []
    begin = bulk.begin_import
    monkeypatch.setattr(
        bulk, "begin_import", lambda tenant, **said: seen.append(said["archive"]) or begin(tenant, **said)
    )
    upload(client_of("owner"), "susan,susan/1.opus")
    assert isinstance(seen[0].file.name, int)


def test_more_than_an_import_may_hold_is_refused_before_it_is_read(client_of, acme, settings):
    settings.MAX_IMPORT_BYTES = 1000
    client = client_of("owner")
    response = upload(client, "susan,susan/1.opus")
    assert response.headers["Location"] == f"{PAGE}import/"
    assert "The upload is too large." in text(client.get(f"{PAGE}import/"))
    with acting_as(acme):
        assert not acme.jobs.exists()


def test_the_limit_is_told_before_anything_is_sent(client_of, settings):
    settings.MAX_IMPORT_BYTES = 3 * 1024 * 1024
    page = text(client_of("owner").get(f"{PAGE}import/"))
    assert re.search(r"At most 3\.0\sMB together\.", page)


def test_an_upload_without_its_token_is_none(client_of, acme):
    client = client_of("owner")
    client.handler.enforce_csrf_checks = True
    assert upload(client, "susan,susan/1.opus").status_code == 403
    with acting_as(acme):
        assert not acme.jobs.exists()


def test_an_import_of_someone_who_may_not_is_not_even_read(client_of, acme, monkeypatch):
    monkeypatch.setattr("voiceprints.uploads.NamelessFileHandler.new_file", lambda *_: pytest.fail("it was read"))
    assert [upload(client_of(who), "susan,susan/1.opus").status_code for who in ("viewer", "auditor")] == [403, 403]


def test_too_many_jobs_are_refused_on_the_form(client_of, acme, settings):
    settings.JOBS_PER_TENANT = 0
    assert "Too much is under way already" in text(upload(client_of("owner"), "susan,susan/1.opus"))


# --- What failed -----------------------------------------------------------------------------------------------------


@pytest.fixture
def half_done(client_of, acme) -> Job:
    upload(client_of("operator"), "susan,susan/1.opus", "=bob,bob.opus")
    return only_job(acme)


def test_the_page_names_libraries_that_the_job_made(client_of, acme, half_done):
    made = "This job made the library acme / guests, which was not there before."
    viewer = client_of("viewer")
    assert made in page_of(viewer, half_done)
    upload(client_of("owner"), "susan,susan/1.opus")
    with acting_as(acme):
        again = acme.jobs.latest("pk")
    assert again.pk != half_done.pk
    assert "libraries-made" not in page_of(viewer, again)


def test_a_closed_tenant_takes_no_import_from_platform_staff(client_of, acme, half_done):
    staff = client_of("staff")
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    said = f"{acme.name} is closed, and nothing is added to it until it is open again."
    assert said in text(upload(staff, "susan,susan/1.opus"))
    assert said in do(staff, half_done, "retry")
    assert only_job(acme).state == half_done.state


def test_a_line_that_failed_says_why(client_of, half_done):
    viewer = client_of("viewer")
    page = page_of(viewer, half_done)
    assert "1 failed" in page
    assert "1 of 2 failed" in page
    assert "1 of 2 failed" in viewer.get("/console/jobs/acme/").content.decode()
    assert "There is no file bob.opus." in page


def test_a_line_that_lacks_something_says_what(client_of, acme_rows):
    page = page_of(client_of("viewer"), acme_rows.job)
    assert "The line has no audio." in page


def test_what_failed_is_downloaded_and_is_no_formula(client_of, half_done):
    response = client_of("viewer").get(f"{PAGE}{half_done.pk}/failed.csv")
    rows = list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"))))
    assert rows == [
        [*(column.name for column in COLUMNS), "line", "problem"],
        ["'=bob", "bob.opus", "acme", "guests", *[""] * 5, "2", "There is no file bob.opus."],
    ]
    assert response.headers["Content-Disposition"] == f'attachment; filename="job-{half_done.pk}-failed.csv"'


def test_only_what_failed_is_tried_again(client_of, acme, half_done):
    with acting_as(acme):
        first = acme.job_rows.get(number=1).created
    page = do(client_of("owner"), half_done, "retry")
    assert "What failed is tried again." in page
    with acting_as(acme):
        assert acme.job_rows.get(number=1).created == first
        assert acme.job_rows.filter(outcome="failed").count() == 1


def assert_an_erasure_is_said_to_have_taken(client, job, whom, *, offered):
    """The files of the job, without a name; what was offered with them is no more."""
    before = page_of(client, job)
    erasure.erase_person(job.tenant, whom)
    after = page_of(client, job)
    assert offered in before
    assert offered not in after
    assert "An erasure took" not in before
    assert "An erasure took the files of this job" in after
    assert whom not in after


def test_a_job_says_why_nothing_can_be_tried_again_once_somebody_in_its_upload_is_erased(client_of, acme, half_done):
    assert_an_erasure_is_said_to_have_taken(client_of("owner"), half_done, "susan", offered="Try again what failed")


def test_reasons_are_said_in_the_readers_language(client_of, acme):
    client = client_of("owner")
    upload(client, "susan,susan/1.opus", "susan,susan/1.opus")
    client.cookies["django_language"] = "zh-hans"
    page = page_of(client, only_job(acme))
    assert "external_id：第 1 行已是同一说话人。" in page


# --- Exporting -------------------------------------------------------------------------------------------------------


def test_a_library_is_exported_and_fetched(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    client = client_of("operator")
    client.post(f"{PAGE}export/", {"library": speaker.library.pk, "recordings": "on"})
    job = only_job(acme)
    assert f"{PAGE}{job.pk}/export.zip" in page_of(client, job)
    file = b"".join(client.get(f"{PAGE}{job.pk}/export.zip").streaming_content)
    assert "recordings/000001/0001.flac" in zipfile.ZipFile(io.BytesIO(file)).namelist()


def test_readers_find_no_way_to_the_file(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    client_of("operator").post(f"{PAGE}export/", {"library": speaker.library.pk})
    assert "export.zip" not in page_of(client_of("viewer"), only_job(acme))


def test_the_form_of_an_export_that_came_to_nothing_begins_another(acme, recordings_folder):
    enrolled(acme, "alice")
    first = bulk.begin_export(acme, LIBRARY, form="a form")
    assert bulk.begin_export(acme, LIBRARY, form="a form") == first
    bulk.delete_file(acme, first.pk)
    assert bulk.begin_export(acme, LIBRARY, form="a form") != first


def test_the_file_of_an_export_is_deleted_once_that_is_confirmed(client_of, acme, recordings_folder):
    speaker, _ = enrolled(acme, "alice")
    client = client_of("operator")
    client.post(f"{PAGE}export/", {"library": speaker.library.pk})
    job = only_job(acme)
    assert f"{PAGE}{job.pk}/delete-file/" in page_of(client, job)
    assert "Delete the file of this job?" in do(client, job, "delete-file")
    assert only_job(acme).output
    page = do(client, job, "delete-file", confirmed="yes")
    assert "The file is deleted." in page
    assert "export.zip" not in page
    assert list(recordings_folder.rglob("*.zip")) == []


def test_a_file_whose_time_is_over_is_not_offered_until_it_is_swept(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    client = client_of("operator")
    client.post(f"{PAGE}export/", {"library": speaker.library.pk})
    with acting_as(acme):
        acme.jobs.update(expires=timezone.now())
    page = page_of(client, only_job(acme))
    assert "export.zip" not in page
    assert "file kept until" not in page
    assert client.get(f"{PAGE}{only_job(acme).pk}/export.zip").status_code == 404


def test_a_file_that_is_deleted_already_is_refused_in_words(client_of, acme, acme_rows):
    client = client_of("operator")
    assert "The job has no file, or has none any more." in do(client, acme_rows.job, "delete-file", confirmed="yes")


def test_a_job_says_why_its_file_is_gone_once_somebody_in_it_is_erased(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    client = client_of("operator")
    client.post(f"{PAGE}export/", {"library": speaker.library.pk})
    assert_an_erasure_is_said_to_have_taken(client, only_job(acme), "alice", offered="export.zip")


def test_the_library_of_another_tenant_is_none_to_export(client_of, globex):
    speaker, _ = enrolled(globex, "gail")
    page = text(client_of("owner").post(f"{PAGE}export/", {"library": speaker.library.pk}))
    assert "Select a valid choice." in page
    with acting_as(globex):
        assert not globex.jobs.exists()


# --- Under way -------------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(client_of, acme) -> Job:
    with through_the_queue():
        upload(client_of("operator"), "susan,susan/1.opus")
        yield only_job(acme)


def test_a_job_is_paused_and_goes_on(client_of, acme, waiting):
    client = client_of("owner")
    assert "Paused." in do(client, waiting, "pause")
    assert only_job(acme).state == "paused"
    assert "It goes on." in do(client, waiting, "resume")
    assert only_job(acme).state == "queued"


def test_nothing_is_cancelled_before_somebody_said_yes(client_of, acme, waiting):
    client = client_of("owner")
    assert "what was uploaded for it" in do(client, waiting, "cancel")
    assert only_job(acme).state == "queued"
    assert "Cancelled." in do(client, waiting, "cancel", confirmed="yes")
    assert only_job(acme).state == "cancelled"


def test_a_job_that_an_erasure_ended_says_so_and_not_of_whom(client_of, acme, waiting):
    erasure.go_on(acme, erasure.erase_person(acme, "susan").pk)
    page = page_of(client_of("viewer"), waiting)
    assert "Ended by an erasure" in page
    assert "susan" not in page


def test_following_a_link_changes_nothing(client_of, acme, waiting):
    client = client_of("owner")
    for deed in ("cancel", "pause", "resume", "retry"):
        client.get(f"{PAGE}{waiting.pk}/{deed}/?confirmed=yes")
    assert only_job(acme).state == "queued"


def test_a_job_is_followed_only_while_it_is_under_way(client_of, acme, waiting):
    client = client_of("viewer")
    assert "data-progress=" in page_of(client, waiting)
    assert "data-under-way" in text(client.get(f"{PAGE}{waiting.pk}/progress/"))
    bulk.cancel_job(acme, waiting.pk)
    assert "data-progress=" not in page_of(client, waiting)
    assert "data-under-way" not in text(client.get(f"{PAGE}{waiting.pk}/progress/"))


def test_a_refusal_is_said_in_words(client_of, acme, waiting):
    bulk.cancel_job(acme, waiting.pk)
    client = client_of("owner")
    assert "The job is over already." in do(client, waiting, "pause")
    assert "Nothing of the job failed." in do(client, waiting, "retry")


def test_changing_the_model_is_the_owners(client_of, acme, tiny):
    with through_the_queue():
        job = generations.begin(acme, tiny)
    assert client_of("operator").post(f"{PAGE}{job.pk}/pause/").status_code == 403
    assert "Paused." in do(client_of("owner"), job, "pause")


# --- The list --------------------------------------------------------------------------------------------------------


def many(tenant, count: int) -> None:
    over = {"state": "succeeded", "finished": timezone.now(), "kind": "export"}
    with acting_as(tenant):
        Job.all_tenants.bulk_create(Job(tenant=tenant, begun_by=f"number {one}", **over) for one in range(count))


def test_jobs_are_listed_newest_first_and_in_pages(client_of, acme):
    many(acme, 60)
    client = client_of("viewer")
    page = text(client.get(PAGE))
    assert "number 59" in page
    assert "number 9<" not in page
    older = re.search(r'href="(\?[^"]*after=[^"]+)">Older', page)
    assert older
    rest = text(client.get(PAGE + older[1].replace("&amp;", "&")))
    assert "number 9<" in rest
    assert "number 59" not in rest


def test_the_list_is_narrowed_by_kind_and_state(client_of, acme, half_done):
    many(acme, 1)
    client = client_of("viewer")
    assert "number 0" not in text(client.get(f"{PAGE}?kind=import"))
    assert "number 0" in text(client.get(f"{PAGE}?kind=export&state=succeeded"))
    assert 'id="nothing"' in text(client.get(f"{PAGE}?state=paused"))


NOWHERE = ["x", "%00", "2026-01-01_1", "2026-13-01T00:00:00+00:00_1", "_", f"2026-01-01T00:00:00Z_{10**30}"]


@pytest.mark.parametrize("after", NOWHERE)
def test_a_place_that_is_none_is_the_beginning_or_the_end(after, client_of, acme, half_done):
    client = client_of("viewer")
    assert client.get(f"{PAGE}?after={after}").status_code == 200
    assert client.get(f"{PAGE}{half_done.pk}/?after={after}").status_code == 200


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_the_pages_take_as_many_queries_for_many_rows_as_for_few(who, client_of, acme, half_done):
    client = client_of(who)
    pages = [PAGE, f"{PAGE}{half_done.pk}/", f"{PAGE}{half_done.pk}/failed.csv", f"{PAGE}import/", f"{PAGE}export/"]
    few = {page: queries(client, page) for page in pages}
    many(acme, 70)
    with acting_as(acme):
        problem = {"kind": "RowRefused", "numbers": {"reason": "missing", "field": "audio"}}
        row = {"tenant": acme, "job": half_done, "outcome": "failed", "problem": problem}
        JobRow.all_tenants.bulk_create(JobRow(number=number, **row) for number in range(10, 90))
    assert {page: queries(client, page) for page in pages} == few
    assert max(few.values()) <= MOST_QUERIES


def queries(client, page: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len([one for one in captured if one["sql"].startswith("SELECT") and "set_config" not in one["sql"]])


# --- Who may see -----------------------------------------------------------------------------------------------------


def test_a_member_of_another_tenant_finds_none_of_it(client_of, acme, half_done):
    client = client_of("globex")
    pages = [
        "",
        "import/",
        "export/",
        *(f"{half_done.pk}/{part}" for part in ("", "progress/", "failed.csv", "export.zip")),
    ]
    assert {client.get(f"{PAGE}{page}").status_code for page in pages} == {404}
    assert {client.post(f"{PAGE}{half_done.pk}/{deed}/").status_code for deed in DEEDS} == {404}
    own = "/console/jobs/globex/"
    assert {client.get(f"{own}{half_done.pk}/{part}").status_code for part in ("", "progress/", "failed.csv")} == {404}
    assert client.post(f"{own}{half_done.pk}/retry/").status_code == 404
    assert upload(client, "susan,susan/1.opus").status_code == 404
    assert "olga" not in text(client.get(own))


def test_a_member_is_led_to_their_own_tenant_and_staff_choose(client_of):
    assert client_of("viewer").get("/console/jobs/").headers["Location"] == PAGE
    assert f'href="{PAGE}"' in text(client_of("staff").get("/console/jobs/"))


def test_staff_see_whose_jobs_are_under_way(client_of, acme, globex, acme_rows):
    for kind in (Job.Kind.IMPORT, Job.Kind.REEMBED):
        with acting_as(acme):
            newest = acme.jobs.create(kind=kind)
    rows = {jobs.tenant: jobs for jobs, _ in client_of("staff").get("/console/jobs/").context["rows"]}
    assert {tenant.slug: jobs.under_way for tenant, jobs in rows.items()} == {"acme": 2, "globex": 0}
    assert (rows[acme].newest, rows[globex].newest) == (newest.created, None)
