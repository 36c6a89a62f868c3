"""Enrollment in numbered turns, with real voices and the real encoder."""

import numpy as np
import pytest

from audio.errors import NotEnoughSpeech
from tenants.context import acting_as
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, audio, recording, silence
from tests.threads import all_at_once
from voiceprints import services
from voiceprints.errors import (
    NobodyEnrolled,
    SpeakerExists,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    TurnPassed,
    TurnsCompleted,
    TurnTooEarly,
)
from voiceprints.models import DoomedRecording, Speaker, UtteranceEmbedding
from voiceprints.results import AudioInput, LibraryKey, Turn
from voiceprints.scoring import voiceprint_of

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = LibraryKey("elsewhere")
TURNS = (1, 2, 3)


def take(tenant, turn, voice=SUSAN, number=None, *, key=LIBRARY, name="who", heard=None):
    said = heard or audio(voice, number or turn)
    return services.enroll_turn(tenant, key, name, said, turn=Turn(turn), within=everywhere(tenant))


def everywhere(tenant):
    return tenant.libraries.within("acme")


def utterances(tenant):
    with acting_as(tenant):
        return list(tenant.utterances.order_by("pk").values_list("pk", flat=True))


def kept(tenant, folder):
    """The files, which are exactly those that have rows."""
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    with acting_as(tenant):
        assert files == sorted(tenant.utterances.values_list("recording", flat=True))
        assert not DoomedRecording.all_tenants.exists()
    return files


def bearers(tenant, name="who"):
    with acting_as(tenant):
        return [(str(one.library), one.status) for one in tenant.speakers.named(name).select_related("library")]


def never():
    pytest.fail("the recording was heard")


NEVER_HEARD = AudioInput(read=never)


# --- The order of turns ----------------------------------------------------------------------------------------------


def test_the_last_turn_completes_the_enrollment(acme):
    assert [take(acme, turn).complete for turn in TURNS] == [False, False, True]
    assert services.verify(acme, everywhere(acme), "who", audio(SUSAN, 4)).accepted


def test_the_voiceprint_is_made_of_all_turns(acme):
    for turn in TURNS:
        take(acme, turn)
    with acting_as(acme):
        embeddings = [row.embedding for row in UtteranceEmbedding.all_tenants.all()]
        (voiceprint,) = acme.voiceprints.all()
    assert voiceprint.utterance_count == len(embeddings) == 3
    np.testing.assert_allclose(voiceprint.embedding, voiceprint_of(embeddings), atol=1e-6)


def test_nobody_is_found_before_the_last_turn(acme):
    for turn in (1, 2):
        take(acme, turn)
        assert services.identify(acme, everywhere(acme), audio(SUSAN, 4)).candidates == ()
        with pytest.raises(SpeakerNotEnrolled):
            services.verify(acme, everywhere(acme), "who", NEVER_HEARD)


@pytest.mark.parametrize(
    ("done", "turn", "refusal"),
    [
        (0, 2, TurnTooEarly),
        (0, 3, TurnTooEarly),
        (1, 3, TurnTooEarly),
        (2, 1, TurnPassed),
        (3, 1, TurnsCompleted),
        (3, 2, TurnsCompleted),
        (3, 3, TurnsCompleted),
    ],
)
def test_an_untimely_turn_is_refused_before_it_is_heard(acme, recordings_folder, done, turn, refusal):
    for earlier in range(1, done + 1):
        take(acme, earlier)
    before = kept(acme, recordings_folder)
    with pytest.raises(refusal) as refused:
        take(acme, turn, heard=NEVER_HEARD)
    assert type(refused.value) is refusal
    assert (refused.value.done, refused.value.turn, refused.value.turns) == (done, turn, 3)
    assert kept(acme, recordings_folder) == before


@pytest.mark.parametrize("turn", [1, 2])
def test_the_turn_taken_last_may_be_taken_again(acme, recordings_folder, turn):
    for earlier in range(1, turn + 1):
        take(acme, earlier)
    before, files = utterances(acme), kept(acme, recordings_folder)
    again = take(acme, turn, number=4)
    after = utterances(acme)
    assert again.utterance_count == len(after) == turn
    assert after[:-1] == before[:-1]
    assert after[-1] not in before
    assert len(set(kept(acme, recordings_folder)) & set(files)) == turn - 1


