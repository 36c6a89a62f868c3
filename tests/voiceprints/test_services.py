"""The product, service by service, with real voices and the real encoder."""

from dataclasses import replace

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audio.errors import NotEnoughSpeech, Undecodable
from tenants.context import acting_as
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, VOICES, WEI, audio, silence
from voiceprints import services
from voiceprints.calibration import Bar
from voiceprints.errors import LibraryNotFound, SpeakerExists, SpeakerNotEnrolled, SpeakerNotFound, UtteranceNotFound
from voiceprints.models import Speaker, UtteranceEmbedding, Voiceprint
from voiceprints.results import AudioInput, LibraryKey, Removal, WhenEnrolled
from voiceprints.scoring import voiceprint_of
from voiceprints.search import nearest_speakers

pytestmark = pytest.mark.django_db(transaction=True)

SAME_BAR_FOR_ALL = Bar(base=0.75, per_log_second=0.0)


def enrolled(tenant, *voices, key=LIBRARY):
    return [services.enroll(tenant, key, voice, [audio(voice)]) for voice in voices]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def rows(tenant):
    with acting_as(tenant):
        return sorted(tenant.utterances.values_list("recording", flat=True))


def all_of(tenant):
    return tenant.libraries.within("acme")


def unread():
    pytest.fail("the recording was fetched")


def staff(tenant):
    return tenant.libraries.within("acme", "staff")


def list_of(tenant, libraries):
    with acting_as(tenant):
        return list(libraries)


def names(identification):
    return [candidate.speaker.external_id for candidate in identification.candidates]


# --- enroll ----------------------------------------------------------------------------------------------------------


def test_an_enrolled_voice_is_identified(acme):
    enrolled(acme, *VOICES)
    for voice in VOICES:
        assert services.identify(acme, all_of(acme), audio(voice, 2)).best.speaker.external_id == voice


def test_enrolling_keeps_one_recording(acme, recordings_folder):
    enrolled(acme, SUSAN)
    assert files(recordings_folder) == rows(acme)
    assert len(rows(acme)) == 1


def test_a_recording_is_flac_under_its_organisation_and_day(acme, recordings_folder):
    (enrollment,) = enrolled(acme, SUSAN)
    assert enrollment.recording.startswith("acme/2")
    assert (recordings_folder / enrollment.recording).read_bytes().startswith(b"fLaC")


def test_enrolling_measures_the_recording(acme):
    (enrollment,) = enrolled(acme, SUSAN)
    utterance = enrollment.utterances[0]
    assert 1.1 < utterance.speech_seconds <= utterance.duration_seconds < 8


def test_a_speaker_enrolled_already_is_refused(acme, recordings_folder):
    enrolled(acme, SUSAN)
    before = files(recordings_folder)
    with pytest.raises(SpeakerExists):
        enrolled(acme, SUSAN)
    assert files(recordings_folder) == before


def test_a_known_speaker_is_refused_before_the_recording_is_fetched(acme):
    enrolled(acme, SUSAN)

    with pytest.raises(SpeakerExists):
        services.enroll(acme, LIBRARY, SUSAN, [AudioInput(read=unread)])


def test_the_same_name_under_another_tag_is_another_speaker(acme):
    enrolled(acme, SUSAN)
    enrolled(acme, SUSAN, key=OTHER_TAG)
    assert services.count_speakers(acme, all_of(acme)) == 2


def test_a_speaker_is_enrolling_until_there_are_enough_utterances(acme):
    first = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1)], required_utterances=2)
    assert (first.complete, first.speaker.status) == (False, Speaker.Status.ENROLLING)
    second = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)], required_utterances=2)
    assert (second.complete, second.speaker.status) == (True, Speaker.Status.ENROLLED)


def test_a_speaker_still_enrolling_is_not_found_by_a_search(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1)], required_utterances=2)
    assert services.identify(acme, all_of(acme), audio(SUSAN, 2)).candidates == ()


