"""Whoever is erased is nowhere any more: every table, every file and all of Redis are searched for them."""

from __future__ import annotations

import io
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event
from types import SimpleNamespace

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError, connection
from django.utils import timezone

from api.native.models import KeptAnswer
from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform
from tenants.locks import nobody_else_is_at
from tenants.models import AuditEvent
from tests import searching
from tests.api.jdcloud.client import Jdcloud, halves
from tests.api.native.client import Native, encoded
from tests.archives import zipped
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, WEI, audio, recording, wav_of
from tests.servers import through_the_queue
from voiceprints import bulk, erasure, exchange, leaving, opting_out, receipts, recordings, services, traces, work
from voiceprints.errors import (
    ErasureNotFound,
    ErasureUnfinished,
    FilesAwaited,
    FilesInHand,
    JobFileNotFound,
    SpeakerNotFound,
    StorageFailed,
    UploadsGone,
)
from voiceprints.jobs import connection as redis
from voiceprints.models import DoomedRecording, Erasure, Job, JobRow, Utterance, UtteranceEmbedding, Voiceprint
from voiceprints.results import LibraryKey, Turn
from voiceprints.tasks import go_on_erasing

pytestmark = pytest.mark.django_db(transaction=True)

SUBJECT, CHINESE = "kunde-4711", "客户 4711"
TRAIL = "tenants_auditevent"


@pytest.fixture(autouse=True)
def empty_redis():
    redis().flushdb()


def enroll(tenant, name, voice, key=LIBRARY, **options):
    return services.enroll(tenant, key, name, [audio(voice)], **options)


def in_library(tenant, key=LIBRARY):
    return tenant.libraries.within(key.org_id, key.tag_id)


def manifest(*names, recording="missing.wav"):
    lines = [{"org_id": "acme", "tag_id": "staff", "external_id": name, "audio": recording} for name in names]
    return "\n".join(map(json.dumps, lines)).encode()


def imported(tenant, *names, **files):
    """An import that is over, of which every line failed, so that its upload is kept."""
    content = zipped({"manifest.jsonl": manifest(*names), **files})
    return bulk.begin_import(tenant, archive=content)


def files_of(tenant):
    """In the storage, what the job rows point at."""
    with acting_as(tenant):
        return [path for job in tenant.jobs.all() for path in [*job.inputs, job.output] if path]


@pytest.fixture
def everywhere(client, acme, acme_credential):
    """The subject in every place where anybody can be, and somebody else beside them."""
    native = Native(client, acme)
    enroll(acme, KEN, KEN)
    assert native.enroll(SUBJECT, recording(SUSAN)).status_code == 201
    body = {"org_id": "acme", "tag_id": "guests", "external_id": SUBJECT, "audio": [encoded(recording(SUSAN, 2))]}
    assert native.post("enroll", body, {"Idempotency-Key": "of-the-enrollment"}).status_code == 201
    asked = {"org_id": "acme", "audio": encoded(recording(SUSAN, 3))}
    assert native.post("identify", asked, {"Idempotency-Key": "of-the-search"}).status_code == 200
    assert native.post("analyze", {"audio": encoded(recording(SUSAN, 3))}, {"Idempotency-Key": f"x/{SUBJECT}/1"})
    enroll(acme, SUBJECT, SUSAN, LibraryKey("probes"), probe=True)
    turn = Turn(1, 3)
    services.enroll_turn(
        acme, LibraryKey("turns"), SUBJECT, audio(SUSAN), turn=turn, within=in_library(acme, LibraryKey("turns"))
    )
    bulk.begin_enrollment(acme, LibraryKey("jobs"), SUBJECT, [audio(SUSAN, 4)], answer="native")
    # Somebody who sounds the same has the subject in the result of the job as a near duplicate.
    twin = bulk.begin_enrollment(acme, LibraryKey("jobs"), "twin", [audio(SUSAN, 3)], answer="native")
    assert SUBJECT in str(bulk.find_job(acme, twin.pk).result["near_duplicates"])
    imported(acme, SUBJECT, "somebody")
    bulk.begin_export(acme, LIBRARY, recordings=True, embeddings=True)
    first, _ = halves(wav_of(SUSAN))
    Jdcloud(client, acme_credential).enroll(first, sequence=1, user=SUBJECT)
    return SimpleNamespace(native=native)


def biometrics(tenant):
    """Bytes that can be searched for: recordings as they are stored, and how their vectors begin in a dump."""
    with acting_as(tenant):
        said = Utterance.all_tenants.filter(speaker__external_id=SUBJECT)
        paths = [str(row.recording) for row in said]
        contents = [recordings.read(path) for path in paths]
        digests = list(said.values_list("source_digest", flat=True))
        vectors = [*UtteranceEmbedding.all_tenants.filter(utterance__in=said).values_list("embedding", flat=True)]
        vectors += Voiceprint.all_tenants.filter(speaker__external_id=SUBJECT).values_list("embedding", flat=True)
    shown = [searching.vector(embedding) for embedding in vectors]
    assert paths
    assert vectors
    return SimpleNamespace(paths=paths, contents=contents, digests=digests, vectors=shown)


def places_of(text: str, folder):
    """Where a text is found."""
    found = ["database"] if text in searching.dumped_without(TRAIL) else []
    encodings = {text.encode(), json.dumps(text).encode()[1:-1]}
    found += [name for name, content in searching.files(folder).items() if any(one in content for one in encodings)]
    return found + (["redis"] if any(one in searching.in_redis() for one in encodings) else [])


def test_whoever_is_erased_is_in_no_dump_no_file_and_nowhere_in_redis(acme, everywhere, recordings_folder):
    known = biometrics(acme)
    dump, files, kept = searching.dump(), searching.files(recordings_folder), searching.in_redis()
    # The search finds what there is.
    assert SUBJECT in dump
    assert all(text in dump for text in [*known.paths, *known.digests, *known.vectors])
    assert SUBJECT.encode() in b"".join(files.values())
    assert all(content in files.values() for content in known.contents)
    assert SUBJECT.encode() in kept
    keys = ["of-the-enrollment", "of-the-search", f"x/{SUBJECT}/1"]
    assert all(key in dump for key in keys)
    first, _ = halves(wav_of(SUSAN))
    assert first[2000:2064] in redis().get(next(redis().scan_iter("openvpr:jdcloud:*:content:*")))

    done = erasure.erase_person(acme, SUBJECT)

    assert erasure.find_erasure(acme, done.pk).is_done
    assert places_of(SUBJECT, recordings_folder) == []
    dump, files, kept = searching.dumped_without(TRAIL), searching.files(recordings_folder), searching.in_redis()
    assert [text for text in [*keys, *known.paths, *known.digests, *known.vectors] if text in dump] == []
    assert [content for content in known.contents if content in b"".join(files.values())] == []
    assert not list(redis().scan_iter("openvpr:jdcloud:*:content:*"))
    assert files.keys() & set(known.paths) == set()


