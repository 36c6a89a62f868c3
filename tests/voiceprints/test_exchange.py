"""A library goes out of one installation and into another, whole speakers only, and twice is once."""

import io
import json
import tempfile
import zipfile
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from tenants.context import acting_as, acting_as_platform
from tests.archives import targz, zipped
from tests.cast import KEN, LIBRARY, SUSAN, audio
from voiceprints import bulk, gallery, recordings, services, tasks
from voiceprints.errors import JobFileNotFound, LibraryNotFound
from voiceprints.models import Job, Utterance
from voiceprints.results import LibraryKey, WhenEnrolled
from voiceprints.stock import stock_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def library(acme):
    """Susan with two utterances, and Ken, who is still enrolling."""
    services.save_library(acme, LIBRARY, name="Staff", info="of Acme")
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)], info="says hello")
    services.enroll(acme, LIBRARY, KEN, [audio(KEN)], required_utterances=3)


def exported(tenant, **wants):
    job = bulk.begin_export(tenant, LIBRARY, **wants)
    content = io.BytesIO()
    bulk.copy_file(tenant, job.pk, content)
    content.seek(0)
    return content


def members(content):
    with zipfile.ZipFile(content) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def restored(tenant, content, **options):
    return bulk.find_job(tenant, bulk.begin_import(tenant, archive=content, **options).pk)


def failures(tenant, job):
    rows = bulk.page_rows(tenant, job.pk, where={}).rows
    return [row.problem and row.problem["kind"] for row in rows]


@dataclass(frozen=True, eq=False)
class Voice:
    """The mean of the same embeddings may be rounded otherwise."""

    embedding: np.ndarray
    __hash__ = None

    def __eq__(self, other):
        return np.allclose(self.embedding, other.embedding, rtol=0, atol=1e-6)


def picture(tenant):
    """All that an export should carry over."""
    with acting_as(tenant):
        return [
            (
                one.library.org_id,
                one.library.name,
                one.external_id,
                one.info,
                one.status,
                one.created,
                [(said.quality, said.created, said.source_digest) for said in one.utterances.order_by("pk")],
                [Voice(row.embedding) for row in one.voiceprints.all()],
            )
            for one in tenant.speakers.select_related("library").order_by("external_id")
        ]


def test_an_export_is_a_zip_of_a_manifest_the_speakers_and_their_recordings(acme, library):
    files = members(exported(acme, recordings=True, embeddings=True))
    manifest = json.loads(files["manifest.json"])
    assert (manifest["format"], manifest["version"], manifest["speakers"]) == ("openvpr-export", 1, 2)
    assert manifest["library"] == {"org_id": "acme", "tag_id": "staff", "name": "Staff", "info": "of Acme"}
    susan, ken = (json.loads(line) for line in files["speakers.jsonl"].splitlines())
    assert (susan["external_id"], susan["info"], susan["status"]) == ("susan", "says hello", "enrolled")
    assert [len(susan["utterances"]), ken["status"]] == [2, "enrolling"]
    for utterance in susan["utterances"]:
        assert files[utterance["recording"]].startswith(b"fLaC")
        assert utterance["embeddings"]["ge2e"]


def test_recordings_and_embeddings_go_only_where_they_are_asked_for(acme, library):
    files = members(exported(acme))
    assert sorted(files) == ["manifest.json", "speakers.jsonl"]
    assert b'embeddings": {}' in files["speakers.jsonl"]


def test_probes_stay_at_home(acme, library):
    services.enroll(acme, LIBRARY, "probe", [audio(SUSAN)], probe=True)
    assert b"probe" not in members(exported(acme))["speakers.jsonl"]


def test_everything_comes_back_in_another_installation(acme, globex, library):
    job = restored(globex, exported(acme, recordings=True, embeddings=True))
    assert (job.state, job.result) == ("succeeded", {"enrolled": 2})
    assert picture(globex) == picture(acme)
    best = services.identify(globex, globex.libraries.within("acme"), audio(SUSAN, 3)).best
    assert best.speaker.external_id == SUSAN


def test_restored_recordings_are_the_tenants_own_files(acme, globex, library, recordings_folder):
    restored(globex, exported(acme, recordings=True, embeddings=True))
    with acting_as(globex):
        theirs = [str(one.recording) for one in Utterance.all_tenants.all()]
    services.delete_libraries(acme, acme.libraries.all())
    assert all((recordings_folder / path).read_bytes().startswith(b"fLaC") for path in theirs)


