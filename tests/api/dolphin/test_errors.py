"""Every row of the vendor's table that this server returns, and what comes with it."""

import io
import json

import numpy as np
import pytest
from django.core.files.storage import storages

from api.dolphin import errors
from api.dolphin.errors import ANSWERS
from audio.errors import TooExpensive
from tenants.context import acting_as
from tenants.models import Tenant
from tests import cast
from tests.api.dolphin.client import (
    DONE_ALREADY,
    INCOMPLETE,
    INVALID,
    MISSING,
    NOBODY,
    NOT_JSON,
    NOT_UNREGISTERED,
    SERVICE_ERROR,
    SUCCESS,
    TOO_EARLY,
    UNKNOWN,
    UNREADABLE,
    UNUSABLE,
    USER,
    audio,
    headerless,
    said,
    told,
)
from tests.api.failures import failing, no_answer_about
from tests.audio.recordings import encoded, spoken, tone
from tests.cast import KEN, SUSAN, recording, wav
from voiceprints import consents, services
from voiceprints.errors import LibraryNotFound
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db

UNUSABLE_AUDIO = {
    "status": UNUSABLE,
    "message": "audio data in data does not meet the required constraints",
    "data": {"user_name": USER, "enroll_num": 0},
}


def answer(status, message, data):
    return {"status": status, "message": message, "data": data}


# --- 22124: the recording --------------------------------------------------------------------------------------------


def stereo():
    return encoded(np.stack([spoken(SUSAN), spoken(SUSAN)]))


UNUSABLE_RECORDINGS = {
    "no recording": b"text that is no recording at all",
    "nothing": b"",
    "only a header": b"RIFF\x24\x00\x00\x00WAVE",
    "opus": recording(SUSAN),
    "flac": encoded(spoken(SUSAN), "flac", "flac"),
    "headerless": headerless(SUSAN),
    "stereo": stereo(),
    "8 kHz": encoded(spoken(SUSAN)[::2], rate=8000),
    "44.1 kHz": wav(headerless(SUSAN), 44_100),
    "24 bit": encoded(spoken(SUSAN), codec="pcm_s24le"),
    "8 bit": encoded(spoken(SUSAN), codec="pcm_u8"),
    "mu-law": encoded(spoken(SUSAN), codec="pcm_mulaw"),
    "a sample too short": wav(headerless(SUSAN, 1, 3.0)[:-2]),
    "a sample too long": wav(headerless(SUSAN, 1, 20.0) + b"\x00\x00"),
    "silent": wav(bytes(2 * 16_000 * 5)),
    "a tone": encoded(tone(5.0)),
}


@pytest.mark.parametrize("content", UNUSABLE_RECORDINGS.values(), ids=UNUSABLE_RECORDINGS)
def test_a_recording_that_is_not_as_asked_for_is_refused(dolphin, recordings_folder, content):
    members = audio(content) if content else {"data": "="}
    assert dolphin.enroll(1, b"", **members) == UNUSABLE_AUDIO
    assert dolphin.users()["data"] == []
    assert list(recordings_folder.rglob("*.flac")) == []


@pytest.mark.parametrize("seconds", [3.0, 20.0])
def test_recordings_of_3_and_of_20_seconds_are_taken(dolphin, seconds):
    assert dolphin.enroll(1, said(SUSAN, 1, seconds))["status"] == SUCCESS


def test_headerless_pcm_is_taken_as_pcm(susan):
    assert susan.verify(b"", SUSAN, **audio(headerless(SUSAN, 4), "pcm"))["data"]["confidence"] > 0.7


def test_what_is_wav_is_read_as_wav_although_it_is_called_pcm(susan):
    as_wav = susan.verify(said(SUSAN, 4), SUSAN)
    assert susan.verify(b"", SUSAN, **audio(said(SUSAN, 4), "pcm")) == as_wav


@pytest.mark.parametrize(("seconds", "status"), [(2.99, UNUSABLE), (3.0, SUCCESS), (20.0, SUCCESS), (20.01, UNUSABLE)])
def test_headerless_pcm_has_3_to_20_seconds_too(dolphin, seconds, status):
    assert dolphin.enroll(1, b"", **audio(headerless(SUSAN, 1, seconds), "pcm"))["status"] == status