def test_a_speaker_enrolled_already_can_be_replaced(acme, recordings_folder):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], info="old")
    again = services.enroll(acme, LIBRARY, SUSAN, [audio(KEN)], info="new", when_enrolled=WhenEnrolled.REPLACE)
    assert (again.speaker.info, again.utterance_count) == ("new", 1)
    assert files(recordings_folder) == [again.recording]
    assert services.verify(acme, staff(acme), SUSAN, audio(KEN, 2)).accepted


def test_a_speaker_replaced_by_too_few_utterances_is_enrolling_again(acme):
    enrolled(acme, SUSAN)
    replace = {"when_enrolled": WhenEnrolled.REPLACE, "required_utterances": 2}
    assert not services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)], **replace).complete
    assert services.identify(acme, all_of(acme), audio(SUSAN, 3)).candidates == ()


def test_utterances_can_be_added_to_a_speaker_enrolled_already(acme):
    enrolled(acme, SUSAN)
    added = services.enroll(
        acme, LIBRARY, SUSAN, [audio(SUSAN, 2)], when_enrolled=WhenEnrolled.ADD, required_utterances=3
    )
    assert (added.complete, added.utterance_count) == (True, 2)
    with acting_as(acme):
        assert acme.voiceprints.get().utterance_count == 2


def test_a_library_that_must_exist_is_not_made(acme, recordings_folder):
    with pytest.raises(LibraryNotFound):
        services.enroll(acme, LIBRARY, SUSAN, [AudioInput(read=unread)], create_library=False)
    services.save_library(acme, LIBRARY)
    assert services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], create_library=False).complete


def test_a_probe_is_nobody(acme):
    enrolled(acme, KEN)
    probe = services.enroll(acme, LIBRARY, "some probe", [audio(SUSAN)], probe=True)
    assert probe.speaker.is_probe
    assert services.count_speakers(acme, all_of(acme)) == 1
    assert [listed.speaker.external_id for listed in services.list_speakers(acme, all_of(acme))] == [KEN]
    assert names(services.identify(acme, all_of(acme), audio(SUSAN, 2))) == [KEN]


def test_a_probe_can_be_compared_by_name(acme):
    services.enroll(acme, LIBRARY, "some probe", [audio(SUSAN)], probe=True)
    assert services.verify(acme, staff(acme), "some probe", audio(SUSAN, 2)).accepted


def test_old_probes_are_deleted_and_nobody_else(acme, globex, recordings_folder):
    for tenant in (acme, globex):
        enrolled(tenant, SUSAN)
        services.enroll(tenant, LIBRARY, "old probe", [audio(KEN)], probe=True)
    moment = timezone.now()
    services.enroll(acme, LIBRARY, "new probe", [audio(KEN)], probe=True)
    assert services.delete_probes(acme, staff(acme), before=moment) == Removal(speakers=1, recordings=1)
    assert services.compare_speakers(acme, LIBRARY, SUSAN, ["new probe"])
    with pytest.raises(SpeakerNotFound):
        services.find_speaker(acme, staff(acme), "old probe")
    assert services.find_speaker(globex, staff(globex), "old probe")
    assert len(files(recordings_folder)) == 4


def test_nothing_can_be_added_to_a_probe(acme):
    services.enroll(acme, LIBRARY, "some probe", [audio(SUSAN)], probe=True)
    with pytest.raises(SpeakerExists):
        services.enroll(acme, LIBRARY, "some probe", [audio(SUSAN, 2)], when_enrolled=WhenEnrolled.ADD)


def test_several_utterances_at_once_make_one_voiceprint(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, n) for n in (1, 2, 3)], required_utterances=3)
    with acting_as(acme):
        voiceprint = acme.voiceprints.get()
        embeddings = [row.embedding for row in UtteranceEmbedding.all_tenants.all()]
    assert voiceprint.utterance_count == 3
    np.testing.assert_allclose(voiceprint.embedding, voiceprint_of(embeddings), atol=1e-6)