def test_who_is_not_erased_stays_with_what_they_said(acme, everywhere, recordings_folder):
    erasure.erase_person(acme, SUBJECT)
    with acting_as(acme):
        assert sorted(acme.speakers.values_list("external_id", flat=True)) == [KEN, "twin"]
        rows = sorted(acme.utterances.values_list("recording", flat=True))
    assert sorted(searching.files(recordings_folder)) == rows
    assert services.identify(acme, in_library(acme), audio(KEN, 2)).candidates[0].speaker.external_id == KEN


def test_the_trail_tells_of_an_erasure_and_names_nobody(acme):
    enroll(acme, SUBJECT, SUSAN)
    done = erasure.erase_person(acme, SUBJECT)
    with acting_as(acme):
        events = list(AuditEvent.all_tenants.filter(object_kind="erasure").order_by("number"))
    assert [(one.action, one.object_number) for one in events] == [
        ("erasure.begun", done.pk),
        ("erasure.done", done.pk),
    ]
    assert SUBJECT not in str([vars(one) for one in events])
    assert events[-1].details["removed"]["speakers"] == 1


def test_of_one_speaker_the_others_of_that_name_stay(acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    enroll(acme, SUSAN, SUSAN, OTHER_TAG)
    done = erasure.erase_speaker(acme, in_library(acme), SUSAN)
    assert erasure.find_erasure(acme, done.pk).counts["speakers"] == 1
    with acting_as(acme):
        assert acme.speakers.get(external_id=SUSAN).library.tag_id == "guests"
        assert sorted(searching.files(recordings_folder)) == [acme.utterances.get().recording]


def test_another_tenants_people_are_not_found(acme, globex, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    before = searching.files(recordings_folder)
    with pytest.raises(SpeakerNotFound):
        erasure.erase_person(globex, SUSAN)
    with pytest.raises(SpeakerNotFound):
        erasure.erase_speaker(globex, globex.libraries.all(), SUSAN)
    assert searching.files(recordings_folder) == before
    enroll(globex, SUSAN, SUSAN)
    erasure.erase_person(globex, SUSAN)
    with acting_as(acme):
        assert acme.speakers.count() == 1
    assert before.items() <= searching.files(recordings_folder).items()


def test_another_tenants_erasures_are_not_found(acme, globex):
    enroll(acme, SUSAN, SUSAN)
    done = erasure.erase_person(acme, SUSAN)
    for look in (erasure.find_erasure, erasure.receipt_of, erasure.go_on):
        with pytest.raises(ErasureNotFound):
            look(globex, done.pk)
    assert erasure.page_erasures(globex, where={}).rows == ()
    with acting_as(globex):
        assert not Erasure.all_tenants.exists()


def test_nobody_at_all_is_not_found_and_leaves_no_erasure(acme):
    with pytest.raises(SpeakerNotFound):
        erasure.erase_person(acme, "nobody")
    with acting_as_platform():
        assert not Erasure.all_tenants.exists()


def test_lines_of_imports_are_erased_of_somebody_who_is_no_speaker_any_more(acme):
    imported(acme, SUBJECT, KEN)
    erasure.erase_person(acme, SUBJECT)
    with acting_as(acme):
        assert list(acme.job_rows.values_list("external_id", flat=True)) == [KEN]


# --- Jobs ------------------------------------------------------------------------------------------------------------


def test_an_upload_that_names_nobody_erased_is_kept(acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    others, theirs = imported(acme, KEN, WEI), imported(acme, SUSAN, KEN)
    erasure.erase_person(acme, SUSAN)
    kept, gone = bulk.find_job(acme, others.pk), bulk.find_job(acme, theirs.pk)
    assert kept.inputs
    assert kept.files_erased is None
    assert gone.inputs == []
    assert gone.files_erased
    with pytest.raises(UploadsGone):
        bulk.retry_job(acme, theirs.pk)


def test_an_export_in_which_they_are_is_gone_and_another_is_kept(acme):
    enroll(acme, SUSAN, SUSAN)
    enroll(acme, KEN, KEN, OTHER_TAG)
    theirs, others = (bulk.begin_export(acme, key, recordings=True) for key in (LIBRARY, OTHER_TAG))
    erasure.erase_person(acme, SUSAN)
    with pytest.raises(JobFileNotFound):
        bulk.file_of(acme, theirs.pk)
    assert bulk.file_of(acme, others.pk)


def test_an_export_made_before_they_moved_is_gone_too(acme):
    enroll(acme, SUSAN, SUSAN)
    job = bulk.begin_export(acme, LIBRARY)
    services.save_library(acme, OTHER_TAG)
    with acting_as(acme):
        moving = list(acme.speakers.values_list("pk", flat=True))
    services.move_speakers(acme, moving, OTHER_TAG)
    erasure.erase_speaker(acme, in_library(acme, OTHER_TAG), SUSAN)
    with pytest.raises(JobFileNotFound):
        bulk.file_of(acme, job.pk)


def test_an_import_under_way_that_names_them_ends_and_brings_nobody_back(acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        theirs = imported(acme, SUSAN, KEN)
        others = imported(acme, WEI)
        run = work.claimed(acme.pk, theirs.pk)
        done = erasure.erase_person(acme, SUSAN)
        assert bulk.find_job(acme, others.pk).state == Job.State.PAUSED
        with pytest.raises(work.JobLost):
            run.progress(1)
        erasure.go_on(acme, done.pk)
        ended = bulk.find_job(acme, theirs.pk)
        assert (ended.state, ended.problem) == (Job.State.CANCELLED, {"kind": "SubjectErased", "numbers": {}})
        assert bulk.find_job(acme, others.pk).state == Job.State.QUEUED
    assert len(searching.files(recordings_folder)) == 2  # the upload of the others, and the list in it


def test_no_job_is_tried_again_while_lines_about_others_are_emptied(acme):
    enroll(acme, SUSAN, SUSAN)
    bulk.begin_import(acme, archive=zipped({"manifest.jsonl": manifest(KEN, recording=f"{SUSAN}/1.wav")}))
    free = []

    def others_may_begin():
        with acting_as(acme):
            return nobody_else_is_at(acme, work.JOBS)

    def execute(execute, statement, *arguments):
        if statement.startswith('UPDATE "voiceprints_jobrow"'):
            free.append(in_a_thread(others_may_begin).result(60))
        return execute(statement, *arguments)

    with connection.execute_wrapper(execute):
        erasure.erase_person(acme, SUSAN)
    assert free == [False]


def test_an_import_that_somebody_paused_stays_paused(acme):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        job = imported(acme, WEI)
        bulk.pause_job(acme, job.pk)
        erasure.go_on(acme, erasure.erase_person(acme, SUSAN).pk)
        assert bulk.find_job(acme, job.pk).state == Job.State.PAUSED


@pytest.mark.parametrize("before", ["running", "paused", "over"])
def test_an_import_that_somebody_lets_go_on_meanwhile_brings_nobody_back(before, acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    job = imported(acme, KEN, SUSAN) if before == "over" else None
    with through_the_queue():
        job = job or imported(acme, KEN, SUSAN)
        if before == "paused":
            bulk.pause_job(acme, job.pk)
        done = erasure.erase_person(acme, SUSAN)
        anew = bulk.retry_job(acme, job.pk) if before == "over" else bulk.resume_job(acme, job.pk)
        assert anew.state == Job.State.PAUSED
        assert work.claimed(acme.pk, job.pk) is None
        erasure.go_on(acme, done.pk)
        assert bulk.find_job(acme, job.pk).state == Job.State.CANCELLED
    with acting_as(acme):
        assert not acme.job_rows.filter(external_id=SUSAN).exists()
    assert places_of(SUSAN, recordings_folder) == []


def test_one_that_names_somebody_else_goes_on_by_itself_when_it_was_let_go_on_meanwhile(acme, monkeypatch):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        job = imported(acme, WEI)
        bulk.pause_job(acme, job.pk)
        done = erasure.erase_person(acme, SUSAN)
        looked = erasure._look_through_jobs

        def looked_and_resumed(*asked):
            looked(*asked)
            monkeypatch.setattr(erasure, "_look_through_jobs", looked)
            assert bulk.resume_job(acme, job.pk).state == Job.State.PAUSED

        monkeypatch.setattr(erasure, "_look_through_jobs", looked_and_resumed)
        assert erasure.go_on(acme, done.pk).state == Erasure.State.DONE
        assert bulk.find_job(acme, job.pk).state == Job.State.QUEUED


@pytest.mark.parametrize("resumed", [False, True], ids=["under-way", "resumed"])
def test_an_import_that_two_erasures_hold_goes_on_with_the_last(resumed, acme):
    enroll(acme, SUSAN, SUSAN)
    enroll(acme, KEN, KEN)
    with through_the_queue():
        job = imported(acme, WEI)
        if resumed:
            bulk.pause_job(acme, job.pk)
        first, last = [erasure.erase_person(acme, name) for name in (SUSAN, KEN)]
        if resumed:
            bulk.resume_job(acme, job.pk)
        for begun, state in ((first, Job.State.PAUSED), (last, Job.State.QUEUED)):
            assert erasure.go_on(acme, begun.pk).is_done
            assert bulk.find_job(acme, job.pk).state == state


def test_an_import_that_one_erasure_has_looked_through_brings_nobody_back_of_another(acme):
    enroll(acme, SUSAN, SUSAN)
    enroll(acme, KEN, KEN)
    with through_the_queue():
        job = imported(acme, WEI, KEN)
        first, last = [erasure.erase_person(acme, name) for name in (SUSAN, KEN)]
        assert erasure.go_on(acme, first.pk).is_done
        assert work.claimed(acme.pk, job.pk) is None
        assert erasure.go_on(acme, last.pk).is_done
        assert bulk.find_job(acme, job.pk).state == Job.State.CANCELLED
    with acting_as(acme):
        assert not acme.speakers.exists()
        assert not acme.job_rows.filter(external_id=KEN).exists()


def test_an_import_that_somebody_pauses_while_an_erasure_holds_it_stays_paused(acme):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        job = imported(acme, WEI)
        begun = erasure.erase_person(acme, SUSAN)
        assert bulk.pause_job(acme, job.pk).state == Job.State.PAUSED
        assert erasure.go_on(acme, begun.pk).is_done
        assert bulk.find_job(acme, job.pk).state == Job.State.PAUSED
    with acting_as(acme):
        assert AuditEvent.all_tenants.filter(action=Action.JOB_PAUSED).count() == 1


def test_an_import_that_somebody_paused_and_an_erasure_holds_none_of_names_nobody_erased(acme):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        job = imported(acme, WEI, SUSAN)
        begun = erasure.erase_person(acme, SUSAN)
        bulk.pause_job(acme, job.pk)
        assert erasure.go_on(acme, begun.pk).is_done
        assert bulk.find_job(acme, job.pk).state == Job.State.CANCELLED


def test_what_was_erased_holds_no_import_any_more(acme):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        job = imported(acme, WEI)
        bulk.pause_job(acme, job.pk)
        erasure.go_on(acme, erasure.erase_person(acme, SUSAN).pk)
        assert bulk.resume_job(acme, job.pk).state == Job.State.QUEUED


def test_an_export_under_way_begins_anew_without_them(acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    enroll(acme, KEN, KEN)
    with through_the_queue():
        job = bulk.begin_export(acme, LIBRARY, recordings=True)
        run = work.claimed(acme.pk, job.pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        begun = erasure.erase_person(acme, SUSAN)
        with pytest.raises(FilesAwaited) as awaited:
            erasure.go_on(acme, begun.pk)
        assert erasure.find_erasure(acme, begun.pk).waits_for_files_until == awaited.value.until
        with pytest.raises(work.JobLost):
            run.succeed(product)
        assert erasure.go_on(acme, begun.pk).is_done
        assert erasure.find_erasure(acme, begun.pk).waits_for_files_until is None
        assert places_of(SUSAN, recordings_folder) == []
        anew = work.claimed(acme.pk, job.pk)
        anew.succeed(bulk.RUNNERS[Job.Kind.EXPORT](anew))
    assert bulk.find_job(acme, job.pk).result["speakers"] == 1


def test_an_export_that_read_them_while_an_erasure_was_broken_off_is_lost(acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        with connection.execute_wrapper(_deleting_no_speaker), pytest.raises(OperationalError):
            erasure.erase_person(acme, SUSAN)
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        with pytest.raises(FilesAwaited):
            erasure.go_on(acme, erasure.newest_of(acme).pk)
        with pytest.raises(work.JobLost):
            run.succeed(product)
        assert erasure.go_on(acme, erasure.newest_of(acme).pk).is_done
    assert places_of(SUSAN, recordings_folder) == []


def test_an_export_that_an_erasure_has_taken_away_is_not_written_any_more(acme, recordings_folder, monkeypatch):
    enroll(acme, SUSAN, SUSAN)
    written = exchange.Export.write

    def erased_meanwhile(*asked):
        done = written(*asked)
        erasure.go_on(acme, erasure.erase_person(acme, SUSAN).pk)
        return done

    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
        monkeypatch.setattr(exchange.Export, "write", erased_meanwhile)
        with pytest.raises(work.JobLost):
            bulk.RUNNERS[Job.Kind.EXPORT](run)
    assert erasure.newest_of(acme).is_done
    assert searching.files(recordings_folder) == {}
    with acting_as(acme):
        assert not acme.doomed_recordings.exists()


def test_an_unknown_id_waits_for_what_a_lost_export_has_written(acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        bulk.cancel_job(acme, run.job.pk)
        services.delete_speaker(acme, in_library(acme), SUSAN)
        begun = erasure.erase_person(acme, SUSAN)
        with pytest.raises(FilesAwaited):
            erasure.go_on(acme, begun.pk)
        assert erasure.find_erasure(acme, begun.pk).state == Erasure.State.BEGUN
        with pytest.raises(work.JobLost):
            run.succeed(product)
        assert erasure.go_on(acme, begun.pk).is_done
    assert searching.files(recordings_folder) == {}


def test_who_asks_again_waits_for_an_export_that_began_since(acme, monkeypatch):
    """And has read whom the first that asked was too early to wait for."""
    enroll(acme, KEN, KEN)
    enroll(acme, WEI, WEI, key=OTHER_TAG)
    asked = []
    with through_the_queue():
        first = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY).pk)
        before = erasure.erase_person(acme, SUSAN)
        first.succeed(bulk.RUNNERS[Job.Kind.EXPORT](first))
    enroll(acme, SUSAN, SUSAN, key=OTHER_TAG)
    written = exchange.Export.write

    def erased_meanwhile(*given):
        done = written(*given)
        services.delete_speaker(acme, in_library(acme, OTHER_TAG), SUSAN)
        asked.append(erasure.erase_person(acme, SUSAN))
        assert erasure.go_on(acme, before.pk).is_done
        assert erasure.go_on(acme, asked[0].pk).state == Erasure.State.BEGUN
        return done

    with through_the_queue():
        other = work.claimed(acme.pk, bulk.begin_export(acme, OTHER_TAG).pk)
        monkeypatch.setattr(exchange.Export, "write", erased_meanwhile)
        other.succeed(bulk.RUNNERS[Job.Kind.EXPORT](other))
        assert erasure.go_on(acme, asked[0].pk).counts["exports"] == 1


# --- Exports that nobody has and that resist -------------------------------------------------------------------------


@pytest.fixture
def stuck(monkeypatch):
    """While it is entered no file can be deleted."""

    @contextmanager
    def entered():
        with monkeypatch.context() as broken:
            broken.setattr("django.core.files.storage.FileSystemStorage.delete", _refuse)
            yield

    return entered


@pytest.fixture
def lost_export(acme, stuck):
    """It has read SUSAN, was cancelled and could not be deleted."""
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        bulk.cancel_job(acme, run.job.pk)
        with stuck(), pytest.raises(work.JobLost):
            run.succeed(product)
    return product.output


def goes_on_once_files_go(tenant, begun, stuck):
    with stuck(), pytest.raises(StorageFailed):
        erasure.go_on(tenant, begun.pk)
    return erasure.go_on(tenant, begun.pk).is_done


def test_no_receipt_is_signed_while_a_lost_export_resists(acme, stuck, lost_export, recordings_folder):
    with through_the_queue():
        begun = erasure.erase_person(acme, SUSAN)
        assert goes_on_once_files_go(acme, begun, stuck)
    assert searching.files(recordings_folder) == {}


def test_no_receipt_of_an_unknown_id_is_signed_while_a_lost_export_resists(acme, stuck, lost_export, recordings_folder):
    services.delete_speaker(acme, in_library(acme), SUSAN)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUSAN)
        assert goes_on_once_files_go(acme, begun, stuck)
    assert searching.files(recordings_folder) == {}


def test_the_upload_of_an_enrollment_that_was_cancelled_is_waited_for(acme, stuck, recordings_folder):
    with through_the_queue():
        job = bulk.begin_enrollment(acme, LIBRARY, SUBJECT, [audio(SUSAN)], answer="native")
        with stuck():
            bulk.cancel_job(acme, job.pk)
        begun = erasure.erase_person(acme, SUBJECT)
        assert goes_on_once_files_go(acme, begun, stuck)
    assert searching.files(recordings_folder) == {}


def test_the_recordings_of_somebody_who_was_deleted_before_are_waited_for(acme, stuck, recordings_folder):
    enroll(acme, SUBJECT, SUSAN)
    with stuck():
        services.delete_speaker(acme, in_library(acme), SUBJECT)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUBJECT)
        assert goes_on_once_files_go(acme, begun, stuck)
    assert searching.files(recordings_folder) == {}


@pytest.mark.parametrize("known", [True, False])
def test_an_export_that_is_over_while_an_erasure_waits_is_waited_for(known, acme, stuck, recordings_folder):
    enroll(acme, SUBJECT, SUSAN)
    job = bulk.begin_export(acme, LIBRARY, recordings=True)
    with through_the_queue():
        if not known:
            services.delete_speaker(acme, in_library(acme), SUBJECT)
        begun = erasure.erase_person(acme, SUBJECT)
        with stuck():
            bulk.delete_file(acme, job.pk)
        assert goes_on_once_files_go(acme, begun, stuck)
    assert searching.files(recordings_folder) == {}


@pytest.fixture
def stuck_file(acme):
    """One that the tenant let go; nobody knows any more whose it was."""
    with acting_as(acme):
        recordings.doom(acme, ["of/whoever/was.flac"], not_before=timezone.now())


def test_whoever_is_named_in_a_file_goes_whatever_keeps_the_end_from_coming(acme, stuck, stuck_file):
    enroll(acme, SUBJECT, SUSAN)
    job = bulk.begin_export(acme, LIBRARY)
    services.delete_speaker(acme, in_library(acme), SUBJECT)
    with through_the_queue(), stuck():
        unnamed, named = (erasure.erase_person(acme, name) for name in ("mistyped", SUBJECT))
        for one in (unnamed, named):
            with pytest.raises(StorageFailed):
                erasure.go_on(acme, one.pk)
    assert bulk.find_job(acme, job.pk).files_erased
    assert erasure.find_erasure(acme, named.pk).state == Erasure.State.REMOVING


def test_files_are_looked_through_once_whatever_keeps_the_end_from_coming(acme, stuck, stuck_file, opened):
    enroll(acme, KEN, KEN)
    bulk.begin_export(acme, LIBRARY)
    with through_the_queue():
        begun = erasure.erase_person(acme, "mistyped")
        with stuck(), pytest.raises(StorageFailed):
            erasure.go_on(acme, begun.pk)
        assert opened
        opened.clear()
        assert goes_on_once_files_go(acme, begun, stuck)
        assert not opened


def test_whoever_is_enrolled_while_the_end_is_kept_from_coming_is_erased(acme, stuck, stuck_file):
    with through_the_queue():
        begun = erasure.erase_person(acme, SUBJECT)
        with stuck(), pytest.raises(StorageFailed):
            erasure.go_on(acme, begun.pk)
    enroll(acme, SUBJECT, SUSAN)
    assert erasure.go_on(acme, begun.pk).counts["speakers"] == 1


def test_what_other_rooms_keep_goes_whatever_keeps_the_end_from_coming(
    acme, acme_credential, client, stuck, stuck_file
):
    kept_in_an_answer(acme=acme, acme_credential=acme_credential, client=client)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUBJECT)
        with stuck(), pytest.raises(StorageFailed):
            erasure.go_on(acme, begun.pk)
        with acting_as(acme):
            assert not KeptAnswer.all_tenants.exists()
        assert erasure.go_on(acme, begun.pk).counts["kept_answers"] == 1


def test_what_is_let_go_after_an_erasure_began_to_remove_files_is_not_waited_for(acme, stuck_file, monkeypatch):
    removed = recordings.remove_file

    def more_meanwhile(path):
        with acting_as(acme):
            recordings.doom(acme, [f"{path}+"], not_before=timezone.now())
        return removed(path)

    monkeypatch.setattr(recordings, "remove_file", more_meanwhile)
    recordings.remove_let_go(acme)
    with acting_as(acme):
        assert acme.doomed_recordings.get().path == "of/whoever/was.flac+"


@pytest.mark.parametrize("organisation", ["acme", "jobs"])
def test_a_recording_that_is_being_written_is_waited_for(organisation, acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    paths = [recordings.new_path(organisation)]
    with acting_as(acme):
        recordings.plan(acme, paths)
    with recordings.removed_on_failure(acme, paths), through_the_queue():
        begun = erasure.erase_person(acme, SUSAN)
        with acting_as(acme):
            recordings.plan(acme, [recordings.new_path("acme")])
        recordings.write(paths, [b"whose voice this is nobody knows yet"])
        with pytest.raises(FilesAwaited):
            erasure.go_on(acme, begun.pk)
        with acting_as(acme):
            recordings.claim(paths)
        assert erasure.go_on(acme, begun.pk).is_done


@pytest.fixture
def nobody_sleeps(monkeypatch):
    """Who waits fails."""
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("somebody waits"))


def test_where_imports_run_an_erasure_waits_for_nobody_who_writes(acme, recordings_folder, nobody_sleeps):
    enroll(acme, SUSAN, SUSAN)
    paths = [recordings.new_path("acme")]
    with acting_as(acme):
        recordings.plan(acme, paths)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUSAN)
        with pytest.raises(FilesAwaited):
            erasure.go_on(acme, begun.pk, patiently=False)


@pytest.mark.parametrize("kind", ["person", "tenant"])
def test_where_imports_run_an_erasure_waits_for_no_sweep(kind, acme, stuck, recordings_folder, nobody_sleeps):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        if kind == "person":
            begun = erasure.erase_person(acme, SUSAN)
        else:
            leaving.close(acme, grace=timedelta(0))
            (begun,) = leaving.begin_due()
        with acting_as(acme):
            recordings.doom(acme, ["of/somebody/else.flac"], not_before=timezone.now())
        with in_the_hands_of_a_sweep(), pytest.raises(FilesInHand):
            erasure.go_on(acme, begun.pk, patiently=False)


def test_a_file_that_a_sweep_has_in_hand_is_no_trouble_and_one_that_resists_is(acme, stuck, nobody_sleeps, caplog):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUSAN)
        with acting_as(acme):
            recordings.doom(acme, ["of/somebody/else.flac"], not_before=timezone.now())
        caplog.set_level(logging.INFO, logger="voiceprints.tasks")
        with in_the_hands_of_a_sweep():
            go_on_erasing(acme.pk, begun.pk)
        assert levels(caplog) == [logging.INFO]
        with stuck():
            go_on_erasing(acme.pk, begun.pk)
        assert levels(caplog) == [logging.INFO, logging.WARNING]


def levels(caplog):
    return [record.levelno for record in caplog.records if record.name == "voiceprints.tasks"]


@contextmanager
def in_the_hands_of_a_sweep():
    """All files that were let go by now, of a connection of its own."""
    held, done = Event(), Event()

    def hold():
        with acting_as_platform():
            list(DoomedRecording.all_tenants.select_for_update())
            held.set()
            done.wait(30)

    running = in_a_thread(hold)
    assert held.wait(30)
    try:
        yield
    finally:
        done.set()
        running.result()


def test_a_message_to_go_on_with_an_erasure_does_not_outlive_the_next(acme):
    with through_the_queue():
        erasure.dispatch(acme.pk, 1)
        message = json.loads(redis().lindex(work.QUEUE, 0))
    expires = datetime.fromisoformat(message["headers"]["expires"])
    assert expires <= timezone.now() + work.SENT_AGAIN_AFTER


def test_what_was_removed_is_counted_also_by_who_has_lost_an_erasure_meanwhile(acme, client, monkeypatch):
    forgotten = traces.forget_elsewhere
    enrolled_with_an_answer(acme, client)
    services.delete_speaker(acme, acme.libraries.all(), SUBJECT)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUBJECT)

        def joined_meanwhile(*asked):
            counts = forgotten(*asked)
            monkeypatch.setattr(traces, "forget_elsewhere", forgotten)
            with acting_as(acme):
                acme.speakers.create(library=acme.libraries.get(), external_id=SUBJECT)
            assert erasure.erase_person(acme, SUBJECT).pk == begun.pk
            return counts

        monkeypatch.setattr(traces, "forget_elsewhere", joined_meanwhile)
        while not (done := erasure.go_on(acme, begun.pk)).is_done:
            pass
    assert done.counts["kept_answers"] == 1


def test_whoever_is_enrolled_again_while_an_erasure_waits_keeps_what_is_new_until_its_end(
    acme, client, stuck, stuck_file
):
    enroll(acme, SUBJECT, SUSAN)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUBJECT)
        with stuck(), pytest.raises(StorageFailed):
            erasure.go_on(acme, begun.pk)
    enrolled_with_an_answer(acme, client)
    with stuck(), pytest.raises(StorageFailed):
        erasure.go_on(acme, begun.pk)
    with acting_as(acme):
        assert KeptAnswer.all_tenants.exists()
    assert erasure.go_on(acme, begun.pk).is_done
    with acting_as(acme):
        assert not KeptAnswer.all_tenants.exists()
        assert acme.speakers.named(SUBJECT).enrolled().exists()