def test_embeddings_alone_are_enough_to_find_somebody(acme, globex, library):
    restored(globex, exported(acme, embeddings=True))
    candidate = services.identify(globex, globex.libraries.within("acme"), audio(SUSAN, 3)).best
    assert (candidate.speaker.external_id, candidate.recording) == (SUSAN, "")


def test_recordings_alone_are_measured_again(acme, globex, library):
    job = restored(globex, exported(acme, recordings=True))
    assert job.result == {"enrolled": 2}
    found = services.list_speakers(globex, globex.libraries.within("acme"))
    assert [(one.speaker.external_id, one.speaker.status) for one in found] == [
        (SUSAN, "enrolled"),
        (KEN, "enrolling"),
    ]


def test_neither_is_not_enough(acme, globex, library):
    job = restored(globex, exported(acme))
    assert failures(globex, job) == ["RowRefused", "RowRefused"]


@pytest.mark.parametrize(
    "wants", [{"embeddings": True}, {"recordings": True}, {"embeddings": True, "recordings": True}], ids=str
)
@pytest.mark.parametrize("when_enrolled", list(WhenEnrolled))
def test_the_same_export_again_changes_nothing(acme, globex, library, wants, when_enrolled):
    content = exported(acme, **wants)
    restored(globex, content)
    before = picture(globex)
    assert restored(globex, content, when_enrolled=when_enrolled).result == {"unchanged": 2}
    assert restored(acme, content, when_enrolled=when_enrolled).result == {"unchanged": 2}
    assert picture(globex) == before


@pytest.mark.parametrize("wants", [{"embeddings": True}, {"recordings": True}], ids=str)
def test_an_export_is_added_once_to_what_others_said(acme, globex, library, wants):
    for name in (SUSAN, KEN):
        services.enroll(globex, LIBRARY, name, [audio(name, 4)])
    content = exported(acme, **wants)
    assert restored(globex, content, when_enrolled=WhenEnrolled.ADD).result == {"added": 2}
    before = picture(globex)
    assert [len(one[6]) for one in before] == [2, 3]
    assert restored(globex, content, when_enrolled=WhenEnrolled.ADD).result == {"unchanged": 2}
    assert picture(globex) == before


@pytest.mark.parametrize("wants", [{"embeddings": True}, {"recordings": True}], ids=str)
def test_of_an_export_only_what_is_new_is_added(acme, globex, library, wants):
    services.enroll(globex, LIBRARY, SUSAN, [audio(SUSAN, 2), audio(SUSAN, 4)])
    content = exported(acme, **wants)
    assert restored(globex, content, when_enrolled=WhenEnrolled.ADD).result == {"added": 1, "enrolled": 1}
    before = picture(globex)
    assert [len(one[6]) for one in before] == [1, 3]
    assert restored(globex, content, when_enrolled=WhenEnrolled.ADD).result == {"unchanged": 2}
    assert picture(globex) == before


@pytest.mark.parametrize("wants", [{"embeddings": True}, {"recordings": True}], ids=str)
@pytest.mark.parametrize("said", [[1], [1, 2]], ids=str)
def test_an_export_completes_who_is_still_enrolling_and_says_nothing_twice(acme, globex, library, wants, said):
    early = [audio(SUSAN, number) for number in said]
    services.enroll(globex, LIBRARY, SUSAN, early, info="says hello", required_utterances=4)
    content = exported(acme, **wants)
    assert restored(globex, content).result == {"enrolled": 2}
    before = picture(globex)
    assert [(one[4], len(one[6])) for one in before] == [("enrolling", 1), ("enrolled", 2)]
    best = services.identify(globex, globex.libraries.within("acme"), audio(SUSAN, 3)).best
    assert best.speaker.external_id == SUSAN
    assert restored(globex, content).result == {"unchanged": 2}
    assert picture(globex) == before


def test_who_is_enrolling_there_as_well_stays_so_whatever_both_said(acme, globex, library):
    services.enroll(globex, LIBRARY, KEN, [audio(KEN, 1), audio(KEN, 2)], required_utterances=4)
    services.enroll(acme, LIBRARY, KEN, [audio(KEN, 3)], required_utterances=4)
    restored(globex, exported(acme, recordings=True))
    assert [(one[4], len(one[6])) for one in picture(globex)] == [("enrolling", 3), ("enrolled", 2)]