def test_a_wav_called_pcm_must_be_as_asked_for_too(dolphin):
    assert dolphin.enroll(1, b"", **audio(stereo(), "pcm")) == UNUSABLE_AUDIO


def test_a_search_that_cannot_use_its_recording_says_nothing_of_a_user(susan):
    assert susan.verify(b"text") == UNUSABLE_AUDIO | {"data": None}


# --- 22121: who may not be enrolled ----------------------------------------------------------------------------------


def test_whose_consent_is_missing_is_refused_with_the_reason(dolphin, acme):
    consents.set_rules(acme, required=True, elsewhere=[])
    said_why = "invalid parameter: a reference to the consent of the speaker is needed"
    assert dolphin.enroll(1, said(SUSAN)) == answer(INVALID, said_why, {"user_name": USER, "enroll_num": 0})


# --- 22131 to 22136: the state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "number", "status", "message"),
    [
        (0, 2, TOO_EARLY, "invalid operation: the previous registration has not been completed"),
        (0, 3, TOO_EARLY, "invalid operation: the previous registration has not been completed"),
        (1, 3, TOO_EARLY, "invalid operation: the previous registration has not been completed"),
        (2, 1, DONE_ALREADY, "invalid operation: a subsequent registration has already been completed"),
        (3, 1, DONE_ALREADY, "invalid operation: the registration process has already been completed"),
        (3, 2, DONE_ALREADY, "invalid operation: the registration process has already been completed"),
        (3, 3, DONE_ALREADY, "invalid operation: the registration process has already been completed"),
    ],
)
def test_an_untimely_attempt_is_refused(dolphin, done, number, status, message):
    for earlier in range(1, done + 1):
        dolphin.enroll(earlier, said(SUSAN, earlier))
    assert dolphin.enroll(number, b"not heard") == answer(status, message, {"user_name": USER, "enroll_num": done})


@pytest.mark.parametrize("done", [1, 2])
def test_whoever_is_not_complete_cannot_be_verified(dolphin, done):
    for number in range(1, done + 1):
        dolphin.enroll(number, said(SUSAN, number))
    assert dolphin.verify(b"not heard", USER) == answer(
        INCOMPLETE, "the user_name hasn't been registered completely", {"user_name": USER, "enroll_num": done}
    )


def test_whoever_has_no_enrolment_left_is_unknown(dolphin):
    dolphin.enroll(1, said(SUSAN))
    forget_recordings(dolphin.tenant)
    assert dolphin.verify(said(SUSAN), USER)["status"] == UNKNOWN
    assert dolphin.check() == {"user_name": USER, "enroll_num": 0, "update_time": "", "group_id": 0}
    assert dolphin.enroll(2, said(SUSAN))["status"] == TOO_EARLY
    assert dolphin.enroll(1, said(SUSAN))["data"]["enroll_num"] == 1


def test_whoever_is_unknown_cannot_be_verified(dolphin):
    assert dolphin.verify(b"not heard", USER) == answer(
        UNKNOWN, "the user_name hasn't been registered", {"user_name": USER, "enroll_num": 0}
    )


@pytest.mark.parametrize("groups", [[], [0], [1, 2]])
def test_a_search_among_nobody_is_refused(dolphin, groups):
    dolphin.enroll(1, said(SUSAN))
    assert dolphin.verify(b"not heard", group_id=groups) == answer(NOBODY, "no available user_name", None)


def test_whoever_is_unknown_cannot_be_unregistered(dolphin):
    assert dolphin.call("unregister", user_name=USER) == answer(
        NOT_UNREGISTERED, "unregistration failed: this user_name hasn't been registered", {"user_name": USER}
    )


# --- 22111, 22121: what is said of the user --------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["checkUser", "unregister"])
def test_an_invalid_name_is_said_back(dolphin, operation):
    assert dolphin.call(operation, user_name="ab") == answer(
        INVALID, "invalid parameter: user_name", {"user_name": "ab"}
    )