def test_what_other_rooms_keep_of_whoever_is_enrolled_while_an_erasure_looks_for_them_goes(
    acme, client, stuck, stuck_file
):
    with through_the_queue():
        begun = erasure.erase_person(acme, SUBJECT)
        with stuck(), pytest.raises(StorageFailed):
            erasure.go_on(acme, begun.pk)
    enrolled_with_an_answer(acme, client)
    assert erasure.go_on(acme, begun.pk).counts["speakers"] == 1
    with acting_as(acme):
        assert not KeptAnswer.all_tenants.exists()


def test_an_erasure_that_somebody_else_has_ended_meanwhile_forgets_nothing_more(
    acme, acme_credential, client, monkeypatch
):
    """Its id is not known any more then, and an empty one would be found in many an answer."""
    enroll(acme, KEN, KEN)
    bulk.begin_export(acme, LIBRARY)
    named = traces.named_in_files
    with through_the_queue():
        begun, other = erasure.erase_person(acme, "mistyped"), erasure.erase_person(acme, "mistyped, too")

        def ended_meanwhile(*asked):
            found = named(*asked)
            monkeypatch.undo()
            with acting_as(acme):
                Erasure.all_tenants.filter(pk=other.pk).update(looked_through=timezone.now())
            assert erasure.go_on(acme, other.pk).is_done
            return found

        monkeypatch.setattr(traces, "named_in_files", ended_meanwhile)
        kept_in_an_answer_to_somebody_else(acme, client)
        assert erasure.go_on(acme, begun.pk).is_done
        assert erasure.go_on(acme, other.pk).is_done
    with acting_as(acme):
        assert KeptAnswer.all_tenants.exists()