def test_who_is_deleted_while_the_rest_is_added_is_not_left_in_part(acme, globex, library, monkeypatch):
    services.enroll(globex, LIBRARY, SUSAN, [audio(SUSAN, 1)])
    content = exported(acme, embeddings=True)
    admit = gallery.admit

    def deleted_before(*arguments, **options):
        globex.speakers.named(SUSAN).delete()
        return admit(*arguments, **options)

    monkeypatch.setattr(gallery, "admit", deleted_before)
    job = restored(globex, content, when_enrolled=WhenEnrolled.ADD)
    assert failures(globex, job) == ["SpeakerNotFound", None]


@pytest.mark.parametrize("limits", [{"max_speakers": 1}, {"max_storage_bytes": 250_000}], ids=["speakers", "storage"])
def test_of_an_export_no_more_comes_than_the_tenant_may_have(acme, globex, library, limits, recordings_folder):
    content = exported(acme, recordings=True, embeddings=True)
    before = len(list(recordings_folder.rglob("*.flac")))
    for limit, number in limits.items():
        setattr(globex, limit, number)
    globex.save()
    refused = [kind for kind in failures(globex, restored(globex, content)) if kind]
    assert refused in (["SpeakersExhausted"], ["StorageExhausted"])
    assert stock_of(globex).speakers == 1
    with acting_as(globex):
        kept = globex.utterances.count()
    assert len(list(recordings_folder.rglob("*.flac"))) == before + kept


