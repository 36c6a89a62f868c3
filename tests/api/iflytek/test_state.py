"""What is kept, replaced, merged, found and removed, and who sees it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from tenants.context import acting_as
from tests.api.iflytek.client import Iflytek
from tests.cast import KEN, SUSAN, WEI, wav_of
from voiceprints.models import Library, Speaker

pytestmark = pytest.mark.django_db

CREATED = {"featureId": SUSAN}
DONE = {"msg": "success"}


@pytest.fixture
def kept(recordings_folder):
    """How many recordings lie there."""
    return lambda: len(list(recordings_folder.rglob("*.flac")))


@pytest.fixture
def susan(iflytek):
    iflytek.create_group()
    assert iflytek.create(SUSAN, wav_of(SUSAN), featureInfo="2025").result == CREATED
    return iflytek


def features(reply):
    return [one["featureId"] for one in reply.result]


def utterance_count(iflytek):
    with acting_as(iflytek.tenant):
        return iflytek.tenant.speakers.get(external_id=SUSAN).utterances.count()


def voice_of(iflytek, feature=SUSAN):
    """Whose other recording is closest to the feature."""
    return max([SUSAN, KEN, WEI], key=lambda voice: iflytek.score(feature, wav_of(voice, 4)).result["score"])


def test_a_group_keeps_name_and_info(iflytek):
    iflytek.create_group(groupName="staff", groupInfo="2nd floor")
    with acting_as(iflytek.tenant):
        library = iflytek.tenant.libraries.get()
    assert (library.org_id, library.tag_id, library.name, library.info) == ("g1", "", "staff", "2nd floor")


def test_a_group_made_again_keeps_its_features_and_what_is_not_sent_anew(susan):
    susan.create_group(groupName="staff", groupInfo="2nd floor")
    again = susan.create_group(groupName="crew")
    assert again.result == {"groupName": "crew", "groupId": "g1", "groupInfo": ""}
    assert features(susan.listed()) == [SUSAN]
    with acting_as(susan.tenant):
        library = susan.tenant.libraries.get()
    assert (library.name, library.info) == ("crew", "2nd floor")


def test_a_feature_is_found_in_the_next_call(susan):
    found = susan.search(wav_of(SUSAN, 2)).result["scoreList"]
    assert [(one["featureId"], one["featureInfo"]) for one in found] == [(SUSAN, "2025")]


def test_a_feature_created_again_is_replaced_with_its_info(susan):
    assert susan.create(SUSAN, wav_of(KEN), featureInfo="2026").result == CREATED
    assert susan.listed().result == [{"featureInfo": "2026", "featureId": SUSAN}]
    assert voice_of(susan) == KEN
    assert utterance_count(susan) == 1


def test_a_feature_created_again_without_info_has_none(susan):
    susan.create(SUSAN, wav_of(KEN))
    assert susan.listed().result == [{"featureInfo": "", "featureId": SUSAN}]


@pytest.mark.parametrize("parameters", [{}, {"cover": True}], ids=str)
def test_an_update_replaces_the_voice(susan, parameters):
    assert susan.update(SUSAN, wav_of(KEN), **parameters).result == DONE
    assert voice_of(susan) == KEN
    assert utterance_count(susan) == 1


def test_an_update_that_does_not_cover_merges_the_voices(susan):
    alone = susan.score(SUSAN, wav_of(KEN, 2)).result["score"]
    assert susan.update(SUSAN, wav_of(KEN), cover=False).result == DONE
    merged = susan.score(SUSAN, wav_of(KEN, 2)).result["score"]
    susan.update(SUSAN, wav_of(KEN), cover=True)
    replaced = susan.score(SUSAN, wav_of(KEN, 2)).result["score"]
    assert alone < merged < replaced


def test_merged_utterances_are_kept_and_covered_ones_removed(susan, kept, django_capture_on_commit_callbacks):
    susan.update(SUSAN, wav_of(SUSAN, 2), cover=False)
    assert utterance_count(susan) == 2
    with django_capture_on_commit_callbacks(execute=True):
        susan.update(SUSAN, wav_of(SUSAN, 3))
    assert utterance_count(susan) == 1
    assert kept() == 1


@pytest.mark.parametrize(
    ("parameters", "info"), [({}, "2025"), ({"featureInfo": "2026"}, "2026"), ({"featureInfo": ""}, "")]
)
@pytest.mark.parametrize("cover", [True, False])
def test_an_update_keeps_the_info_unless_another_is_sent(susan, parameters, info, cover):
    susan.update(SUSAN, wav_of(SUSAN, 2), cover=cover, **parameters)
    assert susan.listed().result == [{"featureInfo": info, "featureId": SUSAN}]


def test_an_update_that_is_refused_changes_nothing(susan):
    before = susan.score(SUSAN, wav_of(SUSAN, 2))
    assert susan.update(SUSAN, b"no audio", featureInfo="2026").code == 10009
    assert susan.score(SUSAN, wav_of(SUSAN, 2)) == before


def test_deleting_is_not_repeatable(susan):
    assert susan.delete(SUSAN).result == DONE
    assert susan.delete(SUSAN).code == 23006
    assert susan.delete_group().result == DONE
    assert susan.delete_group().code == 23007


def test_a_group_is_deleted_with_its_features_and_recordings(susan, kept, django_capture_on_commit_callbacks):
    susan.create_group("g2")
    susan.create(KEN, wav_of(KEN), groupId="g2")
    with django_capture_on_commit_callbacks(execute=True):
        susan.delete_group()
    assert susan.listed().code == 23007
    assert features(susan.listed("g2")) == [KEN]
    assert kept() == 1


def test_a_group_made_anew_is_empty(susan):
    susan.delete_group()
    susan.create_group()
    assert susan.listed().result == []
    assert susan.search(wav_of(SUSAN)).result == {"scoreList": []}


def test_a_feature_is_deleted_with_its_recording(susan, kept, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        susan.delete(SUSAN)
    assert kept() == 0


def test_the_same_feature_in_two_groups_is_two(susan):
    susan.create_group("g2")
    susan.create(SUSAN, wav_of(KEN), groupId="g2")
    assert voice_of(susan) == SUSAN
    susan.delete(SUSAN, "g2")
    assert features(susan.listed()) == [SUSAN]


def test_an_identifier_is_no_other_one_in_capitals(susan):
    assert susan.score(SUSAN.upper(), wav_of(SUSAN)).code == 23007
    assert susan.listed("G1").code == 23007


def test_the_whole_group_is_listed_oldest_first(iflytek):
    iflytek.create_group()
    with acting_as(iflytek.tenant):
        library = Library.all_tenants.get()
        names = [f"{number:03}" for number in range(150)][::-1]
        Speaker.all_tenants.bulk_create(
            Speaker(tenant=iflytek.tenant, library=library, external_id=name, status="enrolled") for name in names
        )
    assert features(iflytek.listed()) == names


def test_scores_have_the_vendors_scale(susan):
    susan.create(KEN, wav_of(KEN))
    same = susan.search(wav_of(SUSAN, 1)).result["scoreList"]
    assert [one["featureId"] for one in same] == [SUSAN, KEN]
    assert same[0]["score"] == pytest.approx(1, abs=0.02)
    assert -1 <= same[1]["score"] < 0.6


@pytest.mark.parametrize("voice", [SUSAN, KEN, WEI])
def test_the_clients_threshold_accepts_the_speaker_and_nobody_else(iflytek, voice):
    iflytek.create_group()
    iflytek.create("somebody", wav_of(voice))
    accepted = {
        other: [iflytek.score("somebody", wav_of(other, number)).result["score"] >= 0.6 for number in (2, 3)]
        for other in [SUSAN, KEN, WEI]
    }
    assert accepted == {other: [other == voice] * 2 for other in [SUSAN, KEN, WEI]}


def test_groups_of_two_tenants_are_independent(susan, stranger):
    assert stranger.listed().code == 23007
    stranger.create_group()
    assert stranger.listed().result == []
    assert stranger.create(SUSAN, wav_of(KEN)).result == CREATED
    assert voice_of(susan) == SUSAN
    assert voice_of(stranger) == KEN


@pytest.mark.parametrize("has_the_group", [True, False])
def test_another_tenants_feature_is_not_found(susan, stranger, has_the_group):
    if has_the_group:
        stranger.create_group()
    assert stranger.score(SUSAN, wav_of(SUSAN)).code == 23007
    assert stranger.update(SUSAN, wav_of(KEN)).code == 23007
    assert stranger.delete(SUSAN).code == 23006
    assert voice_of(susan) == SUSAN


def test_another_tenants_group_is_not_found(susan, stranger):
    assert stranger.create(KEN, wav_of(KEN)).code == 23005
    assert stranger.search(wav_of(SUSAN)).code == 23007
    assert stranger.delete_group().code == 23007
    assert features(susan.listed()) == [SUSAN]


def at_once(credential, *calls):
    """The answers to calls made at the same time, each a function of a client of its own."""

    def made(call):
        try:
            return call(Iflytek(Client(), credential))
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(made, calls))


def test_features_created_at_the_same_time_are_one(transactional_db, acme_credential):
    iflytek = Iflytek(Client(), acme_credential)
    iflytek.create_group()
    creations = [lambda client, voice=voice: client.create(SUSAN, wav_of(voice)) for voice in [SUSAN, KEN] * 3]
    assert [reply.result for reply in at_once(acme_credential, *creations)] == [CREATED] * 6
    assert features(iflytek.listed()) == [SUSAN]
    assert utterance_count(iflytek) == 1
    assert iflytek.score(SUSAN, wav_of(voice_of(iflytek))).result["score"] > 0.9


def test_merging_at_the_same_time_loses_nothing(transactional_db, acme_credential):
    iflytek = Iflytek(Client(), acme_credential)
    iflytek.create_group()
    iflytek.create(SUSAN, wav_of(SUSAN))
    merges = [
        lambda client, number=number: client.update(SUSAN, wav_of(SUSAN, number), cover=False) for number in (2, 3, 4)
    ]
    assert [reply.result for reply in at_once(acme_credential, *merges)] == [DONE] * 3
    assert utterance_count(iflytek) == 4


def test_replacing_at_the_same_time_leaves_the_last(transactional_db, acme_credential, kept):
    iflytek = Iflytek(Client(), acme_credential)
    iflytek.create_group()
    iflytek.create(SUSAN, wav_of(SUSAN))
    updates = [
        lambda client, number=number: client.update(SUSAN, wav_of(KEN, number), featureInfo=str(number))
        for number in (1, 2, 3, 4)
    ]
    assert [reply.result for reply in at_once(acme_credential, *updates)] == [DONE] * 4
    (left,) = iflytek.listed().result
    number = int(left["featureInfo"])
    # The voice that is left is the one whose text is left.
    assert iflytek.score(SUSAN, wav_of(KEN, number)).result["score"] > 0.99
    assert utterance_count(iflytek) == 1
    assert kept() == 1


def test_groups_made_at_the_same_time_are_one(transactional_db, acme_credential):
    replies = at_once(acme_credential, *[lambda client: client.create_group(groupName="demo")] * 4)
    assert {reply.code for reply in replies} == {0}
    assert Iflytek(Client(), acme_credential).listed().result == []


def test_a_group_deleted_while_features_are_created_leaves_nobody_behind(transactional_db, acme_credential):
    iflytek = Iflytek(Client(), acme_credential)
    iflytek.create_group()
    creations = [lambda client, name=name: client.create(name, wav_of(KEN)) for name in "abc"]
    *created, deleted = at_once(acme_credential, *creations, lambda client: client.delete_group())
    assert deleted.result == DONE
    assert {reply.code for reply in created} <= {0, 23005}
    assert iflytek.listed().code == 23007
    with acting_as(iflytek.tenant):
        assert not iflytek.tenant.speakers.exists()