def test_an_erasure_waits_for_no_upload_and_for_no_export_that_is_written_later(acme, recordings_folder):
    enroll(acme, SUSAN, SUSAN)
    with through_the_queue():
        upload = work.stored(acme, io.BytesIO(b"an upload"))
        begun = erasure.erase_person(acme, SUSAN)
        later = work.stored(acme, io.BytesIO(b"an export"), ".zip")
        assert erasure.go_on(acme, begun.pk).is_done
    assert {upload, later} == searching.files(recordings_folder).keys()


def _deleting_no_speaker(execute, statement, *arguments):
    if "DELETE FROM voiceprints_speaker " in statement:
        raise OperationalError
    return execute(statement, *arguments)


def test_an_enrollment_that_waits_for_a_worker_enrolls_nobody(acme, recordings_folder):
    with through_the_queue():
        job = bulk.begin_enrollment(acme, LIBRARY, SUBJECT, [audio(SUSAN)], answer="native")
        assert searching.files(recordings_folder)
        enroll_done = work.claimed(acme.pk, job.pk)
    enroll(acme, SUBJECT, SUSAN, OTHER_TAG)
    done = erasure.erase_person(acme, SUBJECT)
    with pytest.raises(work.JobLost):
        enroll_done.progress(1)
    assert searching.files(recordings_folder) == {}
    assert erasure.find_erasure(acme, done.pk).counts["jobs"] == 1