@pytest.mark.parametrize(("bad", "error"), [(silence(), NotEnoughSpeech), (AudioInput(read=lambda: b"x"), Undecodable)])
def test_a_recording_that_cannot_be_used_leaves_nothing(acme, recordings_folder, bad, error):
    with pytest.raises(error):
        services.enroll(acme, LIBRARY, SUSAN, [bad])
    assert files(recordings_folder) == []
    assert services.count_speakers(acme, all_of(acme)) == 0


def test_one_bad_recording_of_several_leaves_nothing(acme, recordings_folder):
    with pytest.raises(NotEnoughSpeech):
        services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN), silence()], required_utterances=2)
    assert files(recordings_folder) == []
    assert services.count_speakers(acme, all_of(acme)) == 0


def test_too_little_speech_carries_its_numbers(acme):
    with pytest.raises(NotEnoughSpeech) as refused:
        services.enroll(acme, LIBRARY, SUSAN, [silence()])
    assert (refused.value.speech_seconds, refused.value.required_seconds) == (0.0, acme.required_speech_seconds)


def test_the_tenant_decides_how_much_speech_is_enough(acme):
    acme.required_speech_seconds = 30
    with pytest.raises(NotEnoughSpeech):
        enrolled(acme, SUSAN)


@pytest.mark.parametrize("org_id", ["..", ".", "a\\b", "%2e%2e", "名字" * 32])
def test_an_organisation_cannot_name_its_way_out_of_the_recordings(acme, recordings_folder, org_id):
    (enrollment,) = enrolled(acme, SUSAN, key=LibraryKey(org_id))
    assert files(recordings_folder) == [enrollment.recording]


# --- verify, compare -------------------------------------------------------------------------------------------------


def test_a_speaker_is_accepted_as_itself(acme):
    enrolled(acme, SUSAN)
    assert services.verify(acme, staff(acme), SUSAN, audio(SUSAN, 2)).accepted


def test_another_voice_is_not_accepted(acme):
    enrolled(acme, SUSAN)
    assert not services.verify(acme, staff(acme), SUSAN, audio(KEN)).accepted


def test_nobody_can_be_verified_against_an_unknown_speaker(acme):
    with pytest.raises(SpeakerNotFound):
        services.verify(acme, staff(acme), SUSAN, audio(SUSAN))


def test_nobody_can_be_verified_against_a_speaker_still_enrolling(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], required_utterances=2)
    with pytest.raises(SpeakerNotEnrolled):
        services.verify(acme, staff(acme), SUSAN, audio(SUSAN))


def test_two_recordings_of_one_voice_compare_as_one_speaker(acme):
    assert services.compare(acme, audio(SUSAN, 1), audio(SUSAN, 2)).accepted


def test_two_voices_compare_as_two(acme):
    assert not services.compare(acme, audio(SUSAN), audio(KEN)).accepted


def test_stored_voiceprints_are_compared(acme):
    enrolled(acme, SUSAN, KEN)
    services.enroll(acme, LIBRARY, "some probe", [audio(SUSAN, 2)], probe=True)
    same, other = services.compare_speakers(acme, LIBRARY, "some probe", [SUSAN, KEN])
    assert (same.accepted, other.accepted) == (True, False)
    assert same.score == pytest.approx(services.compare(acme, audio(SUSAN), audio(SUSAN, 2)).score, abs=1e-5)


def test_stored_voiceprints_are_compared_in_the_order_asked_for(acme):
    enrolled(acme, SUSAN, KEN, WEI)
    for asked in ([SUSAN, KEN, WEI], [WEI, KEN, SUSAN], [KEN, KEN, SUSAN, KEN]):
        results = services.compare_speakers(acme, LIBRARY, SUSAN, asked)
        assert [result.speaker.external_id for result in results] == asked
        assert [result.accepted for result in results] == [name == SUSAN for name in asked]


