"""Changing a tenant's model, with two real encoders, and with others at work in the middle of it."""

from __future__ import annotations

import io
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import BUNDLED_MODEL, Consistency, Tenant
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, VOICES, WEI, audio
from tests.second_model import install_tiny
from tests.servers import through_the_queue
from voiceprints import batches, bulk, engines, generations, installed, jobs, reembedding, services, tasks, work
from voiceprints.coverage import must_enroll_again
from voiceprints.decisions import decision_for
from voiceprints.errors import (
    EmbeddingUnfinished,
    EngineFailed,
    GenerationIncomplete,
    GenerationInUse,
    GenerationNotFound,
    JobNotFound,
    ModelNotFound,
    ModelUnusable,
    NothingToRollBack,
    SpeakerMismatch,
    SpeakerNotEnrolled,
)
from voiceprints.models import Job, UtteranceEmbedding, Voiceprint
from voiceprints.reports import enrollment_report
from voiceprints.results import Turn, WhenEnrolled
from voiceprints.scoring import voiceprint_of

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 60


def enroll(tenant, voice, *numbers, **options):
    return services.enroll(tenant, LIBRARY, voice, [audio(voice, number) for number in numbers or (1,)], **options)


def again(tenant):
    """As another process sees the tenant at its next request."""
    return Tenant.objects.get(pk=tenant.pk)


def found(tenant, voice, number=4):
    best = services.identify(tenant, tenant.libraries.all(), audio(voice, number)).best
    return best and best.speaker.external_id


def status(tenant, voice):
    with acting_as(tenant):
        return tenant.speakers.get(external_id=voice).status


def models_of(tenant, voice):
    with acting_as(tenant):
        return set(tenant.voiceprints.filter(speaker__external_id=voice).values_list("model", flat=True))


def without_recording(tenant, voice):
    """As after an import of embeddings alone."""
    with acting_as(tenant):
        tenant.utterances.filter(speaker__external_id=voice).update(recording="")


def every_voiceprint_is_the_mean_of_its_utterances(tenant):
    with acting_as(tenant):
        for voiceprint in Voiceprint.all_tenants.all():
            said = UtteranceEmbedding.all_tenants.filter(
                utterance__speaker=voiceprint.speaker_id, model=voiceprint.model
            ).order_by("utterance_id")
            embeddings = [row.embedding for row in said]
            assert voiceprint.utterance_count == len(embeddings)
            np.testing.assert_allclose(voiceprint.embedding, voiceprint_of(embeddings), atol=1e-6)
    return True