def test_a_full_disk_fails_an_export_at_once(acme, library, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(open, "/dev/full", "w+b"))
    job = bulk.find_job(acme, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
    assert (job.state, job.problem["kind"]) == ("failed", "StorageFailed")


@pytest.mark.parametrize("when_enrolled", [WhenEnrolled.REFUSE, WhenEnrolled.ADD])
def test_an_export_is_added_once_to_who_is_still_enrolling(acme, globex, library, when_enrolled):
    services.enroll(globex, LIBRARY, KEN, [audio(KEN, 4)], required_utterances=3)
    content = exported(acme, embeddings=True)
    restored(globex, content, when_enrolled=when_enrolled)
    before = picture(globex)
    assert restored(globex, content, when_enrolled=when_enrolled).result == {"unchanged": 2}
    assert picture(globex) == before


def test_an_enrollment_is_completed_by_an_export_of_the_same_that_is_complete(acme, globex, library):
    content = exported(acme, embeddings=True)
    restored(globex, content)
    services.enroll(acme, LIBRARY, KEN, [audio(KEN, 2)], required_utterances=2)
    restored(globex, exported(acme, embeddings=True))
    assert [one[4] for one in picture(globex)] == ["enrolled", "enrolled"]


def test_an_export_can_go_into_another_library(acme, library):
    job = restored(acme, exported(acme, embeddings=True), key=LibraryKey("elsewhere"))
    assert job.result == {"enrolled": 2}
    assert services.count_speakers(acme, acme.libraries.within("elsewhere")) == 2


def test_somebody_of_that_name_is_refused_or_replaced_as_asked(acme, globex, library):
    services.enroll(globex, LIBRARY, SUSAN, [audio(KEN, 2)])
    content = exported(acme, recordings=True, embeddings=True)
    assert restored(globex, content).result == {"enrolled": 1, "failed": 1}
    assert restored(globex, content, when_enrolled=WhenEnrolled.REPLACE).result == {"replaced": 1, "unchanged": 1}
    assert [one[-2:] for one in picture(globex)] == [one[-2:] for one in picture(acme)]


def test_a_speaker_comes_whole_or_not_at_all(acme, globex, library, recordings_folder):
    files = members(exported(acme, recordings=True, embeddings=True))
    susan = json.loads(files["speakers.jsonl"].splitlines()[0])
    files[susan["utterances"][1]["recording"]] += b"tampered"
    before = sorted(recordings_folder.rglob("*.flac"))
    job = restored(globex, targz(files))
    assert failures(globex, job) == ["ArchiveRefused", None]
    assert [one[2] for one in picture(globex)] == [KEN]
    assert len(sorted(recordings_folder.rglob("*.flac"))) == len(before) + 1


@pytest.mark.parametrize(
    "change",
    [
        {"external_id": ""},
        {"external_id": "\x00"},
        {"external_id": "\ud800"},
        {"status": "probe"},
        {"created": "yesterday"},
        {"created": "2026-01-01T00:00:00"},
        {"created": "2026-01-01"},
        {"created": "0001-01-01T00:00:00+14:00"},
        {"created": "9999-12-31T23:59:59-14:00"},
        {"utterances": []},
        {"utterances": [{}]},
        {"utterances": "all"},
    ],
    ids=str,
)
def test_a_line_that_no_export_has_is_refused(acme, globex, library, change):
    files = members(exported(acme, embeddings=True))
    lines = [json.loads(line) | change for line in files["speakers.jsonl"].splitlines()]
    files["speakers.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert failures(globex, restored(globex, zipped(files))) == ["RowRefused", "RowRefused"]


@pytest.mark.parametrize("figure", ["NaN", "1e999", '"loud"', "null"])
def test_a_figure_that_is_none_is_refused(acme, globex, library, figure):
    files = members(exported(acme, embeddings=True))
    known = json.loads(files["speakers.jsonl"].splitlines()[0])["utterances"][0]["quality"]["snr_db"]
    files["speakers.jsonl"] = files["speakers.jsonl"].replace(str(known).encode(), figure.encode())
    assert failures(globex, restored(globex, zipped(files)))[0] == "RowRefused"


@pytest.mark.parametrize("embedding", ["", "AAAA", "A" * 1366 + "==", "not base64"])
def test_an_embedding_of_no_length_or_direction_is_refused(acme, globex, library, embedding):
    files = members(exported(acme, embeddings=True))
    lines = [json.loads(line) for line in files["speakers.jsonl"].splitlines()]
    for line in lines:
        line["utterances"][0]["embeddings"]["ge2e"] = embedding
    files["speakers.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert failures(globex, restored(globex, zipped(files))) == ["RowRefused", "RowRefused"]


@pytest.mark.parametrize("manifest", [b"[]", b"{", b'{"format": "openvpr-export", "version": 2}', b"\xff"])
def test_a_manifest_that_no_export_has_fails_the_job(globex, manifest):
    job = restored(globex, zipped({"manifest.json": manifest, "speakers.jsonl": b""}))
    assert (job.state, job.problem["kind"]) == ("failed", "ManifestRefused")


def test_a_recording_that_is_lost_is_counted_and_the_rest_is_exported(acme, library, recordings_folder):
    (lost,) = [services.find_speaker(acme, acme.libraries.within("acme"), KEN).recording]
    (recordings_folder / lost).unlink()
    job = bulk.find_job(acme, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
    assert (job.result["speakers"], job.result["missing_recordings"]) == (2, 1)


def test_the_file_goes_when_it_expires(acme, library, recordings_folder):
    job = bulk.begin_export(acme, LIBRARY)
    assert [path.suffix for path in (recordings_folder / "jobs").rglob("*") if path.is_file()] == [".zip"]
    with acting_as_platform():
        Job.all_tenants.update(expires="2020-01-01T00:00Z")
    tasks.sweep_jobs()
    recordings.sweep()
    assert [path for path in (recordings_folder / "jobs").rglob("*") if path.is_file()] == []
    with pytest.raises(JobFileNotFound):
        bulk.file_of(acme, job.pk)


def test_a_file_that_is_gone_already_cannot_be_copied(acme, library, recordings_folder):
    job = bulk.begin_export(acme, LIBRARY)
    (archive,) = recordings_folder.rglob("*.zip")
    archive.unlink()
    with pytest.raises(JobFileNotFound):
        bulk.copy_file(acme, job.pk, io.BytesIO())


def test_a_job_long_over_is_forgotten(acme, library, settings):
    bulk.begin_export(acme, LIBRARY)
    with acting_as_platform():
        Job.all_tenants.update(expires="2020-01-01T00:00Z", finished="2020-01-01T00:00Z")
    tasks.sweep_jobs()
    assert bulk.page_jobs(acme, where={}).rows == ()


def test_a_library_that_is_not_there_is_not_exported(acme, globex, library):
    with pytest.raises(LibraryNotFound):
        bulk.begin_export(globex, LIBRARY)