@pytest.mark.parametrize("name", [None, "", 5, ["susan"], "\ud800abc", "\x00\x00\x00\x00", "a" * 129])
@pytest.mark.parametrize("operation", ["checkUser", "enroll", "unregister"])
def test_a_name_that_cannot_be_read_is_not_said_back(dolphin, operation, name):
    assert dolphin.call(operation, user_name=name)["data"] is None


def test_how_far_the_user_is_comes_with_a_fault_of_a_field(susan):
    assert susan.enroll(9, said(SUSAN)) == answer(
        INVALID, "invalid parameter: enroll_num", {"user_name": USER, "enroll_num": 3}
    )
    assert susan.call("verify", user_name=USER) == answer(
        MISSING, "missing parameter: format", {"user_name": USER, "enroll_num": 3}
    )
    assert susan.call("verify", user_name="ab")["data"] == {"user_name": "ab", "enroll_num": 0}


def test_a_fault_of_a_search_says_nothing_of_a_user(dolphin):
    assert dolphin.call("verify") == answer(MISSING, "missing parameter: format", None)


# --- 22123, 22152: the body ------------------------------------------------------------------------------------------


NOT_JSON_OBJECTS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"text"',
    b"user_name=test",
    b"{'user_name': 'test'}",
    b'{"user_name": "test"} trailing',
    b'{"user_name": NaN}',
    b'{"user_name": Infinity}',
    b'{"user_name": "te\nst"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"enroll_num": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("operation", ["checkUser", "enroll", "verify", "unregister"])
@pytest.mark.parametrize("body", NOT_JSON_OBJECTS, ids=range(len(NOT_JSON_OBJECTS)))
def test_a_body_that_is_no_json_object(dolphin, operation, body):
    assert told(dolphin.raw(operation, body)) == answer(NOT_JSON, "json string error", None)


@pytest.mark.parametrize(
    "body", [b'{"user_name": "\xff"}', b"\x80", '{"user_name":"test"}'.encode("utf-16"), b"\xed\xa0\x80"]
)
def test_a_body_that_is_not_utf8(dolphin, body):
    assert told(dolphin.raw("checkUser", body)) == answer(UNREADABLE, "request decoder error", None)


def test_a_body_that_is_too_large(dolphin, settings):
    settings.MAX_UPLOAD_BYTES = 100
    assert told(dolphin.raw("enroll", {"data": "A" * 200})) == answer(UNREADABLE, "request decoder error", None)


def test_a_body_that_is_cut_off(dolphin):
    cut = {"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b'{"user_name": "test"}')}
    reply = dolphin.client.generic("POST", f"{dolphin.base}/checkUser", **cut)
    assert told(reply) == answer(UNREADABLE, "request decoder error", None)


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "１"])
def test_a_body_of_a_strange_length(dolphin, length):
    reply = dolphin.client.post(
        f"{dolphin.base}/checkUser", b"{}", content_type="application/json", CONTENT_LENGTH=length
    )
    assert told(reply) == answer(UNREADABLE, "request decoder error", None)


# --- The order -------------------------------------------------------------------------------------------------------

# Each request has the fault of its row and of all rows below it.
ORDER = [
    ("missing parameter: user_name", {"user_name": ""}),
    ("invalid parameter: format", {"format": "mp3"}),
    ("missing parameter: sample_rate", {"sample_rate": None}),
    ("invalid parameter: enroll_num", {"enroll_num": 4}),
    ("invalid parameter: group_id", {"group_id": 100}),
    ("missing parameter: data", {"data": ""}),
    ("invalid operation: the previous registration has not been completed", {"enroll_num": 2}),
    ("audio data in data does not meet the required constraints", {"data": "!"}),
]


@pytest.mark.parametrize("row", range(len(ORDER)))
def test_faults_are_told_in_the_order_of_the_specification(dolphin, row):
    members = {"user_name": USER, "enroll_num": 1, **audio(said(SUSAN))}
    for _, fault in reversed(ORDER[row:]):
        members |= fault
    assert dolphin.call("enroll", **members)["message"] == ORDER[row][0]