def test_a_speaker_compared_with_itself_is_certain(acme):
    enrolled(acme, SUSAN)
    (itself,) = services.compare_speakers(acme, LIBRARY, SUSAN, [SUSAN])
    assert itself.score == pytest.approx(1)
    assert itself.calibrated == pytest.approx(1)


def test_a_comparison_with_nobody_is_empty(acme):
    enrolled(acme, SUSAN)
    assert services.compare_speakers(acme, LIBRARY, SUSAN, []) == ()


def test_stored_voiceprints_are_compared_in_two_queries_however_many_there_are(acme):
    enrolled(acme, *VOICES)
    tables = ('FROM "voiceprints_speaker"', 'FROM "voiceprints_voiceprint"')
    for others in ([SUSAN], VOICES * 20):
        with CaptureQueriesContext(connection) as captured:
            services.compare_speakers(acme, LIBRARY, SUSAN, others)
        assert len([query for query in captured if any(table in query["sql"] for table in tables)]) == 2


@pytest.mark.parametrize(("one", "others"), [(SUSAN, [KEN, "nobody", "none"]), ("nobody", [SUSAN])])
def test_stored_voiceprints_of_nobody_cannot_be_compared(acme, one, others):
    enrolled(acme, SUSAN, KEN)
    with pytest.raises(SpeakerNotFound, match="'nobody'"):
        services.compare_speakers(acme, LIBRARY, one, others)


def test_stored_voiceprints_of_another_library_cannot_be_compared(acme):
    enrolled(acme, SUSAN)
    enrolled(acme, KEN, key=OTHER_TAG)
    with pytest.raises(SpeakerNotFound):
        services.compare_speakers(acme, LIBRARY, SUSAN, [KEN])


def test_a_speaker_still_enrolling_cannot_be_compared(acme):
    enrolled(acme, SUSAN)
    services.enroll(acme, LIBRARY, KEN, [audio(KEN)], required_utterances=3)
    with pytest.raises(SpeakerNotEnrolled) as refused:
        services.compare_speakers(acme, LIBRARY, SUSAN, [KEN])
    assert refused.value.utterances == 1


def test_a_score_is_calibrated_around_the_threshold(acme):
    same, other = (
        services.compare(acme, audio(SUSAN, 1), audio(SUSAN, 2)),
        services.compare(acme, audio(SUSAN), audio(KEN)),
    )
    assert 0 < other.calibrated < 0.5 <= same.calibrated < 1


# --- libraries -------------------------------------------------------------------------------------------------------


def test_a_library_is_made_and_changed_by_what_is_given(acme):
    services.save_library(acme, LIBRARY, name="Staff", info="all")
    services.save_library(acme, LIBRARY, info="some")
    found = services.find_library(acme, LIBRARY)
    assert (found.name, found.info) == ("Staff", "some")


def test_a_changed_library_keeps_its_speakers(acme):
    enrolled(acme, SUSAN)
    services.save_library(acme, LIBRARY, name="Staff")
    assert services.count_speakers(acme, staff(acme)) == 1


def test_an_unknown_library_is_not_found(acme, globex):
    services.save_library(acme, LIBRARY)
    with pytest.raises(LibraryNotFound):
        services.find_library(globex, LIBRARY)


# --- identify --------------------------------------------------------------------------------------------------------


def test_candidates_come_best_first(acme):
    enrolled(acme, *VOICES)
    scores = [candidate.score for candidate in services.identify(acme, all_of(acme), audio(KEN, 2)).candidates]
    assert scores == sorted(scores, reverse=True)


def test_the_score_is_the_cosine_of_probe_and_voiceprint(acme):
    enrolled(acme, SUSAN)
    identification = services.identify(acme, all_of(acme), audio(SUSAN, 2))
    verification = services.verify(acme, staff(acme), SUSAN, audio(SUSAN, 2))
    assert identification.candidates[0].score == pytest.approx(verification.score, abs=1e-5)