def test_what_happens_while_a_turn_is_heard_counts(acme, recordings_folder):
    take(acme, 1)

    def meanwhile():
        take(acme, 2)
        take(acme, 3)
        return recording(SUSAN, 4)

    with pytest.raises(TurnsCompleted):
        take(acme, 2, heard=AudioInput(read=meanwhile))
    assert len(kept(acme, recordings_folder)) == 3


def test_whoever_is_deleted_while_a_turn_is_heard_begins_anew(acme, recordings_folder):
    take(acme, 1)

    def meanwhile():
        services.delete_speaker(acme, everywhere(acme), "who")
        return recording(SUSAN, 2)

    with pytest.raises(TurnTooEarly) as refused:
        take(acme, 2, heard=AudioInput(read=meanwhile))
    assert refused.value.done == 0
    assert kept(acme, recordings_folder) == []
    assert bearers(acme) == []


@pytest.mark.parametrize("turn", TURNS)
def test_a_recording_that_cannot_be_used_changes_nothing(acme, recordings_folder, turn):
    for earlier in range(1, turn):
        take(acme, earlier)
    before, people = kept(acme, recordings_folder), bearers(acme)
    with pytest.raises(NotEnoughSpeech):
        take(acme, turn, key=OTHER_TAG, heard=silence())
    assert (kept(acme, recordings_folder), bearers(acme)) == (before, people)


# --- One voice -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [2, 3])
def test_another_voice_than_the_first_changes_nothing(acme, recordings_folder, turn):
    for earlier in range(1, turn):
        take(acme, earlier)
    before, people = kept(acme, recordings_folder), bearers(acme)
    with pytest.raises(SpeakerMismatch) as refused:
        take(acme, turn, KEN, 1, key=OTHER_TAG)
    assert refused.value.score < refused.value.threshold
    assert (kept(acme, recordings_folder), bearers(acme)) == (before, people)
    assert take(acme, turn).utterance_count == turn


def test_a_turn_taken_again_is_compared_with_the_first(acme, recordings_folder):
    take(acme, 1)
    take(acme, 2)
    before = kept(acme, recordings_folder)
    with pytest.raises(SpeakerMismatch):
        take(acme, 2, KEN)
    assert kept(acme, recordings_folder) == before


def test_the_first_turn_may_be_taken_again_by_another_voice(acme):
    take(acme, 1)
    take(acme, 1, KEN)
    with pytest.raises(SpeakerMismatch):
        take(acme, 2, SUSAN)
    assert take(acme, 2, KEN).utterance_count == 2


# --- One name --------------------------------------------------------------------------------------------------------


def test_a_speaker_comes_to_the_library_of_each_turn(acme):
    seen = []
    for turn, key in zip(TURNS, [LIBRARY, OTHER_TAG, LibraryKey("acme", "new")], strict=True):
        take(acme, turn, key=key)
        seen.append(bearers(acme))
    assert seen == [
        [("acme / staff", "enrolling")],
        [("acme / guests", "enrolling")],
        [("acme / new", "enrolled")],
    ]
    found = services.identify(acme, acme.libraries.within("acme", "new"), audio(SUSAN, 4))
    assert [candidate.speaker.external_id for candidate in found.candidates] == ["who"]


def test_a_refused_turn_moves_nobody(acme):
    take(acme, 1)
    with pytest.raises(TurnTooEarly):
        take(acme, 3, key=OTHER_TAG)
    assert bearers(acme) == [("acme / staff", "enrolling")]


def test_whoever_is_complete_in_another_library_stays_there(acme):
    for turn in TURNS:
        take(acme, turn)
    with pytest.raises(TurnsCompleted):
        take(acme, 1, key=OTHER_TAG, heard=NEVER_HEARD)
    assert bearers(acme) == [("acme / staff", "enrolled")]


def test_the_name_is_free_outside_the_libraries_meant(acme):
    services.enroll(acme, ELSEWHERE, "who", [audio(KEN)])
    for turn in TURNS:
        take(acme, turn)
    assert sorted(bearers(acme)) == [("acme / staff", "enrolled"), ("elsewhere", "enrolled")]


def test_whoever_was_enrolled_at_once_is_complete(acme):
    services.enroll(acme, OTHER_TAG, "who", [audio(SUSAN)])
    with pytest.raises(TurnsCompleted):
        take(acme, 1, heard=NEVER_HEARD)