def an_hour_later(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(switched=timezone.now() - timedelta(hours=1))


@pytest.fixture
def changed(acme, tiny):
    """Two speakers, embedded anew; one of them without a recording, known to the old model alone."""
    enroll(acme, SUSAN, 1, 2)
    enroll(acme, KEN)
    without_recording(acme, KEN)
    generations.begin(acme, tiny)
    return acme


# --- The plain way ---------------------------------------------------------------------------------------------------


def test_everybody_is_found_with_the_new_model_although_nobody_spoke_again(acme, tiny):
    for voice in VOICES:
        enroll(acme, voice, 1, 2, 3)
    job = generations.begin(acme, tiny)
    generations.switch(acme, tiny)
    assert bulk.find_job(acme, job.pk).result == {"model": tiny, "embedded": 3 * len(VOICES), "failed": 0}
    identification = services.identify(again(acme), acme.libraries.all(), audio(SUSAN, 1))
    assert (identification.model, identification.best.speaker.external_id) == (tiny, SUSAN)
    assert every_voiceprint_is_the_mean_of_its_utterances(acme)


def test_the_old_model_answers_until_the_new_one_does(acme, tiny):
    enroll(acme, SUSAN)
    generations.begin(acme, tiny)
    assert services.identify(again(acme), acme.libraries.all(), audio(SUSAN, 2)).model == BUNDLED_MODEL


def test_an_utterance_is_embedded_as_if_it_had_been_enrolled_with_the_new_model(acme, tiny):
    enroll(acme, SUSAN)
    generations.begin(acme, tiny)
    services.enroll(again(acme), OTHER_TAG, SUSAN, [audio(SUSAN)])
    with acting_as(acme):
        later, now = acme.voiceprints.filter(model=tiny).order_by("speaker_id").values_list("embedding", flat=True)
    assert np.dot(later, now) > 0.999


def test_whoever_enrolls_meanwhile_is_embedded_with_both(acme, tiny):
    generations.begin(acme, tiny)
    enroll(again(acme), SUSAN)
    assert models_of(acme, SUSAN) == {BUNDLED_MODEL, tiny}


def test_a_model_that_nobody_made_known_is_refused(acme):
    with pytest.raises(ModelNotFound):
        generations.begin(acme, "nobody's")


def test_begun_twice_it_is_one_job(acme, tiny):
    with through_the_queue():
        assert generations.begin(acme, tiny).pk == generations.begin(acme, tiny).pk


def test_a_generation_that_was_not_begun_does_not_answer(acme, tiny):
    with pytest.raises(GenerationNotFound):
        generations.switch(acme, tiny)


def test_an_incomplete_generation_does_not_answer(changed, tiny):
    with acting_as(changed):
        changed.utterance_embeddings.filter(model=tiny).earliest("pk").delete()
    with pytest.raises(GenerationIncomplete) as refusal:
        generations.switch(changed, tiny)
    assert (refusal.value.missing, refusal.value.utterances) == (1, 2)
    assert again(changed).model == BUNDLED_MODEL


def test_what_is_missing_is_found_when_it_is_begun_again(changed, tiny):
    with acting_as(changed):
        changed.utterance_embeddings.filter(model=tiny).earliest("pk").delete()
    generations.begin(changed, tiny)
    assert generations.coverage(changed, tiny).complete
    assert every_voiceprint_is_the_mean_of_its_utterances(changed)


def test_coverage_counts_everybody_once(changed, tiny):
    found = generations.coverage(changed, tiny)
    assert (found.utterances, found.embedded, found.missing, found.failed, found.unrecorded) == (3, 2, 0, 0, 1)
    assert (found.speakers, found.covered, found.must_enroll_again) == (2, 1, 1)


def test_a_recording_that_cannot_be_read_is_noted_and_the_others_go_on(acme, tiny, recordings_folder):
    broken = enroll(acme, SUSAN).recording
    enroll(acme, KEN)
    (recordings_folder / broken).write_bytes(b"no recording")
    job = generations.begin(acme, tiny)
    assert bulk.find_job(acme, job.pk).result == {"model": tiny, "embedded": 1, "failed": 1}
    (row,) = bulk.page_rows(acme, job.pk, where={}).rows
    assert (row.external_id, row.problem["kind"]) == (SUSAN, "Unrecognised")
    with pytest.raises(GenerationIncomplete, match="recordings of 1 of 2 utterances") as refusal:
        generations.switch(acme, tiny)
    assert (refusal.value.missing, refusal.value.failed, refusal.value.utterances) == (0, 1, 2)
    assert generations.switch(acme, tiny, accept_failed=True).must_enroll_again == 1
    assert (status(acme, SUSAN), status(acme, KEN)) == ("enrolling", "enrolled")


def test_a_recording_that_is_gone_is_noted(acme, tiny, recordings_folder):
    (recordings_folder / enroll(acme, SUSAN).recording).unlink()
    job = generations.begin(acme, tiny)
    assert bulk.page_rows(acme, job.pk, where={}).rows[0].problem["kind"] == "FileMissing"


def test_a_recording_is_treated_as_it_was_when_it_was_enrolled(acme, tiny):
    for key, treated in ((LIBRARY, True), (OTHER_TAG, False)):
        services.enroll(acme, key, SUSAN, [replace(audio(SUSAN), denoise=treated, trim_silence=not treated)])
    generations.begin(acme, tiny)
    with acting_as(acme):
        treated, plain = (
            acme.voiceprints.get(model=tiny, library__tag_id=tag).embedding for tag in ("staff", "guests")
        )
    assert np.dot(treated, plain) < 0.9999


# --- Switching and back ----------------------------------------------------------------------------------------------


def test_whom_the_new_model_does_not_know_must_enroll_again(changed, tiny):
    generations.switch(changed, tiny)
    tenant = again(changed)
    assert (status(tenant, SUSAN), status(tenant, KEN)) == ("enrolled", "enrolling")
    with acting_as(tenant):
        assert [one.external_id for one in must_enroll_again(tenant, tiny, most=10)] == [KEN]
    with pytest.raises(SpeakerNotEnrolled):
        services.verify(tenant, tenant.libraries.all(), KEN, audio(KEN, 2))


def test_whoever_must_enroll_again_can_and_needs_as_many_utterances_as_anybody(changed, tiny):
    generations.switch(changed, tiny)
    tenant = again(changed)
    first = enroll(tenant, KEN, 2, required_utterances=2)
    assert (first.complete, first.utterance_count) == (False, 1)
    second = enroll(tenant, KEN, 3, required_utterances=2)
    assert (second.complete, second.utterance_count) == (True, 2)
    assert found(tenant, KEN) == KEN
    assert every_voiceprint_is_the_mean_of_its_utterances(tenant)


def test_rolled_back_everybody_is_who_they_were(changed, tiny):
    generations.switch(changed, tiny)
    enroll(again(changed), KEN, 2, required_utterances=3)
    assert generations.roll_back(again(changed)) == BUNDLED_MODEL
    tenant = again(changed)
    assert (tenant.model, tenant.other_models) == (BUNDLED_MODEL, [tiny])
    assert (status(tenant, SUSAN), status(tenant, KEN)) == ("enrolled", "enrolled")
    assert found(tenant, KEN) == KEN
    assert every_voiceprint_is_the_mean_of_its_utterances(tenant)


def test_whoever_enrolled_after_the_switch_is_still_there_when_it_is_rolled_back(changed, tiny):
    generations.switch(changed, tiny)
    enroll(again(changed), WEI)
    generations.roll_back(changed)
    assert found(again(changed), WEI) == WEI


def test_an_utterance_deleted_after_the_switch_is_out_of_the_old_model_too(changed, tiny):
    generations.switch(changed, tiny)
    enroll(again(changed), KEN, 2, required_utterances=3)
    with acting_as(changed):
        oldest = changed.utterances.filter(speaker__external_id=KEN).earliest("pk")
    services.delete_utterance(again(changed), oldest.pk)
    assert every_voiceprint_is_the_mean_of_its_utterances(changed)


def test_without_an_earlier_model_there_is_nothing_to_go_back_to(acme):
    with pytest.raises(NothingToRollBack):
        generations.roll_back(acme)


def test_another_tenant_notices_nothing(changed, globex, tiny):
    enroll(globex, SUSAN)
    generations.switch(changed, tiny)
    assert again(globex).models == (BUNDLED_MODEL,)
    assert models_of(globex, SUSAN) == {BUNDLED_MODEL}
    with pytest.raises(GenerationNotFound):
        generations.coverage(globex, tiny)


# --- Dropping --------------------------------------------------------------------------------------------------------


def vectors(tenant, model):
    with acting_as(tenant):
        said = tenant.utterance_embeddings.filter(model=model).count()
        return said + tenant.voiceprints.filter(model=model).count()


def test_a_dropped_generation_leaves_nothing(changed, tiny):
    assert generations.drop(changed, tiny) == 3
    assert again(changed).models == (BUNDLED_MODEL,)
    assert vectors(changed, tiny) == 0


def test_the_old_generation_goes_when_no_request_can_be_answered_with_it(changed, tiny):
    generations.switch(changed, tiny)
    with pytest.raises(GenerationInUse) as refusal:
        generations.drop(changed, BUNDLED_MODEL)
    assert 0 < refusal.value.seconds <= generations.longest_request().total_seconds()
    an_hour_later(changed)
    generations.drop(changed, BUNDLED_MODEL)
    assert vectors(changed, BUNDLED_MODEL) == 0
    with pytest.raises(NothingToRollBack):
        generations.roll_back(changed)


@pytest.mark.parametrize("old_answers_too", [False, True])
def test_what_answers_is_not_dropped(changed, tiny, old_answers_too):
    generations.switch(changed, tiny, answer_with_old=old_answers_too)
    an_hour_later(changed)
    with pytest.raises(GenerationInUse):
        generations.drop(changed, BUNDLED_MODEL if old_answers_too else tiny)


def test_a_drop_that_was_interrupted_is_finished_by_the_next(changed, tiny):
    Tenant.objects.filter(pk=changed.pk).update(other_models=[])
    enroll(again(changed), SUSAN, 3, when_enrolled=WhenEnrolled.ADD)
    generations.begin(again(changed), tiny)
    assert every_voiceprint_is_the_mean_of_its_utterances(changed)
    generations.drop(changed, tiny)
    assert vectors(changed, tiny) == 0


# --- While others are at work ----------------------------------------------------------------------------------------


class WaitingStorage(FileSystemStorage):
    """A file system that stops at a file, and says so, until it may go on."""

    saving = opening = None

    def _save(self, name, content):
        saved = super()._save(name, content)
        if name.endswith(".flac"):
            pass_gate(WaitingStorage.saving)
        return saved

    def _open(self, name, mode="rb"):
        file = super()._open(name, mode)
        pass_gate(WaitingStorage.opening)
        return file


class Gate:
    """Stops the first who comes, and lets everybody else pass."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()


def pass_gate(gate):
    if gate is not None and not gate.reached.is_set():
        gate.reached.set()
        assert gate.opened.wait(PATIENCE_SECONDS)


@pytest.fixture
def waiting_storage(settings, recordings_folder, monkeypatch):
    backend = {
        "BACKEND": "tests.voiceprints.test_generations.WaitingStorage",
        "OPTIONS": {"location": recordings_folder},
    }
    settings.STORAGES = settings.STORAGES | {"recordings": backend}
    monkeypatch.setattr(WaitingStorage, "saving", None)
    monkeypatch.setattr(WaitingStorage, "opening", None)


def in_the_middle_of(monkeypatch, operation, deed, interruption):
    """Begin the deed, and when it comes to the operation on a file, let the interruption happen first."""
    gate = Gate()
    monkeypatch.setattr(WaitingStorage, operation, gate)

    def in_a_thread():
        try:
            return deed()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(in_a_thread)
        try:
            assert gate.reached.wait(PATIENCE_SECONDS)
            interruption()
        finally:
            gate.opened.set()
        return future.result(PATIENCE_SECONDS)


def test_an_enrollment_begun_before_a_generation_is_in_it(acme, tiny, waiting_storage, monkeypatch):
    def change():
        generations.begin(again(acme), tiny)
        generations.switch(again(acme), tiny)

    in_the_middle_of(monkeypatch, "saving", lambda: enroll(again(acme), SUSAN), change)
    assert models_of(acme, SUSAN) == {BUNDLED_MODEL, tiny}
    assert found(again(acme), SUSAN) == SUSAN
    assert generations.coverage(acme, tiny).complete


@pytest.mark.parametrize("merge", [False, True])
def test_an_update_begun_before_a_generation_is_in_it(acme, tiny, waiting_storage, monkeypatch, merge):
    enroll(acme, SUSAN)

    def change():
        generations.begin(again(acme), tiny)
        generations.switch(again(acme), tiny)

    in_the_middle_of(
        monkeypatch,
        "saving",
        lambda: services.update(again(acme), LIBRARY, SUSAN, [audio(SUSAN, 2)], merge=merge),
        change,
    )
    assert models_of(acme, SUSAN) == {BUNDLED_MODEL, tiny}
    assert generations.coverage(acme, tiny).complete
    assert every_voiceprint_is_the_mean_of_its_utterances(acme)


def test_an_enrollment_begun_before_it_is_rolled_back_is_found_after(
    changed,
    tiny,
    waiting_storage,
    monkeypatch,
):
    generations.switch(changed, tiny)
    in_the_middle_of(
        monkeypatch, "saving", lambda: enroll(again(changed), WEI), lambda: generations.roll_back(again(changed))
    )
    assert found(again(changed), WEI) == WEI


def test_an_enrollment_leaves_nothing_of_a_generation_that_was_dropped_meanwhile(
    changed,
    tiny,
    waiting_storage,
    monkeypatch,
):
    in_the_middle_of(
        monkeypatch, "saving", lambda: enroll(again(changed), WEI), lambda: generations.drop(again(changed), tiny)
    )
    assert models_of(changed, WEI) == {BUNDLED_MODEL}
    assert vectors(changed, tiny) == 0


@pytest.fixture
def susan_and_ken(acme, tiny, waiting_storage):
    enroll(acme, SUSAN, 1, 2)
    enroll(acme, KEN)
    return acme


def begun(tenant, model, monkeypatch, interruption):
    job = in_the_middle_of(monkeypatch, "opening", lambda: generations.begin(again(tenant), model), interruption)
    return bulk.find_job(tenant, job.pk)


def test_a_speaker_deleted_while_being_embedded_is_gone(susan_and_ken, tiny, monkeypatch):
    def delete():
        services.delete_speaker(again(susan_and_ken), susan_and_ken.libraries.all(), SUSAN)

    job = begun(susan_and_ken, tiny, monkeypatch, delete)
    assert (job.state, job.result["failed"]) == ("succeeded", 0)
    assert generations.switch(susan_and_ken, tiny).utterances == 1
    assert vectors(susan_and_ken, tiny) == 2


def test_an_utterance_deleted_while_being_embedded_is_in_no_voiceprint(susan_and_ken, tiny, monkeypatch):
    with acting_as(susan_and_ken):
        oldest = susan_and_ken.utterances.filter(speaker__external_id=SUSAN).earliest("pk")
    begun(susan_and_ken, tiny, monkeypatch, lambda: services.delete_utterance(again(susan_and_ken), oldest.pk))
    assert generations.coverage(susan_and_ken, tiny).complete
    assert every_voiceprint_is_the_mean_of_its_utterances(susan_and_ken)


def test_what_is_said_while_the_rest_is_embedded_counts_in_both(susan_and_ken, tiny, monkeypatch):
    begun(
        susan_and_ken,
        tiny,
        monkeypatch,
        lambda: services.update(again(susan_and_ken), LIBRARY, SUSAN, [audio(SUSAN, 3)], merge=True),
    )
    assert generations.coverage(susan_and_ken, tiny).complete
    assert every_voiceprint_is_the_mean_of_its_utterances(susan_and_ken)


@pytest.mark.parametrize("operation", ["cancel_job", "pause_job"])
def test_a_job_that_was_stopped_stores_nothing_more_and_goes_on_later(
    susan_and_ken,
    tiny,
    monkeypatch,
    operation,
):
    def stop():
        with acting_as(susan_and_ken):
            (job,) = susan_and_ken.jobs.filter(kind=Job.Kind.REEMBED)
        getattr(bulk, operation)(susan_and_ken, job.pk)

    job = begun(susan_and_ken, tiny, monkeypatch, stop)
    assert (job.state, job.done) == ({"cancel_job": "cancelled", "pause_job": "paused"}[operation], 0)
    assert vectors(susan_and_ken, tiny) == 0
    bulk.resume_job(susan_and_ken, job.pk) if job.state == "paused" else generations.begin(susan_and_ken, tiny)
    assert generations.switch(susan_and_ken, tiny).complete


def test_a_generation_dropped_while_it_is_built_leaves_nothing(susan_and_ken, tiny, monkeypatch):
    job = begun(susan_and_ken, tiny, monkeypatch, lambda: generations.drop(again(susan_and_ken), tiny))
    assert job.state == "cancelled"
    assert vectors(susan_and_ken, tiny) == 0


def test_a_batch_done_twice_finds_nothing_left_to_do(susan_and_ken, tiny, monkeypatch):
    """As when a message is delivered to a second worker."""
    with acting_as(susan_and_ken):
        numbers = list(susan_and_ken.utterances.values_list("pk", flat=True))

    def done_by_another():
        with acting_as(susan_and_ken):
            job = susan_and_ken.jobs.get(kind=Job.Kind.REEMBED)
        order = reembedding.Order(susan_and_ken.pk, job.pk, job.runner.hex, tiny, numbers)
        batches.embed_batch(order, engines.encoder(tiny))

    job = begun(susan_and_ken, tiny, monkeypatch, done_by_another)
    assert (job.done, job.total) == (3, 3)
    assert every_voiceprint_is_the_mean_of_its_utterances(susan_and_ken)


def test_switching_waits_for_an_enrollment_that_is_being_stored(changed, tiny):
    stored, switched = threading.Event(), threading.Event()

    def also(_):
        stored.set()
        # The other one can only wait: were it done in this time, it would have overtaken us.
        assert not switched.wait(1)

    def switching():
        try:
            assert stored.wait(PATIENCE_SECONDS)
            generations.switch(again(changed), tiny)
            switched.set()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(switching)
        enroll(again(changed), WEI, also=also)
        future.result(PATIENCE_SECONDS)
    assert found(again(changed), WEI) == WEI


def exported(tenant, *, recordings):
    job = bulk.begin_export(tenant, LIBRARY, recordings=recordings, embeddings=True)
    archive = io.BytesIO()
    bulk.copy_file(tenant, job.pk, archive)
    archive.seek(0)
    return archive


def test_an_import_begun_before_a_generation_is_in_it(susan_and_ken, globex, tiny, monkeypatch):
    """Its embeddings were taken as they are, and are not enough any more when they are to be stored."""
    archive = exported(susan_and_ken, recordings=True)
    in_the_middle_of(
        monkeypatch,
        "saving",
        lambda: bulk.begin_import(again(globex), archive=archive),
        lambda: generations.begin(again(globex), tiny),
    )
    assert models_of(globex, SUSAN) == models_of(globex, KEN) == {BUNDLED_MODEL, tiny}
    assert generations.coverage(globex, tiny).complete
    assert every_voiceprint_is_the_mean_of_its_utterances(globex)


def test_embeddings_alone_are_taken_while_another_generation_is_built(susan_and_ken, globex, tiny):
    generations.begin(globex, tiny)
    bulk.begin_import(again(globex), archive=exported(susan_and_ken, recordings=False))
    assert models_of(globex, SUSAN) == {BUNDLED_MODEL}
    assert generations.switch(globex, tiny).must_enroll_again == 2


def test_turns_that_only_the_old_model_heard_are_taken_again(changed, tiny):
    def turn(number):
        tenant = again(changed)
        key, libraries = LIBRARY, tenant.libraries.all()
        return services.enroll_turn(tenant, key, KEN, audio(KEN, number), turn=Turn(number), within=libraries)

    generations.switch(changed, tiny)
    assert [turn(number).complete for number in (1, 2, 3)] == [False, False, True]
    assert found(again(changed), KEN) == KEN
    assert every_voiceprint_is_the_mean_of_its_utterances(changed)


# --- Answering with the old model, too -------------------------------------------------------------------------------


@pytest.fixture
def two_answer(changed, tiny):
    """The new model knows Susan, and the old one goes on answering for Ken."""
    generations.switch(changed, tiny, answer_with_old=True)
    return again(changed)


def test_whom_the_new_model_does_not_know_the_old_one_verifies(two_answer, tiny):
    assert (status(two_answer, SUSAN), status(two_answer, KEN)) == ("enrolled", "enrolled")
    for voice, model in ((SUSAN, tiny), (KEN, BUNDLED_MODEL)):
        verification = services.verify(two_answer, two_answer.libraries.all(), voice, audio(voice, 4))
        assert (verification.model, verification.accepted) == (model, True)
        assert verification.threshold == decision_for(two_answer, model).threshold(
            *(utterance_seconds(two_answer, voice), verification.quality.speech_seconds)
        )


def utterance_seconds(tenant, voice):
    with acting_as(tenant):
        return sum(tenant.utterances.filter(speaker__external_id=voice).values_list("speech_seconds", flat=True))


def test_both_are_found_by_one_search_and_nobody_twice(two_answer):
    for voice in (SUSAN, KEN):
        candidates = services.identify(two_answer, two_answer.libraries.all(), audio(voice, 4)).candidates
        assert sorted(candidate.speaker.external_id for candidate in candidates) == [KEN, SUSAN]
        assert candidates[0].speaker.external_id == voice
        assert candidates[0].calibrated > candidates[1].calibrated


def test_each_candidate_is_scored_by_the_model_that_knows_it(two_answer, tiny):
    candidates = services.identify(two_answer, two_answer.libraries.all(), audio(WEI)).candidates
    scores = {candidate.speaker.external_id: candidate.score for candidate in candidates}
    heard = services.hear(two_answer, audio(WEI), models=[tiny, BUNDLED_MODEL])
    with acting_as(two_answer):
        for voice, model in ((SUSAN, tiny), (KEN, BUNDLED_MODEL)):
            known = two_answer.voiceprints.get(speaker__external_id=voice, model=model)
            assert scores[voice] == pytest.approx(float(np.dot(known.embedding, heard.embeddings[model])), abs=1e-5)


def test_the_best_of_both_models_is_the_only_one_asked_for(two_answer):
    for voice in (SUSAN, KEN):
        (only,) = services.identify(two_answer, two_answer.libraries.all(), audio(voice, 4), top_k=1).candidates
        assert only.speaker.external_id == voice


def test_voiceprints_are_compared_by_a_model_that_knows_both(two_answer, tiny):
    enroll(two_answer, WEI)
    held = services.compare_speakers(two_answer, LIBRARY, SUSAN, [WEI, KEN, SUSAN])
    assert [one.model for one in held] == [tiny, BUNDLED_MODEL, tiny]
    assert held[2].score == pytest.approx(1.0, abs=1e-5)


def test_whoever_speaks_again_goes_over_to_the_new_model(two_answer, tiny):
    enroll(two_answer, KEN, 2, when_enrolled=WhenEnrolled.ADD)
    assert services.verify(two_answer, two_answer.libraries.all(), KEN, audio(KEN, 3)).model == tiny
    assert every_voiceprint_is_the_mean_of_its_utterances(two_answer)


def test_another_voice_is_noticed_by_the_model_that_knows_the_speaker(two_answer):
    def added(voice, number):
        key = {"when_enrolled": WhenEnrolled.ADD}
        return services.enroll(again(two_answer), LIBRARY, KEN, [audio(voice, number)], **key)

    Tenant.objects.update(consistency=Consistency.REFUSE)
    with pytest.raises(SpeakerMismatch):
        added(SUSAN, 3)
    Tenant.objects.update(consistency=Consistency.WARN)
    report = enrollment_report(again(two_answer), added(SUSAN, 3))
    assert report.warnings == ("inconsistent", "near_duplicates")
    assert not report.utterances[0].agreement.accepted


def test_a_roll_back_ends_it(two_answer):
    generations.roll_back(two_answer)
    tenant = again(two_answer)
    assert (tenant.model, tenant.fallback_model) == (BUNDLED_MODEL, "")
    assert found(tenant, KEN) == KEN


def test_the_old_model_ceases_to_answer_when_the_new_one_is_told_to_answer_alone(two_answer, tiny):
    generations.switch(two_answer, tiny)
    tenant = again(two_answer)
    assert (tenant.models, tenant.fallback_model, tenant.previous_model) == ((tiny, BUNDLED_MODEL), "", BUNDLED_MODEL)
    assert (status(tenant, SUSAN), status(tenant, KEN)) == ("enrolled", "enrolling")
    with pytest.raises(GenerationInUse):
        generations.drop(tenant, BUNDLED_MODEL)
    an_hour_later(tenant)
    generations.drop(tenant, BUNDLED_MODEL)


def test_the_old_model_may_come_to_answer_again_for_whom_only_it_knows(changed, tiny):
    generations.switch(changed, tiny)
    generations.switch(changed, tiny, answer_with_old=True)
    tenant = again(changed)
    assert (tenant.models, tenant.fallback_model) == ((tiny, BUNDLED_MODEL), BUNDLED_MODEL)
    assert found(tenant, KEN) == KEN


def test_without_an_old_model_none_comes_to_answer_too(acme):
    with pytest.raises(NothingToRollBack, match="no earlier model"):
        generations.switch(acme, BUNDLED_MODEL, answer_with_old=True)
    assert again(acme).fallback_model == ""


# --- Where a worker lacks a model -------------------------------------------------------------------------------------


def gone_from_the_worker(model):
    installed.store().remove(model)
    return model


def test_whoever_enrolls_is_not_refused_for_want_of_a_model_that_is_being_built(acme, tiny, tmp_path, caplog):
    generations.begin(acme, gone_from_the_worker(tiny))
    assert enroll(again(acme), SUSAN).complete
    assert (models_of(acme, SUSAN), found(again(acme), SUSAN)) == ({BUNDLED_MODEL}, SUSAN)
    (line,) = [one for one in caplog.messages if "stands by" in one]
    assert "models/tiny" in line
    assert generations.coverage(acme, tiny).missing == 1
    install_tiny(tmp_path)
    generations.begin(acme, tiny)
    assert generations.switch(acme, tiny).complete
    assert every_voiceprint_is_the_mean_of_its_utterances(acme)


def test_what_a_model_could_hear_of_a_speaker_counts_until_it_has_heard_all(acme, tiny, tmp_path):
    generations.begin(acme, tiny)
    enroll(again(acme), SUSAN, 1)
    gone_from_the_worker(tiny)
    enroll(again(acme), SUSAN, 2, when_enrolled=WhenEnrolled.ADD)
    assert generations.coverage(acme, tiny).missing == 1
    assert every_voiceprint_is_the_mean_of_its_utterances(acme)


def test_a_model_that_answers_is_not_done_without(changed, tiny):
    generations.switch(changed, tiny, answer_with_old=True)
    gone_from_the_worker(tiny)
    with pytest.raises(ModelUnusable, match="models/tiny"):
        enroll(again(changed), WEI)
    assert models_of(changed, WEI) == set()


def test_a_model_that_could_not_hear_an_enrollment_and_comes_to_answer_meanwhile_is_asked_again(
    acme, tiny, waiting_storage, monkeypatch, tmp_path
):
    generations.begin(acme, gone_from_the_worker(tiny))

    def mend_and_switch():
        install_tiny(tmp_path)
        generations.switch(again(acme), tiny)

    in_the_middle_of(monkeypatch, "saving", lambda: enroll(again(acme), SUSAN), mend_and_switch)
    assert models_of(acme, SUSAN) == {BUNDLED_MODEL, tiny}
    assert found(again(acme), SUSAN) == SUSAN


def test_nobody_goes_back_to_a_model_that_has_not_heard_everything(tiny, small_tenant, tmp_path):
    generations.begin(small_tenant, BUNDLED_MODEL)
    generations.switch(small_tenant, BUNDLED_MODEL)
    gone_from_the_worker(tiny)
    enroll(again(small_tenant), SUSAN)
    with pytest.raises(GenerationIncomplete) as refusal:
        generations.roll_back(again(small_tenant))
    assert (refusal.value.model, refusal.value.missing, refusal.value.utterances) == (tiny, 1, 1)
    assert again(small_tenant).model == BUNDLED_MODEL
    install_tiny(tmp_path)
    generations.begin(again(small_tenant), tiny)
    generations.roll_back(again(small_tenant))
    assert found(again(small_tenant), SUSAN) == SUSAN


@pytest.fixture
def small_tenant(acme, tiny):
    """Whose speakers are told apart with the second model."""
    Tenant.objects.filter(pk=acme.pk).update(model=tiny)
    return again(acme)


# --- Where the platform is to blame -----------------------------------------------------------------------------------


class TroubledStorage(FileSystemStorage):
    """A file system that fails at the openings of one file that are listed, counted from 0."""

    troubled, error, openings = "", OSError, frozenset()
    opened = 0

    def _open(self, name, mode="rb"):
        if name == TroubledStorage.troubled:
            TroubledStorage.opened += 1
            if TroubledStorage.opened - 1 in TroubledStorage.openings:
                raise TroubledStorage.error(name)
        return super()._open(name, mode)


@pytest.fixture
def trouble(settings, recordings_folder, monkeypatch):
    """With what Susan said, of which Ken's recording knows nothing."""
    backend = {
        "BACKEND": "tests.voiceprints.test_generations.TroubledStorage",
        "OPTIONS": {"location": recordings_folder},
    }
    settings.STORAGES = settings.STORAGES | {"recordings": backend}
    monkeypatch.setattr(work, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(reembedding, "SECOND_ROUND_AFTER_SECONDS", 0.01)

    def begin(tenant, error, openings):
        for name, value in (("troubled", enroll(tenant, SUSAN).recording), ("error", error), ("openings", openings)):
            monkeypatch.setattr(TroubledStorage, name, value)
        monkeypatch.setattr(TroubledStorage, "opened", 0)
        enroll(tenant, KEN)

    return begin


EVERY = range(1000)
# The worker looks, and whoever handed it the batch looks after it.
ONLY_BY_THE_WORKER = range(0, 1000, 2)


@pytest.mark.parametrize(
    ("failing", "kind"),
    [((OSError, EVERY), "StorageFailed"), ((FileNotFoundError, ONLY_BY_THE_WORKER), "FileMissing")],
)
def test_a_recording_that_the_storage_does_not_give_is_missing_and_the_others_go_on(acme, tiny, trouble, failing, kind):
    trouble(acme, *failing)
    job = bulk.find_job(acme, generations.begin(acme, tiny).pk)
    assert (job.state, job.problem["kind"]) == ("failed", "EmbeddingUnfinished")
    assert job.problem["numbers"] == {"model": tiny, "undone": 1, "reason": f"1 {kind}"}
    found = generations.coverage(acme, tiny)
    assert (found.embedded, found.missing, found.failed) == (1, 1, 0)
    with pytest.raises(GenerationIncomplete):
        generations.switch(acme, tiny, accept_failed=True)


@pytest.mark.parametrize("error", [OSError, FileNotFoundError])
def test_a_recording_that_the_storage_does_not_give_at_first_is_tried_again(acme, tiny, trouble, error):
    trouble(acme, error, {0})
    job = bulk.find_job(acme, generations.begin(acme, tiny).pk)
    assert (job.state, job.result) == ("succeeded", {"model": tiny, "embedded": 2, "failed": 0})
    assert generations.switch(acme, tiny).complete


def test_what_no_worker_embeds_in_time_is_missing_and_no_fault_of_the_recording(acme, tiny, settings, trouble):
    enroll(acme, SUSAN)
    settings.ANALYSIS_DEADLINE_SECONDS = 0.05
    with through_the_queue():
        job = generations.begin(acme, tiny)
        tasks.run_job(acme.pk, job.pk)
        ended = bulk.find_job(acme, job.pk)
    jobs.connection().flushall()
    assert (ended.state, ended.problem["numbers"]["reason"]) == ("failed", "1 AnalysisTimedOut")
    found = generations.coverage(acme, tiny)
    assert (found.missing, found.failed) == (1, 0)


def test_where_nothing_can_be_embedded_no_more_is_tried():
    undone = reembedding.Undone(BUNDLED_MODEL)
    last = reembedding.MOST_IN_A_ROW
    undone.note([0, 1], {0: EngineFailed()})
    for number in range(2, last):
        undone.note([number], {number: EngineFailed()})
    with pytest.raises(EmbeddingUnfinished, match=f"{last} EngineFailed"):
        undone.note([last], {last: EngineFailed()})


def test_a_stall_is_not_caught_up_with_at_a_higher_rate(acme):
    paced = reembedding._paced(work.Run(acme, Job(), uuid.uuid4()), [[1], [2], [3]], rate=5.0)
    next(paced)
    time.sleep(0.6)
    next(paced)
    began = time.monotonic()
    next(paced)
    assert time.monotonic() - began > 0.15


# --- Between tenants --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["pause_job", "resume_job", "cancel_job"])
def test_another_tenants_job_is_not_to_be_stopped_or_moved(susan_and_ken, globex, tiny, operation):
    with through_the_queue():
        job = generations.begin(susan_and_ken, tiny)
    with pytest.raises(JobNotFound):
        getattr(bulk, operation)(globex, job.pk)
    assert bulk.find_job(susan_and_ken, job.pk).state == "queued"
    jobs.connection().flushall()


def test_another_tenants_speakers_are_not_among_those_who_must_enroll_again(changed, globex, tiny):
    enroll(globex, WEI)
    without_recording(globex, WEI)
    generations.begin(globex, tiny)
    with acting_as(globex):
        assert [one.external_id for one in must_enroll_again(globex, tiny, most=10)] == [WEI]


def test_a_drop_leaves_another_tenants_vectors_alone(changed, globex, tiny):
    kept = vectors(changed, tiny)
    assert generations.drop(globex, tiny) == 0
    assert (vectors(changed, tiny), again(changed).models) == (kept, (BUNDLED_MODEL, tiny))