def test_a_stranger_is_nobody(acme):
    enrolled(acme, SUSAN, WEI)
    identification = services.identify(acme, all_of(acme), audio(KEN))
    assert identification.best is None
    assert len(identification.candidates) == 2


def test_no_more_candidates_than_asked_for(acme):
    enrolled(acme, *VOICES)
    assert len(services.identify(acme, all_of(acme), audio(KEN), top_k=2).candidates) == 2


def test_a_search_stays_in_its_libraries(acme):
    enrolled(acme, SUSAN)
    enrolled(acme, KEN, key=OTHER_TAG)
    assert names(services.identify(acme, staff(acme), audio(KEN, 2))) == [SUSAN]


def test_candidates_know_whether_they_are_accepted(acme):
    enrolled(acme, SUSAN, KEN)
    found = services.identify(acme, all_of(acme), audio(KEN, 2)).candidates
    assert {candidate.speaker.external_id: candidate.accepted for candidate in found} == {KEN: True, SUSAN: False}


def test_equal_scores_come_in_the_order_of_enrolment(acme):
    order = ["second", "first", "third"]
    for name in order:
        services.enroll(acme, LIBRARY, name, [audio(SUSAN)])
    assert names(services.identify(acme, all_of(acme), audio(SUSAN))) == order


def test_a_candidate_names_its_library_and_the_newest_of_its_recordings(acme):
    enrolled(acme, SUSAN)
    enrolled(acme, KEN, key=OTHER_TAG)
    newest = services.update(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)], merge=True)
    found = {one.speaker.external_id: one for one in services.identify(acme, all_of(acme), audio(SUSAN, 3)).candidates}
    assert found[SUSAN].recording == newest.recording != ""
    assert [found[name].speaker.library.tag_id for name in (SUSAN, KEN)] == [LIBRARY.tag_id, OTHER_TAG.tag_id]


def test_a_candidate_of_whom_no_recording_was_kept_has_none(acme):
    enrolled(acme, SUSAN)
    with acting_as(acme):
        acme.utterances.update(recording="")
    assert services.identify(acme, all_of(acme), audio(SUSAN)).candidates[0].recording == ""


def test_a_search_is_one_statement_however_many_are_found(acme):
    enrolled(acme, *VOICES)
    (library,), probe = list_of(acme, all_of(acme)), np.full(256, 1 / 16, np.float32)
    with acting_as(acme), CaptureQueriesContext(connection) as captured:
        candidates = nearest_speakers(acme, [library], acme.model, probe, SAME_BAR_FOR_ALL, limit=10)
        assert {(one.speaker.library.org_id, one.speaker.tenant.slug) for one in candidates} == {("acme", "acme")}
    assert len(candidates) == len(VOICES)
    assert len(captured) == 1


def test_a_search_shows_no_tenant_the_speakers_of_another(acme, globex):
    enrolled(acme, SUSAN)
    ours = list_of(acme, all_of(acme))
    with acting_as(globex):
        assert (
            nearest_speakers(acme, ours, acme.model, np.full(256, 1 / 16, np.float32), SAME_BAR_FOR_ALL, limit=10) == ()
        )
    with acting_as(acme):
        assert (
            nearest_speakers(globex, ours, acme.model, np.full(256, 1 / 16, np.float32), SAME_BAR_FOR_ALL, limit=10)
            == ()
        )


def test_a_score_is_one_at_most_however_single_precision_rounds(acme):
    enrolled(acme, SUSAN)
    probe = np.zeros(256, np.float32)
    probe[0] = 1 + 1e-6
    with acting_as(acme):
        Voiceprint.all_tenants.update(embedding=probe)
        (found,) = nearest_speakers(acme, list_of(acme, all_of(acme)), "ge2e", probe, SAME_BAR_FOR_ALL, limit=1)
    assert (found.score, found.calibrated) == (1, 1)


def test_an_unknown_library_holds_nobody(acme):
    assert services.identify(acme, acme.libraries.within("nowhere"), audio(SUSAN)).candidates == ()