# --- Who is no speaker any more, or not yet --------------------------------------------------------------------------


def kept_in_a_waiting_enrollment(acme, **_):
    with through_the_queue():
        bulk.begin_enrollment(acme, LIBRARY, SUBJECT, [audio(SUSAN)], answer="native")


def kept_in_an_export(acme, **_):
    enroll(acme, SUBJECT, SUSAN)
    bulk.begin_export(acme, LIBRARY, recordings=True)
    services.delete_speaker(acme, acme.libraries.all(), SUBJECT)


def enrolled_with_an_answer(acme, client):
    body = {"org_id": "acme", "external_id": SUBJECT, "audio": [encoded(recording(SUSAN))]}
    assert Native(client, acme).post("enroll", body, {"Idempotency-Key": "kept"}).status_code == 201


def kept_in_an_answer(acme, client, **_):
    enrolled_with_an_answer(acme, client)
    services.delete_speaker(acme, acme.libraries.all(), SUBJECT)


def kept_in_an_answer_to_somebody_else(acme, client):
    assert Native(client, acme).post("libraries", {"org_id": "acme", "tag_id": "new"}, {"Idempotency-Key": "l"}).json()


def kept_in_packets(acme, acme_credential, client):
    first, _ = halves(wav_of(SUSAN))
    Jdcloud(client, acme_credential).enroll(first, sequence=1, user=SUBJECT)