def test_json_comes_after_utf8_and_before_fields(dolphin):
    assert told(dolphin.raw("enroll", b"\xff{"))["status"] == UNREADABLE
    assert told(dolphin.raw("enroll", b'{"user_name": ""'))["status"] == NOT_JSON


# --- 22151: ourselves ------------------------------------------------------------------------------------------------


OURS = answer(SERVICE_ERROR, "service error", {"user_name": USER, "enroll_num": 0})


@pytest.mark.usefixtures("failure")
def test_our_own_failures_are_a_service_error(dolphin):
    assert dolphin.enroll(1, said(SUSAN)) == OURS


def test_a_library_deleted_this_moment_is_a_service_error(dolphin, measuring_fails):
    measuring_fails(LibraryNotFound(org_id="0"))
    assert dolphin.enroll(1, said(SUSAN)) == OURS


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("checkUser", {"user_name": USER}),
        ("unregister", {"user_name": USER}),
        ("enroll", {"user_name": USER, "enroll_num": None}),
        ("verify", {"user_name": USER, "enroll_num": None}),
    ],
)
def test_a_database_that_is_down_is_a_service_error(dolphin, operation, data):
    with no_answer_about("voiceprints_speaker"):
        reply = dolphin.call(operation, user_name=USER, enroll_num=1, **audio(said(SUSAN)))
    assert reply == answer(SERVICE_ERROR, "service error", data)


def test_a_listing_that_fails_is_a_service_error(dolphin):
    with no_answer_about("voiceprints_speaker"):
        assert dolphin.users() == answer(SERVICE_ERROR, "service error", None)


def test_a_storage_that_cannot_be_written_is_a_service_error(dolphin, monkeypatch):
    monkeypatch.setattr(type(storages["recordings"]), "_save", failing(OSError("disk full")))
    assert dolphin.enroll(1, said(SUSAN))["status"] == SERVICE_ERROR
    assert dolphin.check()["enroll_num"] == 0


def test_a_recording_that_takes_too_long_to_decode_is_refused(dolphin, measuring_fails):
    measuring_fails(TooExpensive(cpu_seconds=6.0, limit_seconds=5.0))
    assert dolphin.enroll(1, said(SUSAN)) == UNUSABLE_AUDIO


def test_a_name_that_another_dialect_completed_in_the_group_to_move_to_is_complete(dolphin):
    dolphin.enroll(1, said(SUSAN), group_id=0)
    services.enroll(dolphin.tenant, LibraryKey("5"), USER, [cast.audio(SUSAN, 2)])
    assert dolphin.enroll(2, said(SUSAN, 3), group_id=5)["status"] == DONE_ALREADY


def test_whoever_asks_too_often_gets_a_service_error(dolphin):
    Tenant.objects.filter(pk=dolphin.tenant.pk).update(requests_per_minute=1)
    assert [dolphin.call("checkUser", user_name=USER)["status"] for _ in range(2)] == [SUCCESS, SERVICE_ERROR]


def test_every_status_of_the_table_is_one_of_the_vendors():
    vendors = {"22111", "22121", "22123", "22124", "22131", "22132", "22133", "22134", "22136", "22151", "22152"}
    assert {one.status for one in ANSWERS.values()} == vendors
    assert errors.UNREGISTER_ANSWERS.keys() == ANSWERS.keys()


def test_nothing_is_kept_of_another_voice(dolphin, recordings_folder):
    dolphin.enroll(1, said(SUSAN))
    before = list(recordings_folder.rglob("*.flac"))
    assert dolphin.enroll(2, said(KEN)) == answer(
        UNUSABLE, "Voiceprint mismatch with that of the initial registration", {"user_name": USER, "enroll_num": 1}
    )
    assert list(recordings_folder.rglob("*.flac")) == before


def forget_recordings(tenant):
    """As somebody may in the console."""
    with acting_as(tenant):
        said_so_far = list(tenant.utterances.values_list("pk", flat=True))
    for utterance in said_so_far:
        services.delete_utterance(tenant, utterance)


def test_the_largest_members_are_answered_quickly(dolphin):
    body = json.dumps({"user_name": USER, "format": "x" * 10_000_000})
    assert told(dolphin.raw("enroll", body))["message"] == "invalid parameter: format"