# --- update ----------------------------------------------------------------------------------------------------------


def test_replacing_forgets_the_old_voice(acme):
    enrolled(acme, SUSAN)
    services.update(acme, LIBRARY, SUSAN, [audio(KEN)])
    assert services.verify(acme, staff(acme), SUSAN, audio(KEN, 2)).accepted
    assert not services.verify(acme, staff(acme), SUSAN, audio(SUSAN, 2)).accepted


def test_replacing_removes_the_old_recording(acme, recordings_folder):
    enrolled(acme, SUSAN)
    update = services.update(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)])
    assert files(recordings_folder) == rows(acme) == [update.recording]


def test_merging_keeps_what_was_said_before(acme, recordings_folder):
    enrolled(acme, SUSAN)
    assert services.update(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)], merge=True).utterance_count == 2
    assert len(files(recordings_folder)) == 2


def test_an_unknown_speaker_cannot_be_updated(acme):
    with pytest.raises(SpeakerNotFound):
        services.update(acme, LIBRARY, SUSAN, [audio(SUSAN)])


def test_a_failed_update_changes_nothing(acme, recordings_folder):
    enrolled(acme, SUSAN)
    before = files(recordings_folder)
    with pytest.raises(NotEnoughSpeech):
        services.update(acme, LIBRARY, SUSAN, [silence()])
    assert files(recordings_folder) == rows(acme) == before


# --- list, count, find -----------------------------------------------------------------------------------------------


def test_speakers_are_listed_oldest_first_and_in_pages(acme):
    enrolled(acme, WEI, SUSAN, KEN)
    page = services.list_speakers(acme, all_of(acme), offset=1, limit=2)
    assert [listed.speaker.external_id for listed in page] == [SUSAN, KEN]


def test_a_listing_names_each_speakers_newest_recording(acme):
    enrolled(acme, SUSAN)
    newest = services.update(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)], merge=True).recording
    assert [listed.recording for listed in services.list_speakers(acme, all_of(acme))] == [newest]


def test_counting_can_be_narrowed_to_a_tag(acme):
    enrolled(acme, SUSAN, KEN)
    enrolled(acme, WEI, key=OTHER_TAG)
    assert (services.count_speakers(acme, all_of(acme)), services.count_speakers(acme, staff(acme))) == (3, 2)


def test_a_speakers_recording_is_found(acme):
    (enrollment,) = enrolled(acme, SUSAN)
    assert services.find_speaker(acme, all_of(acme), SUSAN).recording == enrollment.recording


def test_the_recording_of_an_unknown_speaker_is_not_found(acme):
    with pytest.raises(SpeakerNotFound):
        services.find_speaker(acme, all_of(acme), SUSAN)


# --- delete ----------------------------------------------------------------------------------------------------------


def test_a_deleted_speaker_takes_everything_along(acme, recordings_folder):
    enrolled(acme, SUSAN)
    removal = services.delete_speakers(acme, all_of(acme), [SUSAN])
    assert (removal.speakers, removal.recordings) == (1, 1)
    assert files(recordings_folder) == rows(acme) == []


def test_deleting_passes_over_unknown_names(acme):
    enrolled(acme, SUSAN)
    assert services.delete_speakers(acme, all_of(acme), ["nobody", SUSAN]).speakers == 1


def test_emptying_a_library_leaves_the_others(acme, recordings_folder):
    enrolled(acme, SUSAN, KEN)
    (guest,) = enrolled(acme, WEI, key=OTHER_TAG)
    assert services.empty_libraries(acme, staff(acme)).speakers == 2
    assert files(recordings_folder) == rows(acme) == [guest.recording]


def test_an_emptied_library_can_be_built_anew(acme):
    enrolled(acme, SUSAN)
    services.empty_libraries(acme, staff(acme))
    enrolled(acme, SUSAN)
    assert services.count_speakers(acme, staff(acme)) == 1