def test_an_enrollment_begun_in_another_way_goes_on(acme):
    services.enroll(acme, OTHER_TAG, "who", [audio(SUSAN, n) for n in (1, 2)], required_utterances=5)
    assert take(acme, 3).complete
    assert bearers(acme) == [("acme / staff", "enrolled")]


def test_nobody_moves_to_where_another_way_put_the_same_name(acme, recordings_folder):
    take(acme, 1)
    services.enroll(acme, OTHER_TAG, "who", [audio(KEN)], required_utterances=3)
    before, people = kept(acme, recordings_folder), bearers(acme)
    with pytest.raises(SpeakerExists):
        take(acme, 2, key=OTHER_TAG)
    assert (kept(acme, recordings_folder), bearers(acme)) == (before, people)
    assert take(acme, 2).utterance_count == 2


def test_a_speaker_whose_recordings_were_removed_begins_anew(acme):
    enrollment = take(acme, 1)
    services.delete_utterance(acme, enrollment.utterances[0].pk)
    with pytest.raises(TurnTooEarly):
        take(acme, 2, heard=NEVER_HEARD)
    assert take(acme, 1).utterance_count == 1


def test_another_tenants_name_is_none_of_ours(acme, globex):
    for turn in TURNS:
        take(acme, turn)
    with pytest.raises(TurnTooEarly):
        take(globex, 2, heard=NEVER_HEARD)
    take(globex, 1, KEN)
    assert (len(bearers(acme)), len(bearers(globex))) == (1, 1)


# --- At the same time ------------------------------------------------------------------------------------------------


def test_simultaneous_first_turns_make_one_speaker_of_one_utterance(acme, recordings_folder):
    keys = [LIBRARY, OTHER_TAG, LibraryKey("acme"), LIBRARY]
    taken = all_at_once(*(lambda key=key: take(acme, 1, key=key).utterance_count for key in keys))
    assert taken == [1, 1, 1, 1]
    assert len(bearers(acme)) == 1
    assert len(kept(acme, recordings_folder)) == 1


def test_simultaneous_last_turns_complete_once(acme, recordings_folder):
    take(acme, 1)
    take(acme, 2)
    outcomes = all_at_once(*[lambda: take(acme, 3).utterance_count] * 4)
    assert sorted(outcomes, key=str) == sorted([3, *[TurnsCompleted] * 3], key=str)
    assert len(kept(acme, recordings_folder)) == 3


def test_simultaneous_turns_of_two_names_do_not_disturb_each_other(acme):
    deeds = [lambda name=name: take(acme, 1, name=name).utterance_count for name in ("one", "two", "three")]
    assert all_at_once(*deeds) == [1, 1, 1]


def test_turns_and_deletions_at_once_leave_no_half_speaker(acme, recordings_folder):
    def delete():
        return services.delete_speakers(acme, everywhere(acme), ["who"]).speakers

    def drop_libraries():
        return services.delete_libraries(acme, everywhere(acme)).libraries

    for _ in range(3):
        all_at_once(*[lambda: take(acme, 1).complete] * 2, delete, drop_libraries)
        with acting_as(acme):
            assert acme.speakers.count() == len(utterances(acme)) <= 1
        kept(acme, recordings_folder)


# --- Searching where nobody is ---------------------------------------------------------------------------------------


def test_a_search_where_nobody_can_be_found_can_be_refused_before_it_is_heard(acme):
    take(acme, 1)
    with pytest.raises(NobodyEnrolled):
        services.identify(acme, everywhere(acme), NEVER_HEARD, refuse_nobody=True)


def test_a_search_notices_when_nobody_is_left(acme):
    services.enroll(acme, LIBRARY, "who", [audio(SUSAN)])

    def meanwhile():
        services.delete_speaker(acme, everywhere(acme), "who")
        return recording(SUSAN, 2)

    with pytest.raises(NobodyEnrolled):
        services.identify(acme, everywhere(acme), AudioInput(read=meanwhile), refuse_nobody=True)


def test_a_probe_is_nobody(acme):
    services.enroll(acme, LIBRARY, "who", [audio(SUSAN)], probe=True)
    assert bearers(acme) == [("acme / staff", Speaker.Status.PROBE)]
    with pytest.raises(NobodyEnrolled):
        services.identify(acme, everywhere(acme), NEVER_HEARD, refuse_nobody=True)
