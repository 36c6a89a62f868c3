"""What is kept, counted, moved, found and removed, and who sees it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from tenants import metering
from tests.api.dolphin.client import (
    DONE_ALREADY,
    INCOMPLETE,
    NOBODY,
    NOT_UNREGISTERED,
    SUCCESS,
    TOO_EARLY,
    UNKNOWN,
    UNUSABLE,
    USER,
    Dolphin,
    address_for,
    said,
)
from tests.cast import KEN, SUSAN, WEI, audio
from voiceprints import services
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db

ANOTHER = "another_user"


def names(reply):
    return [entry["user_name"] for entry in reply["data"]]


def files(folder):
    return sorted(str(path) for path in folder.rglob("*.flac"))


# --- The counter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1, "the first time you enroll successfully, you need to enroll twice more"),
        (2, "the second registration is successful, please register one more time"),
    ],
)
def test_the_last_attempt_may_be_repeated(dolphin, recordings_folder, number, message):
    for earlier in range(1, number + 1):
        dolphin.enroll(earlier, said(SUSAN, earlier))
    before = files(recordings_folder)
    again = dolphin.enroll(number, said(SUSAN, 4))
    assert again == {"status": SUCCESS, "message": message, "data": {"user_name": USER, "enroll_num": number}}
    assert dolphin.check()["enroll_num"] == number
    assert len(set(files(recordings_folder)) - set(before)) == 1


def test_the_first_attempt_may_be_repeated_with_another_voice(dolphin):
    dolphin.enroll(1, said(KEN))
    for number in (1, 2, 3):
        assert dolphin.enroll(number, said(SUSAN, number))["status"] == SUCCESS
    assert dolphin.verify(said(SUSAN, 4), USER)["data"]["confidence"] > 0.7


@pytest.mark.parametrize("number", [2, 3])
def test_another_voice_changes_nothing(dolphin, recordings_folder, number):
    for earlier in range(1, number):
        dolphin.enroll(earlier, said(SUSAN, earlier), group_id=1)
    before = files(recordings_folder), dolphin.check()
    refused = dolphin.enroll(number, said(KEN), group_id=2)
    assert (refused["status"], refused["data"]["enroll_num"]) == (UNUSABLE, number - 1)
    assert (files(recordings_folder), dolphin.check()) == before
    assert dolphin.enroll(number, said(SUSAN, number))["status"] == SUCCESS


def test_after_another_voice_the_user_may_start_anew(dolphin):
    dolphin.enroll(1, said(SUSAN))
    dolphin.enroll(2, said(KEN))
    dolphin.call("unregister", user_name=USER)
    assert [dolphin.enroll(number, said(KEN, number))["status"] for number in (1, 2, 3)] == [SUCCESS] * 3


def test_asking_for_a_user_makes_none(dolphin):
    dolphin.check()
    assert dolphin.users()["data"] == []


# --- Groups ----------------------------------------------------------------------------------------------------------


def test_the_group_is_that_of_the_latest_enrolment(dolphin):
    seen = []
    for number, group in ((1, 5), (1, 7), (2, 99), (3, 42)):
        dolphin.enroll(number, said(SUSAN, number), group_id=group)
        seen.append(dolphin.check()["group_id"])
    assert seen == [5, 7, 99, 42]


def test_without_a_group_the_third_attempt_puts_the_user_in_group_0(dolphin):
    for number, members in ((1, {"group_id": 5}), (2, {"group_id": 5}), (3, {})):
        dolphin.enroll(number, said(SUSAN, number), **members)
    assert names(dolphin.verify(said(SUSAN, 4), group_id=[0])) == [USER]
    assert dolphin.verify(said(SUSAN, 4), group_id=[5])["status"] == NOBODY


def test_a_name_is_one_user_in_all_groups(dolphin):
    dolphin.enroll_fully(SUSAN, group=5)
    assert dolphin.enroll(1, said(SUSAN), group_id=6)["status"] == DONE_ALREADY
    assert dolphin.users()["data"] == [dolphin.check()]


def test_a_search_is_counted_as_one_and_not_as_a_verification(susan):
    susan.verify(said(SUSAN, 4), USER)
    susan.verify(said(SUSAN, 4))
    susan.verify(said(KEN, 4))
    counted = {(use.operation, use.outcome) for use in metering.METER.taken()}
    assert counted >= {("verify", "accepted"), ("identify", "accepted"), ("identify", "rejected")}


def test_a_search_stays_in_its_groups(dolphin):
    dolphin.enroll_fully(SUSAN, SUSAN, group=1)
    dolphin.enroll_fully(KEN, "ken_", group=2)
    probe = said(SUSAN, 4)
    assert names(dolphin.verify(probe)) == [SUSAN, "ken_"]
    assert names(dolphin.verify(probe, group_id=[1, 2])) == [SUSAN, "ken_"]
    assert names(dolphin.verify(probe, group_id=[2])) == ["ken_"]
    assert [entry["group_id"] for entry in dolphin.verify(probe)["data"]] == [1, 2]


def test_groups_do_not_matter_when_one_user_is_verified(susan):
    plain = susan.verify(said(SUSAN, 4), USER)
    assert susan.verify(said(SUSAN, 4), USER, group_id=[5]) == plain
    assert plain["status"] == SUCCESS


# --- Searching and the score -----------------------------------------------------------------------------------------


def test_only_complete_users_are_searched(susan):
    susan.enroll(1, said(SUSAN), ANOTHER)
    susan.enroll(2, said(SUSAN, 2), ANOTHER)
    assert names(susan.verify(said(SUSAN, 4))) == [USER]


def test_the_best_comes_first_and_no_more_than_ten(acme, dolphin):
    for number in range(12):
        services.enroll(acme, LibraryKey("3"), f"user{number}", [audio(SUSAN, 1 + number % 4)])
    services.enroll(acme, LibraryKey("3"), "ken_", [audio(KEN)])
    confidences = [entry["confidence"] for entry in dolphin.verify(said(SUSAN, 4))["data"]]
    assert len(confidences) == 10
    assert confidences == sorted(confidences, reverse=True)


@pytest.mark.parametrize("voice", [KEN, WEI])
def test_another_voice_has_a_confidence_of_at_most_the_threshold(susan, voice):
    for reply in (susan.verify(said(voice), USER)["data"], susan.verify(said(voice))["data"][0]):
        assert 0 <= reply["confidence"] <= 0.7


def test_the_same_voice_has_a_confidence_above_the_threshold(susan):
    for number in (1, 2, 3, 4):
        confidence = susan.verify(said(SUSAN, number), USER)["data"]["confidence"]
        assert 0.7 < confidence <= 1
        assert confidence == round(confidence, 2)


def test_our_decision_lies_at_the_vendors_threshold(acme, susan):
    everywhere = acme.libraries.all()
    for voice in (SUSAN, KEN, WEI):
        heard = services.verify(acme, everywhere, USER, audio(voice, 4))
        assert (susan.verify(said(voice, 4), USER)["data"]["confidence"] > 0.7) is heard.accepted


def test_a_search_that_finds_a_stranger_is_no_error(susan):
    reply = susan.verify(said(KEN))
    assert (reply["status"], names(reply)) == (SUCCESS, [USER])


# --- Listing and removing --------------------------------------------------------------------------------------------


def test_users_are_listed_by_name_complete_or_not(dolphin):
    dolphin.enroll(1, said(SUSAN), "b_user")
    dolphin.enroll(1, said(SUSAN), "a_user")
    dolphin.enroll(2, said(SUSAN), "a_user")
    dolphin.enroll(1, said(SUSAN), "B_user")
    dolphin.enroll(1, said(SUSAN), "-user")
    users = dolphin.users()["data"]
    assert [(user["user_name"], user["enroll_num"]) for user in users] == [
        ("-user", 1),
        ("B_user", 1),
        ("a_user", 2),
        ("b_user", 1),
    ]
    assert all(list(user) == ["user_name", "enroll_num", "update_time", "group_id"] for user in users)


def test_all_users_are_listed_however_many(acme, dolphin):
    wanted = [f"user{number:03}" for number in range(105)]
    for name in wanted:
        services.enroll(acme, LibraryKey("0"), name, [audio(SUSAN)])
    assert names(dolphin.users()) == wanted


@pytest.mark.parametrize("done", [1, 2, 3])
def test_an_unregistered_name_is_free(dolphin, recordings_folder, django_capture_on_commit_callbacks, done):
    for number in range(1, done + 1):
        dolphin.enroll(number, said(SUSAN, number), group_id=4)
    with django_capture_on_commit_callbacks(execute=True):
        assert dolphin.call("unregister", user_name=USER)["status"] == SUCCESS
    assert files(recordings_folder) == []
    assert dolphin.check() == {"user_name": USER, "enroll_num": 0, "update_time": "", "group_id": None}
    assert dolphin.call("unregister", user_name=USER)["status"] == NOT_UNREGISTERED
    assert dolphin.enroll(2, said(SUSAN))["status"] == TOO_EARLY
    assert dolphin.enroll(1, said(SUSAN))["status"] == SUCCESS


# --- What this dialect sees of the others ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", [LibraryKey("100"), LibraryKey("05"), LibraryKey("5", "tag"), LibraryKey("acme"), LibraryKey("-1")]
)
def test_other_libraries_are_not_seen(acme, dolphin, key):
    services.enroll(acme, key, USER, [audio(SUSAN)])
    assert dolphin.users()["data"] == []
    assert dolphin.check()["enroll_num"] == 0
    assert dolphin.verify(said(SUSAN))["status"] == NOBODY
    assert dolphin.verify(said(SUSAN), USER)["status"] == UNKNOWN
    assert dolphin.call("unregister", user_name=USER)["status"] == NOT_UNREGISTERED
    assert dolphin.enroll(1, said(KEN))["status"] == SUCCESS


def test_whoever_another_dialect_enrolled_is_complete(acme, dolphin):
    services.enroll(acme, LibraryKey("5"), USER, [audio(SUSAN)])
    seen = dolphin.check()
    assert (seen["enroll_num"], seen["group_id"]) == (3, 5)
    assert dolphin.enroll(1, said(SUSAN))["status"] == DONE_ALREADY
    assert dolphin.verify(said(SUSAN, 4), USER)["data"]["confidence"] > 0.7
    assert names(dolphin.verify(said(SUSAN, 4))) == [USER]


def test_whoever_another_dialect_is_enrolling_is_not_complete(acme, dolphin):
    services.enroll(acme, LibraryKey("5"), USER, [audio(SUSAN, n) for n in (1, 2, 3)], required_utterances=5)
    assert dolphin.check()["enroll_num"] == 2
    assert dolphin.verify(said(SUSAN, 4), USER)["status"] == INCOMPLETE
    assert dolphin.enroll(3, said(SUSAN, 4))["status"] == SUCCESS
    assert dolphin.check()["enroll_num"] == 3


# --- Two tenants -----------------------------------------------------------------------------------------------------


def test_another_tenant_sees_nobody_of_ours(susan, stranger):
    assert stranger.users()["data"] == []
    assert stranger.check()["enroll_num"] == 0
    assert stranger.verify(said(SUSAN, 4))["status"] == NOBODY
    assert stranger.verify(said(SUSAN, 4), USER)["status"] == UNKNOWN


def test_another_tenant_cannot_unregister_ours(susan, stranger):
    assert stranger.call("unregister", user_name=USER)["status"] == NOT_UNREGISTERED
    assert susan.check()["enroll_num"] == 3


def test_another_tenant_has_names_of_its_own(susan, stranger):
    assert stranger.enroll(2, said(KEN))["status"] == TOO_EARLY
    stranger.enroll_fully(KEN)
    assert stranger.verify(said(KEN, 4), USER)["data"]["confidence"] > 0.7
    assert susan.verify(said(KEN, 4), USER)["data"]["confidence"] <= 0.7


# --- At the same time ------------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(transactional_db, acme):
    """Calls of clients of acme, each in a thread of its own."""
    base = address_for(acme)

    def one(call):
        try:
            return call(Dolphin(Client(), base, acme))
        finally:
            connection.close()

    def at_once(*calls):
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls))

    return at_once


def test_simultaneous_first_attempts_make_one_user(at_once, recordings_folder):
    replies = at_once(
        *[lambda dolphin, group=group: dolphin.enroll(1, said(SUSAN), group_id=group) for group in range(4)]
    )
    assert [reply["data"] for reply in replies] == [{"user_name": USER, "enroll_num": 1}] * 4
    (listing,) = at_once(lambda dolphin: dolphin.users()["data"])
    assert [(user["user_name"], user["enroll_num"]) for user in listing] == [(USER, 1)]
    assert len(files(recordings_folder)) == 1


def test_simultaneous_third_attempts_complete_the_user_once(at_once, recordings_folder):
    at_once(lambda dolphin: [dolphin.enroll(number, said(SUSAN, number)) for number in (1, 2)])
    replies = at_once(*[lambda dolphin: dolphin.enroll(3, said(SUSAN, 3))] * 4)
    assert sorted(reply["status"] for reply in replies) == [SUCCESS, *[DONE_ALREADY] * 3]
    assert all(reply["data"]["enroll_num"] == 3 for reply in replies)
    assert len(files(recordings_folder)) == 3


def test_an_attempt_and_the_removal_of_the_user_at_once(at_once, recordings_folder):
    at_once(lambda dolphin: dolphin.enroll(1, said(SUSAN)))
    enrolled, removed = at_once(
        lambda dolphin: dolphin.enroll(2, said(SUSAN, 2)), lambda dolphin: dolphin.call("unregister", user_name=USER)
    )
    assert removed["status"] == SUCCESS
    assert enrolled["status"] in {SUCCESS, TOO_EARLY}
    assert files(recordings_folder) == []