def test_a_deleted_library_is_gone_with_its_speakers(acme, recordings_folder):
    enrolled(acme, SUSAN)
    removal = services.delete_library(acme, LIBRARY)
    assert (removal.libraries, removal.speakers, removal.recordings) == (1, 1, 1)
    assert files(recordings_folder) == []


def test_an_unknown_library_cannot_be_deleted(acme):
    with pytest.raises(LibraryNotFound):
        services.delete_library(acme, LIBRARY)


def test_without_one_utterance_the_voiceprint_is_that_of_the_others(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN), audio(KEN)], required_utterances=2)
    with acting_as(acme):
        kens = acme.utterances.latest("id")
    services.delete_utterance(acme, kens.pk)
    with acting_as(acme):
        voiceprint = acme.voiceprints.get()
        (embedding,) = (row.embedding for row in UtteranceEmbedding.all_tenants.all())
    np.testing.assert_allclose(voiceprint.embedding, embedding, atol=1e-6)


def test_without_any_utterance_a_speaker_is_enrolling_again(acme, recordings_folder):
    (enrollment,) = enrolled(acme, SUSAN)
    speaker = services.delete_utterance(acme, enrollment.utterances[0].pk)
    assert speaker.status == Speaker.Status.ENROLLING
    assert files(recordings_folder) == []
    assert services.identify(acme, all_of(acme), audio(SUSAN)).candidates == ()


# --- globex tries acme's ---------------------------------------------------------------------------------------------


@pytest.fixture
def acme_susan(acme, globex):
    return enrolled(acme, SUSAN)[0]


def test_globex_finds_nobody_of_acme(acme_susan, globex):
    assert services.identify(globex, all_of(globex), audio(SUSAN, 2)).candidates == ()


def test_globex_cannot_search_acmes_libraries_even_when_handed_them(acme_susan, acme, globex):
    assert services.identify(globex, all_of(acme), audio(SUSAN, 2)).candidates == ()


def test_globex_cannot_verify_acmes_speaker(acme_susan, globex):
    with pytest.raises(SpeakerNotFound):
        services.verify(globex, staff(globex), SUSAN, audio(SUSAN, 2))


def test_globex_cannot_compare_acmes_speaker(acme_susan, globex):
    enrolled(globex, KEN)
    for one, other in [(SUSAN, SUSAN), (SUSAN, KEN), (KEN, SUSAN)]:
        with pytest.raises(SpeakerNotFound):
            services.compare_speakers(globex, LIBRARY, one, [other])


def test_globex_cannot_update_acmes_speaker(acme_susan, globex):
    with pytest.raises(SpeakerNotFound):
        services.update(globex, LIBRARY, SUSAN, [audio(KEN)])


def test_globex_lists_and_counts_nobody_of_acme(acme_susan, globex):
    assert services.list_speakers(globex, all_of(globex)) == []
    assert services.count_speakers(globex, all_of(globex)) == 0


def test_globex_cannot_delete_anything_of_acme(acme_susan, acme, globex, recordings_folder):
    services.delete_speakers(globex, all_of(acme), [SUSAN])
    services.empty_libraries(globex, all_of(acme))
    services.delete_libraries(globex, all_of(acme))
    assert services.count_speakers(acme, all_of(acme)) == 1
    assert len(files(recordings_folder)) == 1


def test_globex_cannot_delete_acmes_utterance(acme_susan, globex):
    with pytest.raises(UtteranceNotFound):
        services.delete_utterance(globex, acme_susan.utterances[0].pk)


def test_globex_may_use_the_same_names(acme_susan, globex):
    enrolled(globex, SUSAN)
    assert services.count_speakers(globex, all_of(globex)) == 1


def test_how_a_recording_was_treated_is_kept(acme):
    treated = replace(audio(SUSAN), denoise=True, trim_silence=False)
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 2), treated])

    with acting_as(acme):
        assert list(acme.utterances.order_by("pk").values_list("denoised", "trimmed")) == [(False, True), (True, False)]