KEPT = [kept_in_a_waiting_enrollment, kept_in_an_export, kept_in_an_answer, kept_in_packets]


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("erase", [erasure.erase_person, opting_out.opt_out])
def test_what_is_kept_of_somebody_without_a_speaker_is_erased(kept, erase, acme_credential, client, recordings_folder):
    acme = acme_credential.tenant
    kept(acme=acme, acme_credential=acme_credential, client=client)
    erase(acme, SUBJECT)
    with acting_as(acme):
        done = Erasure.all_tenants.get()
        assert not acme.jobs.filter(parameters__external_id=SUBJECT).exists()
    assert done.is_done
    assert searching.files(recordings_folder) == {}
    dumped = searching.dumped_without(TRAIL, "voiceprints_doomedrecording")
    assert SUBJECT not in dumped
    assert SUBJECT.encode() not in searching.in_redis()


@pytest.mark.parametrize("kept", [kept for kept in KEPT if kept is not kept_in_an_export])
def test_of_what_is_kept_of_others_nobody_is_erased(kept, acme, acme_credential, client):
    kept(acme=acme, acme_credential=acme_credential, client=client)
    with pytest.raises(SpeakerNotFound):
        erasure.erase_person(acme, "somebody else")
    assert opting_out.opt_out(acme, "somebody else").erasure is None


@pytest.fixture
def opened(monkeypatch):
    """The files of the storage that were opened."""
    paths, open_file = [], FileSystemStorage.open

    def noted(storage, name, *mode):
        paths.append(name)
        return open_file(storage, name, *mode)

    monkeypatch.setattr(FileSystemStorage, "open", noted)
    return paths


def test_files_are_looked_through_once_for_all_unknown_ids_and_nobody_waits_for_that(acme, opened):
    enroll(acme, KEN, KEN)
    bulk.begin_export(acme, LIBRARY)
    kept = files_of(acme)
    with through_the_queue():
        importing = imported(acme, WEI)
        bulk.pause_job(acme, importing.pk)
        kept += bulk.find_job(acme, importing.pk).inputs
        opened.clear()
        begun = [erasure.erase_person(acme, f"mistyped {number}") for number in range(3)]
        assert opened == []
        erasure.go_on(acme, begun[0].pk)
        assert sorted(opened) == sorted(set(kept))
        opened.clear()
        for one in begun:
            erasure.go_on(acme, one.pk)
        assert opened == []
    ended = [erasure.find_erasure(acme, one.pk) for one in begun]
    assert all(one.is_done and receipts.verify(one.receipt, receipts.public_keys()) for one in ended)
    assert not any(count for one in ended for count in one.counts.values())
    assert sorted(files_of(acme)) == sorted(set(kept))


def test_unknown_ids_disturb_neither_imports_nor_exports(acme):
    enroll(acme, KEN, KEN)
    with through_the_queue():
        importing, exporting = imported(acme, WEI), bulk.begin_export(acme, LIBRARY)
        run = work.claimed(acme.pk, exporting.pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        begun = erasure.erase_person(acme, "mistyped")
        assert erasure.go_on(acme, begun.pk).state == Erasure.State.BEGUN, "the export may name them yet"
        since = bulk.find_job(acme, exporting.pk).started
        assert since is not None
        assert erasure.find_erasure(acme, begun.pk).waits_for_export_since == since
        assert bulk.find_job(acme, importing.pk).state == Job.State.QUEUED
        run.succeed(product)
        assert erasure.find_erasure(acme, begun.pk).waits_for_export_since is None
        assert erasure.go_on(acme, begun.pk).is_done
        assert bulk.find_job(acme, importing.pk).state == Job.State.QUEUED
    assert bulk.file_of(acme, exporting.pk)


def test_an_unknown_id_waits_for_no_export_that_began_later(acme):
    enroll(acme, KEN, KEN)
    bulk.begin_export(acme, LIBRARY)
    with through_the_queue():
        begun = erasure.erase_person(acme, "mistyped")
        assert work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY).pk)
        assert erasure.find_erasure(acme, begun.pk).waits_for_export_since is None
        assert erasure.go_on(acme, begun.pk).is_done


