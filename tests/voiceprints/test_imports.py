"""Bulk import: a list and its recordings, each line for itself, and the same list again changes nothing."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from django.core.files.base import ContentFile

from audio.errors import TooLarge
from tenants.context import acting_as
from tests.archives import csv_manifest, jsonl_manifest, targz, tarred, voices, zipped
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio, silence
from voiceprints import bulk, imports, recordings, services, work
from voiceprints.errors import JobFinished, JobNotFound, TooBusy
from voiceprints.failures import from_wire
from voiceprints.models import DoomedRecording
from voiceprints.refusals import in_words
from voiceprints.results import AudioInput, LibraryKey, WhenEnrolled

pytestmark = pytest.mark.django_db(transaction=True)

TWO = csv_manifest("susan,susan/1.opus|susan/2.opus,Susan", "ken,ken/1.opus,", header="external_id,audio,info")
TWO_VOICES = voices("susan/1.opus", "susan/2.opus", "ken/1.opus")


def imported(tenant, archive=None, **options):
    job = bulk.begin_import(tenant, archive=archive, **{"key": LIBRARY} | options)
    return bulk.find_job(tenant, job.pk)


def rows(tenant, job):
    return [
        (row.number, row.external_id, row.outcome, row.problem and row.problem["kind"])
        for row in bulk.page_rows(tenant, job.pk, where={}, limit=1000).rows
    ]


def speakers(tenant, key=LIBRARY):
    listed = services.list_speakers(tenant, tenant.libraries.within(key.org_id, key.tag_id))
    return {one.speaker.external_id: (one.speaker.status, one.utterance_count) for one in listed}


def files_in(folder: Path):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_speakers_come_out_of_an_archive(acme, pack):
    job = imported(acme, pack({"manifest.csv": TWO, **TWO_VOICES}))
    assert (job.state, job.done, job.total, job.result) == ("succeeded", 2, 2, {"enrolled": 2})
    assert rows(acme, job) == [(1, "susan", "enrolled", None), (2, "ken", "enrolled", None)]
    assert speakers(acme) == {"susan": ("enrolled", 2), "ken": ("enrolled", 1)}
    best = services.identify(acme, acme.libraries.within("acme"), audio(SUSAN, 3)).best
    assert (best.speaker.external_id, best.speaker.info) == ("susan", "Susan")


def test_the_list_may_come_beside_the_archive(acme):
    manifest = jsonl_manifest({"external_id": "susan", "audio": "susan/1.opus", "org_id": "o", "tag_id": "t"})
    archive = zipped(voices("susan/1.opus"))
    job = imported(acme, archive, manifest=ContentFile(manifest), manifest_name="people.jsonl")
    assert job.result == {"enrolled": 1}
    assert speakers(acme, LibraryKey("o", "t")) == {"susan": ("enrolled", 1)}


@pytest.mark.parametrize(("name", "kept"), [("Wei.CSV", "manifest.csv"), ("list.wei", "manifest.jsonl")])
def test_the_name_of_an_uploaded_list_is_not_kept(name, kept, acme):
    said = {"external_id": "susan", "audio": "susan/1.opus"}
    content = jsonl_manifest(said) if kept.endswith("jsonl") else csv_manifest(",".join(said.values()))
    job = imported(acme, zipped(voices("susan/1.opus")), manifest=ContentFile(content), manifest_name=name)
    assert job.result == {"enrolled": 1}
    assert job.parameters["manifest"] == kept


def test_the_same_import_again_changes_nothing(acme):
    archive = {"manifest.csv": TWO, **TWO_VOICES}
    imported(acme, zipped(archive))
    job = imported(acme, targz(archive))
    assert job.result == {"unchanged": 2}
    assert speakers(acme) == {"susan": ("enrolled", 2), "ken": ("enrolled", 1)}


def test_who_was_enrolled_by_a_request_with_the_same_recording_is_unchanged(acme):
    services.enroll(acme, LIBRARY, "ken", [audio(KEN)])
    job = imported(acme, zipped({"manifest.csv": csv_manifest("ken,ken/1.opus"), **voices("ken/1.opus")}))
    assert job.result == {"unchanged": 1}


def test_who_is_enrolled_with_another_recording_is_refused(acme):
    services.enroll(acme, LIBRARY, "ken", [audio(KEN, 2)])
    job = imported(acme, zipped({"manifest.csv": csv_manifest("ken,ken/1.opus"), **voices("ken/1.opus")}))
    assert rows(acme, job) == [(1, "ken", "failed", "SpeakerExists")]


def test_who_is_enrolled_can_be_replaced(acme):
    services.enroll(acme, LIBRARY, "ken", [audio(KEN, 2), audio(KEN, 3)])
    archive = {"manifest.csv": csv_manifest("ken,ken/1.opus"), **voices("ken/1.opus")}
    job = imported(acme, zipped(archive), when_enrolled=WhenEnrolled.REPLACE)
    again = imported(acme, zipped(archive), when_enrolled=WhenEnrolled.REPLACE)
    assert (job.result, again.result) == ({"replaced": 1}, {"unchanged": 1})
    assert speakers(acme) == {"ken": ("enrolled", 1)}


def test_who_is_enrolled_can_be_added_to_once(acme):
    services.enroll(acme, LIBRARY, "ken", [audio(KEN, 2)])
    lines = csv_manifest("ken,ken/1.opus", "ken,ken/3.opus", "ken,ken/1.opus")
    archive = {"manifest.csv": lines, **voices("ken/1.opus", "ken/3.opus")}
    job = imported(acme, zipped(archive), when_enrolled=WhenEnrolled.ADD)
    assert job.result == {"added": 2, "unchanged": 1}
    assert speakers(acme) == {"ken": ("enrolled", 3)}


def test_a_bad_line_costs_nothing_but_itself(acme):
    lines = csv_manifest("silent,silence.wav", "gone,nowhere.wav", "broken,text.wav", ",ken/1.opus", "ken,ken/1.opus")
    files = {"silence.wav": silence().read(), "text.wav": b"no recording"} | voices("ken/1.opus")
    job = imported(acme, zipped({"manifest.csv": lines, **files}))
    assert rows(acme, job) == [
        (1, "silent", "failed", "NotEnoughSpeech"),
        (2, "gone", "failed", "FileMissing"),
        (3, "broken", "failed", "Unrecognised"),
        (4, "", "failed", "RowRefused"),
        (5, "ken", "enrolled", None),
    ]
    assert job.state == "succeeded"
    assert speakers(acme) == {"ken": ("enrolled", 1)}


def test_a_second_line_about_the_same_speaker_is_refused(acme):
    archive = {"manifest.csv": csv_manifest("ken,ken/1.opus", "ken,ken/2.opus"), **voices("ken/1.opus", "ken/2.opus")}
    job = imported(acme, zipped(archive))
    assert rows(acme, job) == [(1, "ken", "enrolled", None), (2, "ken", "failed", "RowRefused")]


def test_a_line_with_more_than_a_request_may_hold_is_refused(acme, settings):
    settings.MAX_UPLOAD_BYTES = len(voices("susan/1.opus")["susan/1.opus"]) + 10
    lines = csv_manifest("susan,susan/1.opus|susan/2.opus")
    job = imported(acme, zipped({"manifest.csv": lines, **voices("susan/1.opus", "susan/2.opus")}))
    assert rows(acme, job) == [(1, "susan", "failed", TooLarge.__name__)]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"people.txt": b""}, "ManifestRefused"),
        ({"manifest.csv": TWO, "manifest.jsonl": b"{}"}, "ManifestRefused"),
        ({"manifest.csv": b"\xff\xfe"}, "ManifestRefused"),
        ({"manifest.csv": b"who,what\n1,2\n"}, "ManifestRefused"),
        ({"manifest.csv": csv_manifest()}, "ManifestRefused"),
        ({"manifest.csv": TWO, "../up.wav": b""}, "ArchiveRefused"),
    ],
)
def test_what_is_no_import_at_all_fails_with_a_reason(acme, recordings_folder, files, problem):
    job = imported(acme, zipped(files))
    assert (job.state, job.problem["kind"]) == ("failed", problem)
    assert speakers(acme) == {}
    assert files_in(recordings_folder) == []


def with_link(files):
    link = tarfile.TarInfo("link.wav")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return tarred(files, extra=(link,))


@pytest.mark.parametrize(
    ("pack", "files", "said"),
    [
        (zipped, {"../../evil.wav": b""}, "The archive cannot be used: unsafe name (../../evil.wav)."),
        (zipped, {"a\u202eb/../c": b""}, "The archive cannot be used: unsafe name (a⟨U+202E⟩b/../c)."),
        (zipped, {"c1.wav": b"", "./c1.wav": b""}, "The archive cannot be used: twice the same name (c1.wav)."),
        (with_link, {}, "The archive cannot be used: neither file nor folder (link.wav)."),
        (zipped, {"../" + "x" * 1000: b""}, f"The archive cannot be used: unsafe name (../{'x' * 197})."),
    ],
)
def test_a_refused_archive_names_what_gave_the_reason(acme, pack, files, said):
    job = imported(acme, pack({"manifest.csv": TWO, **files}))
    assert in_words(from_wire(job.problem)) == said


def test_what_was_uploaded_goes_when_the_job_is_over(acme, recordings_folder):
    imported(acme, zipped({"manifest.csv": TWO, **TWO_VOICES}))
    with acting_as(acme):
        kept = sorted(acme.utterances.values_list("recording", flat=True))
        assert not DoomedRecording.all_tenants.exists()
    assert files_in(recordings_folder) == kept


def test_an_upload_that_no_job_claimed_is_swept(acme, recordings_folder):
    work.stored(acme, zipped(TWO_VOICES))
    assert len(files_in(recordings_folder)) == 1
    with acting_as(acme):
        DoomedRecording.all_tenants.update(not_before="2020-01-01T00:00Z")
    assert recordings.sweep() == 1
    assert files_in(recordings_folder) == []


def under_way(tenant):
    with acting_as(tenant):
        tenant.jobs.create(kind="import")


def never():
    pytest.fail("it was read in vain")


class NeverRead(io.BytesIO):
    def read(self, *_):
        never()


def test_with_too_many_jobs_under_way_an_upload_is_not_even_read(acme, settings):
    settings.JOBS_PER_TENANT = 1
    under_way(acme)
    with pytest.raises(TooBusy):
        imported(acme, NeverRead(b"archive"))
    with pytest.raises(TooBusy):
        bulk.begin_enrollment(acme, LIBRARY, WEI, [AudioInput(read=never)], answer="test")


def test_an_upload_that_is_refused_in_the_end_goes_at_once(acme, settings, recordings_folder):
    settings.JOBS_PER_TENANT = 1

    class Slow(io.BytesIO):
        """Somebody else begins a job while it is read."""

        def read(self, *size):
            content = super().read(*size)
            if not content:
                under_way(acme)
            return content

    with pytest.raises(TooBusy):
        imported(acme, Slow(zipped(TWO_VOICES).getvalue()))
    assert files_in(recordings_folder) == []
    with acting_as(acme):
        assert not DoomedRecording.all_tenants.exists()


def test_of_recordings_that_cannot_all_be_read_none_stays(acme, recordings_folder):
    def broken():
        raise TooLarge(size_bytes=2, limit_bytes=1)

    with pytest.raises(TooLarge):
        bulk.begin_enrollment(acme, LIBRARY, WEI, [audio(WEI), AudioInput(read=broken)], answer="test")
    assert files_in(recordings_folder) == []


# --- The import folder -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(acme, recordings_folder):
    path = recordings_folder / imports.import_folder(acme)
    path.mkdir(parents=True)
    return path


def from_folder(tenant, *lines):
    return imported(tenant, manifest=ContentFile(csv_manifest(*lines)), manifest_name="list.csv")


def test_recordings_may_lie_in_the_import_folder(acme, folder):
    (folder / "day one").mkdir()
    (folder / "day one" / "ken.opus").write_bytes(voices("ken/1.opus")["ken/1.opus"])
    assert from_folder(acme, "ken,day one/ken.opus").result == {"enrolled": 1}
    assert (folder / "day one" / "ken.opus").exists()


@pytest.mark.parametrize("name", ["../tenant-globex/ken.opus", "/etc/passwd", "..\\x", "a/../../b", "C:\\x", "."])
def test_a_name_that_leads_out_of_the_folder_is_refused(acme, folder, name):
    assert rows(acme, from_folder(acme, f"ken,{name}")) == [(1, "ken", "failed", "RowRefused")]


@pytest.mark.parametrize("name", ["link.opus", "sub/ken.opus", "folder", "none"])
def test_what_is_no_file_of_the_folder_is_missing(acme, globex, folder, name, recordings_folder):
    theirs = recordings_folder / imports.import_folder(globex)
    theirs.mkdir()
    (theirs / "ken.opus").write_bytes(voices("ken/1.opus")["ken/1.opus"])
    (folder / "folder").mkdir()
    os.symlink(theirs / "ken.opus", folder / "link.opus")
    os.symlink(theirs, folder / "sub")
    assert rows(acme, from_folder(acme, f"ken,{name}")) == [(1, "ken", "failed", "FileMissing")]


def test_a_file_of_the_folder_that_is_too_large_is_refused_with_its_size(acme, folder, settings):
    settings.MAX_UPLOAD_BYTES = 2048
    (folder / "long.wav").write_bytes(bytes(3000))
    job = from_folder(acme, "ken,long.wav")
    [row] = bulk.page_rows(acme, job.pk, where={}).rows
    problem = row.problem
    assert problem["numbers"] == {"size_bytes": 3000, "limit_bytes": 2048}
    assert in_words(from_wire(problem)) == "The file is too large: at most 2.0\xa0KB are taken."


def test_a_tenant_has_no_other_tenants_folder(globex, folder):
    (folder / "ken.opus").write_bytes(voices("ken/1.opus")["ken/1.opus"])
    assert rows(globex, from_folder(globex, "ken,ken.opus")) == [(1, "ken", "failed", "FileMissing")]


def test_no_recording_lies_where_imports_are_looked_for(acme):
    services.enroll(acme, LibraryKey("imports"), "ken", [audio(KEN)])
    path = services.find_speaker(acme, acme.libraries.within("imports"), "ken").recording
    assert path.startswith("imports/")
    assert not path.startswith("imports/tenant-")


# --- Other people's jobs ---------------------------------------------------------------------------------------------


def test_a_job_is_unknown_to_others(acme, globex):
    job = imported(acme, zipped({"manifest.csv": TWO, **TWO_VOICES}))
    for question in (bulk.find_job, bulk.cancel_job, bulk.file_of):
        with pytest.raises(JobNotFound):
            question(globex, job.pk)
    with pytest.raises(JobNotFound):
        bulk.page_rows(globex, job.pk, where={})
    assert bulk.page_jobs(globex, where={}).rows == ()


def test_a_job_that_is_over_is_not_cancelled(acme):
    job = imported(acme, zipped({"manifest.csv": TWO, **TWO_VOICES}))
    with pytest.raises(JobFinished):
        bulk.cancel_job(acme, job.pk)


def test_a_job_cancelled_in_the_middle_enrolls_nobody_more(acme, monkeypatch):
    contents = imports._contents

    def cancelled_at_ken(run, read, row):
        if row.external_id == "ken":
            bulk.cancel_job(acme, run.job.pk)
        return contents(run, read, row)

    monkeypatch.setattr(imports, "_contents", cancelled_at_ken)
    job = imported(acme, zipped({"manifest.csv": TWO, **TWO_VOICES}))
    assert (job.state, job.done) == ("cancelled", 1)
    assert list(speakers(acme)) == [SUSAN]


@pytest.fixture
def answered():
    """An interface that says little."""
    bulk.answers_enrollments("test", lambda _, enrollment: {"speaker": enrollment.speaker.external_id})


def test_an_enrollment_can_be_a_job(acme, recordings_folder, answered):
    options = {"info": "Wei", "when_enrolled": WhenEnrolled.REFUSE, "required_utterances": 1}
    job = bulk.begin_enrollment(acme, LIBRARY, WEI, [audio(WEI)], answer="test", **options)
    job = bulk.find_job(acme, job.pk)
    assert (job.state, job.result) == ("succeeded", {"speaker": WEI})
    found = services.find_speaker(acme, acme.libraries.within("acme"), WEI)
    assert (found.speaker.info, found.speaker.enrolled) == ("Wei", True)
    assert files_in(recordings_folder) == [found.recording]


def test_an_enrollment_as_a_job_says_why_not(acme, answered):
    job = bulk.find_job(acme, bulk.begin_enrollment(acme, LIBRARY, WEI, [silence()], answer="test").pk)
    assert (job.state, job.problem["kind"]) == ("failed", "NotEnoughSpeech")
    assert job.problem["numbers"]["required_seconds"] == 1.1
