"""What is kept and what a comparison says."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client

from tenants.context import acting_as
from tests.api.speakin.client import BAD_FILE, NOBODYS_ID, UNKNOWN_ID, Speakin, files, scores, vec_id
from tests.cast import KEN, LIBRARY, SUSAN, UUID4, WEI, audio, recording, silence, wav
from voiceprints import services

pytestmark = pytest.mark.django_db


def within(tenant):
    return tenant.libraries.within("speakin")


def said(voice, *numbers):
    return [recording(voice, number) for number in numbers]


def utterances(tenant):
    with acting_as(tenant):
        return tenant.utterances.count()


def test_ids_are_uuids_of_version_4(speakin):
    assert re.fullmatch(UUID4, speakin.registered(SUSAN))
    assert re.fullmatch(UUID4, speakin.probed(SUSAN))


def test_the_same_files_twice_give_two_ids(speakin):
    assert speakin.registered(SUSAN) != speakin.registered(SUSAN)
    assert speakin.probed(SUSAN) != speakin.probed(SUSAN)


def test_a_registration_is_a_speaker_of_three_utterances(speakin):
    name = speakin.registered(SUSAN)
    (listed,) = services.list_speakers(speakin.tenant, within(speakin.tenant))
    assert (listed.speaker.external_id, listed.speaker.enrolled, listed.utterance_count) == (name, True, 3)
    assert (listed.speaker.library.org_id, listed.speaker.library.tag_id) == ("speakin", "")


def test_a_probe_is_nobody_whom_a_search_finds(speakin):
    name = speakin.registered(SUSAN)
    speakin.probed(SUSAN)
    assert services.count_speakers(speakin.tenant, within(speakin.tenant)) == 1
    found = services.identify(speakin.tenant, within(speakin.tenant), audio(SUSAN))
    assert [candidate.speaker.external_id for candidate in found.candidates] == [name]


def test_the_same_voice_scores_above_the_threshold_and_another_below(speakin):
    susan, ken = speakin.registered(SUSAN), speakin.registered(KEN)
    reply = speakin.compare(speakin.probed(SUSAN), susan, ken)
    same, other = scores(reply)
    assert other < reply["data"]["thresholdScore"] == 60 < same


def test_every_voice_is_told_from_every_other(speakin):
    voices = [SUSAN, KEN, WEI]
    registered = [speakin.registered(voice) for voice in voices]
    for position, voice in enumerate(voices):
        above = [score > 60 for score in scores(speakin.compare(speakin.probed(voice), *registered))]
        assert above == [each == position for each in range(len(voices))]


def test_results_stand_in_the_order_of_the_request(speakin):
    names = [speakin.registered(SUSAN), speakin.registered(KEN), speakin.probed(WEI)]
    for order in (names, names[::-1], [names[1], names[0], names[2], names[1]]):
        reply = speakin.compare(names[0], *order)
        assert [entry["cmpVecId"] for entry in reply["data"]["cmpResultList"]] == order


def test_ids_may_repeat(speakin):
    susan, ken = speakin.registered(SUSAN), speakin.registered(KEN)
    once, again, other = scores(speakin.compare(susan, ken, ken, susan))
    assert once == again < other


def test_an_id_compared_with_itself_gets_the_top_score(speakin):
    for name in (speakin.registered(SUSAN), speakin.probed(KEN)):
        assert scores(speakin.compare(name, name)) == [100]


def test_ids_of_both_operations_may_stand_on_either_side(speakin):
    registered, probe = speakin.registered(SUSAN), speakin.probed(SUSAN)
    assert scores(speakin.compare(registered, probe)) == scores(speakin.compare(probe, registered))
    assert scores(speakin.compare(probe, speakin.probed(SUSAN, 3)))[0] > 60
    assert scores(speakin.compare(registered, speakin.registered(SUSAN)))[0] > 60


def test_scores_are_between_0_and_100_with_two_decimals(speakin):
    names = [speakin.registered(voice) for voice in (SUSAN, KEN, WEI)]
    for score in scores(speakin.compare(names[0], *names)):
        assert 0 <= score <= 100
        assert score == round(score, 2)


def test_a_hundred_ids_are_compared(speakin):
    susan, ken = speakin.probed(SUSAN), speakin.probed(KEN)
    assert len(scores(speakin.compare(susan, *[susan, ken] * 50))) == 100


def test_a_failed_registration_stores_nothing(speakin, recordings_folder):
    for bad in (b"text", silence().read(), wav(bytes(1600))):
        for position in range(3):
            contents = said(SUSAN, 1, 2, 3)
            contents[position] = bad
            assert speakin.register(*contents) == BAD_FILE
    assert services.count_speakers(speakin.tenant, within(speakin.tenant)) == 0
    assert utterances(speakin.tenant) == 0
    assert list(recordings_folder.rglob("*.flac")) == []


def test_a_failed_probe_stores_nothing(speakin, recordings_folder):
    assert speakin.probe(silence().read()) == BAD_FILE
    assert utterances(speakin.tenant) == 0
    assert list(recordings_folder.rglob("*.flac")) == []


def test_different_voices_in_one_registration_are_not_reported(speakin):
    vec_id(speakin.register(recording(SUSAN), recording(KEN), recording(WEI)))


def test_an_id_is_unknown_once_the_operator_deleted_it(speakin):
    susan, ken = speakin.registered(SUSAN), speakin.registered(KEN)
    services.delete_speaker(speakin.tenant, within(speakin.tenant), susan)
    assert speakin.compare(ken, susan) == UNKNOWN_ID
    assert speakin.compare(susan, ken) == UNKNOWN_ID
    assert scores(speakin.compare(ken, ken)) == [100]


@pytest.mark.parametrize("operation", ["registered", "probed"])
def test_another_tenants_id_is_unknown(speakin, stranger, operation):
    ours, theirs = speakin.registered(SUSAN), getattr(stranger, operation)(SUSAN)
    assert speakin.compare(ours, theirs) == UNKNOWN_ID
    assert speakin.compare(theirs, ours) == UNKNOWN_ID
    assert speakin.compare(theirs, theirs) == UNKNOWN_ID
    assert scores(stranger.compare(theirs, theirs)) == [100]


def test_an_unknown_id_in_an_empty_library_is_unknown(speakin):
    assert speakin.compare(NOBODYS_ID, NOBODYS_ID) == UNKNOWN_ID


def test_speakers_of_other_libraries_are_unknown(speakin):
    susan = speakin.registered(SUSAN)
    services.enroll(speakin.tenant, LIBRARY, NOBODYS_ID, [audio(SUSAN)])
    assert speakin.compare(susan, NOBODYS_ID) == UNKNOWN_ID


@pytest.mark.django_db(transaction=True)
def test_calls_at_once_do_not_disturb_one_another(speakin):
    def call(number):
        try:
            ours = Speakin(Client(), speakin.credential)
            contents = said(SUSAN if number % 2 else KEN, 1, 2, 3)
            made = vec_id(ours.post("vecforregister", files(*contents)).json())
            return made, scores(ours.compare(made, made))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(call, range(8)))
    assert len({made for made, _ in answers}) == 8
    assert all(each == [100] for _, each in answers)
    assert services.count_speakers(speakin.tenant, within(speakin.tenant)) == 8