def test_an_unknown_id_waits_in_a_closed_tenant_for_no_export_whose_runner_died(acme, monkeypatch):
    enroll(acme, KEN, KEN)
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY).pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        begun = erasure.erase_person(acme, SUBJECT)
        leaving.close(acme, grace=timedelta(days=1))
        acme.refresh_from_db()
        assert not erasure.go_on(acme, begun.pk).is_done, "its runner lives"
        monkeypatch.setattr(work, "GIVEN_UP_AFTER", timedelta(0))
        with pytest.raises(FilesAwaited):
            erasure.go_on(acme, begun.pk)
        with pytest.raises(work.JobLost):
            run.succeed(product)
        assert erasure.go_on(acme, begun.pk).is_done
        leaving.restore(acme)
        assert work.claimed(acme.pk, run.job.pk)


def test_somebody_of_whom_only_an_import_under_way_tells_is_erased(acme, recordings_folder):
    with through_the_queue():
        job = imported(acme, SUBJECT)
        done = erasure.go_on(acme, erasure.erase_person(acme, SUBJECT).pk)
        assert done.is_done
        assert bulk.find_job(acme, job.pk).state == Job.State.CANCELLED
    assert searching.files(recordings_folder) == {}


def test_whoever_is_enrolled_before_files_were_looked_through_is_erased_too(acme):
    enroll(acme, KEN, KEN)
    imported(acme, WEI)
    bulk.begin_export(acme, LIBRARY)
    with through_the_queue():
        begun = erasure.erase_person(acme, SUBJECT)
    enroll(acme, SUBJECT, SUSAN)
    assert erasure.go_on(acme, begun.pk).counts["speakers"] == 1


def in_a_thread(deed):
    """With a connection of its own; returns what may be waited for."""

    def done():
        try:
            return deed()
        finally:
            connection.close()

    pool = ThreadPoolExecutor(1)
    running = pool.submit(done)
    pool.shutdown(wait=False)
    return running


def between_its_steps(deed, meanwhile):
    """Ask for an erasure, and do something after its first transaction, in which it is begun, and before its next."""
    turns = []

    def execute(execute, statement, params, *rest):
        if "pg_advisory_xact_lock" in statement:
            turns.append(params)
            if len(turns) == 2:
                in_a_thread(meanwhile).result(60)
        return execute(statement, params, *rest)

    with connection.execute_wrapper(execute):
        done = deed()
    assert len(turns) >= 2
    return done


@pytest.fixture
def begun_in_vain(acme):
    """Nobody is known by the id, and an export is kept in which somebody may be."""
    enroll(acme, KEN, KEN)
    bulk.begin_export(acme, LIBRARY)
    with through_the_queue():
        return erasure.erase_person(acme, SUBJECT)


@pytest.fixture
def once_looked_through(monkeypatch):
    """What is done when no file names the subject and other rooms are asked to forget them."""
    deeds = []

    def forget(*_):
        while deeds:
            deeds.pop()()
        return 0

    monkeypatch.setitem(traces._elsewhere, "of_a_room", traces.Keeper(forget, lambda *_: False))
    return deeds.append


def nobody_is_left_of(tenant):
    with acting_as(tenant):
        return not tenant.speakers.named(SUBJECT).exists()


def test_whoever_is_enrolled_once_files_were_looked_through_is_erased_too(acme, begun_in_vain, once_looked_through):
    once_looked_through(lambda: enroll(acme, SUBJECT, SUSAN))
    assert erasure.go_on(acme, begun_in_vain.pk).counts["speakers"] == 1
    assert nobody_is_left_of(acme)


def test_an_erasure_that_ends_in_vain_does_not_take_one_that_found_somebody_along(
    acme, begun_in_vain, once_looked_through
):
    over, asked = Event(), []

    def enrolled_and_asked():
        enroll(acme, SUBJECT, SUSAN)
        first_step = Event()

        def asks():
            return between_its_steps(lambda: erasure.erase_person(acme, SUBJECT), waits)

        def waits():
            first_step.set()
            assert over.wait(60)

        asked.append(in_a_thread(asks))
        assert first_step.wait(60)

    once_looked_through(enrolled_and_asked)
    try:
        erasure.go_on(acme, begun_in_vain.pk)
    finally:
        over.set()
    answered = asked[0].result(60)
    assert nobody_is_left_of(acme)
    assert erasure.find_erasure(acme, answered.pk).counts["speakers"] == 1


def test_who_asks_while_files_are_looked_through_is_erased_from_what_came_since(
    acme, begun_in_vain, once_looked_through
):
    came = []

    def uploaded_and_asked():
        with through_the_queue():
            came.append(imported(acme, SUBJECT))
            came.append(in_a_thread(lambda: erasure.erase_person(acme, SUBJECT)).result(60))

    once_looked_through(uploaded_and_asked)
    assert not any(erasure.go_on(acme, begun_in_vain.pk).counts.values())
    job, asked = came
    assert erasure.go_on(acme, asked.pk).counts["uploads"] == 1
    assert bulk.find_job(acme, job.pk).state == Job.State.CANCELLED


def test_who_asks_for_somebody_known_is_not_joined_to_an_erasure_that_ended_in_vain(acme, begun_in_vain):
    enroll(acme, SUBJECT, SUSAN)

    def ended():
        services.delete_speaker(acme, in_library(acme), SUBJECT)
        erasure.go_on(acme, begun_in_vain.pk)
        enroll(acme, SUBJECT, SUSAN)

    asked = between_its_steps(lambda: erasure.erase_person(acme, SUBJECT), ended)
    assert erasure.find_erasure(acme, begun_in_vain.pk).is_done
    assert asked.pk != begun_in_vain.pk
    assert nobody_is_left_of(acme)


def test_an_import_that_is_let_go_on_while_an_erasure_begins_brings_nobody_back(acme):
    enroll(acme, SUBJECT, SUSAN)
    with through_the_queue():
        job = imported(acme, SUBJECT)
        bulk.pause_job(acme, job.pk)
        asked = between_its_steps(lambda: erasure.erase_person(acme, SUBJECT), lambda: bulk.resume_job(acme, job.pk))
        assert work.claimed(acme.pk, job.pk) is None
        erasure.go_on(acme, asked.pk)
        assert bulk.find_job(acme, job.pk).state == Job.State.CANCELLED


@pytest.mark.parametrize("before", ["paused", "over"])
def test_an_import_let_go_on_while_an_unknown_id_is_looked_for_goes_on_and_keeps_its_upload(before, acme):
    nobody_knows_whom = ""
    job = imported(acme, WEI, nobody_knows_whom) if before == "over" else None
    with through_the_queue():
        job = job or imported(acme, WEI, nobody_knows_whom)
        if before == "paused":
            bulk.pause_job(acme, job.pk)
        kept = bulk.find_job(acme, job.pk).inputs
        begun = erasure.erase_person(acme, "mistyped")
        anew = bulk.retry_job(acme, job.pk) if before == "over" else bulk.resume_job(acme, job.pk)
        assert anew.state == Job.State.QUEUED
        assert not any(erasure.go_on(acme, begun.pk).counts.values())
        after = bulk.find_job(acme, job.pk)
        assert (after.state, after.inputs) == (Job.State.QUEUED, kept)


def test_no_receipt_of_an_unknown_id_is_signed_while_files_of_people_who_were_deleted_resist(
    acme, begun_in_vain, stuck, stuck_file
):
    assert goes_on_once_files_go(acme, begun_in_vain, stuck)


@pytest.mark.parametrize("whose", [SUBJECT, None])
def test_of_utterances_those_that_are_not_finished_are_counted(whose, client, acme, acme_credential):
    jdcloud = Jdcloud(client, acme_credential)
    first, second = halves(wav_of(SUSAN))
    jdcloud.enroll(first, sequence=1, user=SUBJECT, request_id="finished")
    jdcloud.enroll(second, sequence=-2, user=SUBJECT, request_id="finished")
    jdcloud.enroll(first, sequence=1, user=SUBJECT, request_id="unfinished")
    assert traces.forget_elsewhere(acme, whose)["unfinished_utterances"] == 1
    assert traces.forget_elsewhere(acme, whose)["unfinished_utterances"] == 0


def test_an_export_that_read_somebody_who_was_deleted_then_is_gone_with_its_end(acme, recordings_folder):
    enroll(acme, SUBJECT, SUSAN)
    with through_the_queue():
        exporting = bulk.begin_export(acme, LIBRARY)
        run = work.claimed(acme.pk, exporting.pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        services.delete_speaker(acme, in_library(acme), SUBJECT)
        begun = erasure.erase_person(acme, SUBJECT)
        assert not erasure.go_on(acme, begun.pk).is_done
        run.succeed(product)
        assert erasure.go_on(acme, begun.pk).is_done
    with pytest.raises(JobFileNotFound):
        bulk.file_of(acme, exporting.pk)
    assert searching.files(recordings_folder) == {}


def test_what_a_model_could_not_embed_of_them_is_not_listed_any_more(acme, tiny):
    enrollment = enroll(acme, SUSAN, SUSAN)
    with acting_as(acme):
        job = acme.jobs.create(kind=Job.Kind.REEMBED, state=Job.State.SUCCEEDED, finished=timezone.now())
        about = {"outcome": JobRow.Outcome.FAILED, "external_id": SUSAN, "problem": {"kind": "Damaged", "numbers": {}}}
        acme.job_rows.create(job=job, number=enrollment.utterances[0].pk, **about)
    erasure.erase_person(acme, SUSAN)
    with acting_as(acme):
        assert not acme.job_rows.exists()


def test_answers_kept_for_others_stay(client, acme):
    native = Native(client, acme)
    for name, voice in ((CHINESE, SUSAN), (KEN, KEN)):
        body = {"org_id": "acme", "external_id": name, "audio": [encoded(recording(voice))]}
        assert native.post("enroll", body, {"Idempotency-Key": name.encode().hex()}).status_code == 201
    erasure.erase_person(acme, CHINESE)
    with acting_as(acme):
        assert [KEN in bytes(row.body).decode() for row in KeptAnswer.all_tenants.all()] == [True]


# --- Receipts --------------------------------------------------------------------------------------------------------


def test_a_receipt_says_what_went_and_is_signed(acme):
    enroll(acme, SUBJECT, SUSAN)
    done = erasure.erase_person(acme, SUBJECT)
    document = erasure.receipt_of(acme, done.pk)
    assert receipts.verify(document, receipts.public_keys()) == receipts.public_keys()[0]
    said = document["receipt"]
    assert {name: said["removed"][name] for name in ("speakers", "utterances", "voiceprints", "files")} == {
        "speakers": 1,
        "utterances": 1,
        "voiceprints": 1,
        "files": 1,
    }
    assert receipts.is_about(document, SUBJECT)
    assert not receipts.is_about(document, KEN)
    assert SUBJECT not in json.dumps(document, ensure_ascii=False)


def test_a_receipt_names_the_event_in_the_audit_trail(acme):
    enroll(acme, SUBJECT, SUSAN)
    said = erasure.receipt_of(acme, erasure.erase_person(acme, SUBJECT).pk)["receipt"]["audit"]
    with acting_as(acme):
        event = AuditEvent.all_tenants.get(number=said["number"])
    assert (event.action, bytes(event.digest).hex()) == ("erasure.done", said["digest"])


def test_there_is_no_receipt_before_everything_is_gone(acme, monkeypatch):
    enroll(acme, SUBJECT, SUSAN)
    with through_the_queue():
        done = erasure.erase_person(acme, SUBJECT)
    with pytest.raises(ErasureUnfinished):
        erasure.receipt_of(acme, done.pk)
    erasure.go_on(acme, done.pk)
    assert erasure.receipt_of(acme, done.pk)


def test_a_file_that_resists_keeps_an_erasure_from_its_end_until_it_goes(acme, monkeypatch, recordings_folder):
    enroll(acme, SUBJECT, SUSAN)
    with monkeypatch.context() as broken:
        broken.setattr("django.core.files.storage.FileSystemStorage.delete", _refuse)
        done = erasure.erase_person(acme, SUBJECT)
    assert erasure.find_erasure(acme, done.pk).state == Erasure.State.REMOVING
    assert searching.files(recordings_folder)
    assert erasure.tend() == 1
    assert erasure.find_erasure(acme, done.pk).is_done
    assert searching.files(recordings_folder) == {}
    assert erasure.tend() == 0


def _refuse(*_):
    raise PermissionError


def test_going_on_again_changes_nothing(acme):
    enroll(acme, SUBJECT, SUSAN)
    done = erasure.erase_person(acme, SUBJECT)
    before = erasure.receipt_of(acme, done.pk)
    erasure.go_on(acme, done.pk)
    assert erasure.receipt_of(acme, done.pk) == before
    with acting_as(acme):
        assert AuditEvent.all_tenants.filter(action="erasure.done").count() == 1


@pytest.mark.parametrize("enrolled", [True, False])
def test_why_an_archive_was_refused_names_nobody_who_was_erased(enrolled, acme, recordings_folder):
    if enrolled:
        enroll(acme, SUBJECT, SUSAN)
    for name in (f"../{SUBJECT}/1.wav", "../other.wav"):
        bulk.begin_import(acme, archive=zipped({"manifest.jsonl": manifest(KEN), name: b""}))
    done = erasure.erase_person(acme, SUBJECT)
    with acting_as(acme):
        said = [job.problem["numbers"]["member"] for job in acme.jobs.order_by("pk")]
    assert said == ["…", "../other.wav"]
    assert places_of(SUBJECT, recordings_folder) == []
    assert erasure.find_erasure(acme, done.pk).counts["job_problems"] == 1
