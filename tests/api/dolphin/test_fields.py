"""What clients send, and what is taken as it."""

import base64
import io
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from tests.api.dolphin.client import INVALID, MISSING, SUCCESS, UNUSABLE, USER, audio, said, told
from tests.cast import SUSAN

pytestmark = pytest.mark.django_db

ABSENT = object()
NO_INTEGERS = [True, False, 1.5, 1.0, "1.0", "one", "", " 1", "+1", "１", [1], {"1": 1}, -1, 10**30, "9" * 5000]


def without_absent(members):
    return {name: value for name, value in members.items() if value is not ABSENT}


def enrolling(**members):
    sent = {"user_name": USER, "enroll_num": 1, **audio(said(SUSAN))} | members
    return without_absent(sent)


def verifying(**members):
    return without_absent(audio(said(SUSAN, 4)) | members)


def missing(name):
    return (MISSING, f"missing parameter: {name}")


def invalid(name):
    return (INVALID, f"invalid parameter: {name}")


def judged(reply):
    return (reply["status"], reply["message"])


# --- user_name -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["checkUser", "enroll", "unregister"])
@pytest.mark.parametrize("name", [ABSENT, None, ""])
def test_a_user_name_is_required(dolphin, operation, name):
    members = enrolling(user_name=name) if operation == "enroll" else without_absent({"user_name": name})
    assert judged(dolphin.call(operation, **members)) == missing("user_name")


@pytest.mark.parametrize("operation", ["checkUser", "enroll", "unregister", "verify"])
@pytest.mark.parametrize(
    "name",
    [
        "abc",
        "a" * 17,
        "a b c",
        "user.name",
        "usér",
        "用户名字",
        "user\n",
        "\x00\x00\x00\x00",
        "\ud800abc",
        1234,
        ["user"],
        True,
    ],
)
def test_a_user_name_has_4_to_16_plain_characters(dolphin, operation, name):
    members = enrolling(user_name=name) if operation == "enroll" else verifying(user_name=name)
    assert judged(dolphin.call(operation, **members)) == invalid("user_name")


@pytest.mark.parametrize("name", ["abcd", "a" * 16, "0123", "A_b-9", "----", "____"])
def test_such_user_names_are_taken(dolphin, name):
    assert dolphin.enroll(1, said(SUSAN), name)["status"] == SUCCESS
    assert dolphin.check(name)["enroll_num"] == 1


def test_user_names_differ_by_case(dolphin):
    dolphin.enroll(1, said(SUSAN), "Susan")
    assert dolphin.check("susan")["enroll_num"] == 0


@pytest.mark.parametrize("name", [ABSENT, None, ""])
def test_without_a_user_name_everybody_is_searched(susan, name):
    (found,) = susan.call("verify", **verifying(user_name=name))["data"]
    assert (found["user_name"], found["group_id"]) == (SUSAN, 0)


# --- format, sample_rate, data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["enroll", "verify"])
@pytest.mark.parametrize("field", ["format", "sample_rate", "data"])
@pytest.mark.parametrize("value", [ABSENT, None])
def test_the_recording_and_its_form_are_required(dolphin, operation, field, value):
    members = enrolling(**{field: value}) if operation == "enroll" else verifying(**{field: value})
    assert judged(dolphin.call(operation, **members)) == missing(field)


@pytest.mark.parametrize("field", ["format", "data"])
def test_an_empty_text_is_missing(dolphin, field):
    assert judged(dolphin.call("enroll", **enrolling(**{field: ""}))) == missing(field)


@pytest.mark.parametrize("form", ["mp3", "wav ", "wave", ".wav", 1, ["wav"], "W" * 5000])
def test_a_format_is_pcm_or_wav(dolphin, form):
    assert judged(dolphin.call("enroll", **enrolling(format=form))) == invalid("format")


@pytest.mark.parametrize("form", ["wav", "WAV", "Wav", "pcm", "PCM"])
def test_a_format_is_taken_in_any_case(dolphin, form):
    assert dolphin.call("enroll", **enrolling(format=form))["status"] == SUCCESS


@pytest.mark.parametrize("rate", [8000, 44100, "8000", 16001, *NO_INTEGERS])
def test_the_sample_rate_is_16000(dolphin, rate):
    assert judged(dolphin.call("enroll", **enrolling(sample_rate=rate))) == invalid("sample_rate")


def test_the_sample_rate_may_come_as_text(dolphin):
    assert dolphin.call("enroll", **enrolling(sample_rate="16000"))["status"] == SUCCESS


@pytest.mark.parametrize("data", [1, True, ["UklGRg=="], {"data": ""}])
def test_the_recording_is_a_text(dolphin, data):
    assert judged(dolphin.call("enroll", **enrolling(data=data))) == invalid("data")


@pytest.mark.parametrize(
    "data", ["not base64!", "A", "UklG=Rg", "数据", "\x00", "====", "data:audio/wav;base64,AAAA", "-_-_", "\ud800"]
)
def test_what_is_no_base64_is_no_audio(dolphin, data):
    assert dolphin.call("enroll", **enrolling(data=data))["status"] == UNUSABLE


def test_line_breaks_in_the_recording_are_taken(dolphin):
    data = base64.encodebytes(said(SUSAN)).decode().replace("\n", "\r\n")
    assert dolphin.call("enroll", **enrolling(data="\r\n" + data))["status"] == SUCCESS


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_missing_padding_of_the_recording_is_taken(dolphin, cut):
    content = said(SUSAN) + b"\x00" * cut
    padded = base64.b64encode(content).decode()
    assert dolphin.call("enroll", **enrolling(data=padded.rstrip("=")))["status"] == SUCCESS


# --- enroll_num, group_id --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [ABSENT, None])
def test_the_number_of_the_attempt_is_required(dolphin, number):
    assert judged(dolphin.call("enroll", **enrolling(enroll_num=number))) == missing("enroll_num")


@pytest.mark.parametrize("number", [0, 4, "0", "4", *NO_INTEGERS])
def test_an_attempt_is_numbered_1_to_3(dolphin, number):
    assert judged(dolphin.call("enroll", **enrolling(enroll_num=number))) == invalid("enroll_num")


@pytest.mark.parametrize("number", ["1", "01"])
def test_the_number_of_the_attempt_may_come_as_text(dolphin, number):
    assert dolphin.call("enroll", **enrolling(enroll_num=number))["data"] == {"user_name": USER, "enroll_num": 1}


@pytest.mark.parametrize("group", [100, "100", *NO_INTEGERS])
def test_a_group_is_numbered_0_to_99(dolphin, group):
    assert judged(dolphin.call("enroll", **enrolling(group_id=group))) == invalid("group_id")


@pytest.mark.parametrize(("sent", "group"), [(ABSENT, 0), (None, 0), (0, 0), (99, 99), ("7", 7), ("07", 7)])
def test_a_user_is_enrolled_in_a_group(dolphin, sent, group):
    dolphin.call("enroll", **enrolling(group_id=sent))
    assert dolphin.check()["group_id"] == group


@pytest.mark.parametrize("groups", [ABSENT, None, [], [0], 0, "0", ["0"], [0, 0], list(range(100)), [7, 0]])
def test_groups_to_search_are_listed_in_many_ways(susan, groups):
    (found,) = susan.call("verify", **verifying(group_id=groups))["data"]
    assert found["user_name"] == SUSAN


@pytest.mark.parametrize("name", [None, SUSAN])
@pytest.mark.parametrize(
    "groups", [[100], [-1], [0, "x"], [True], [0.0], [None], [[0]], {"0": 0}, "", "0,1", 100, True, 1.5]
)
def test_groups_to_search_are_numbered_0_to_99(susan, groups, name):
    assert judged(susan.call("verify", **verifying(group_id=groups, user_name=name))) == invalid("group_id")


# --- The body --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "application/json;charset=gbk",
        "Application/JSON",
        "text/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "",
        ";;;",
    ],
)
def test_a_body_is_json_whatever_its_content_type(dolphin, content_type):
    reply = dolphin.client.generic("POST", f"{dolphin.base}/checkUser", b'{"user_name":"test"}', content_type)
    assert told(reply)["data"]["user_name"] == "test"


def test_a_byte_order_mark_is_passed_over(dolphin):
    reply = dolphin.raw("checkUser", b'\xef\xbb\xbf{"user_name":"test"}')
    assert told(reply)["status"] == SUCCESS


def test_unknown_members_are_ignored(dolphin):
    assert dolphin.call("checkUser", user_name="test", colour="blue", enroll_num=[])["status"] == SUCCESS


def test_of_a_member_sent_twice_the_last_counts(dolphin):
    reply = dolphin.raw("checkUser", b'{"user_name":"one!","user_name":"test"}')
    assert told(reply)["data"]["user_name"] == "test"


@pytest.mark.parametrize("operation", ["checkUser", "enroll", "verify", "unregister", "getUsers"])
def test_a_slash_may_follow_the_path(susan, operation):
    reply = (
        susan.client.get(f"{susan.base}/getUsers/")
        if operation == "getUsers"
        else susan.raw(f"{operation}/", enrolling())
    )
    assert reply.status_code == 200
    assert told(reply)["data"]


def test_a_body_may_come_in_chunks(dolphin):
    stream = io.BytesIO(b'{"user_name":"test"}')
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "", "wsgi.input": stream}
    reply = dolphin.client.generic("POST", f"{dolphin.base}/checkUser", **chunked)
    assert told(reply)["data"]["user_name"] == "test"


# --- update_time -----------------------------------------------------------------------------------------------------


def test_the_time_is_that_of_the_last_enrolment(dolphin, monkeypatch):
    for number in (1, 2):
        monkeypatch.setattr(timezone, "now", lambda number=number: datetime(2022, 1, number, 13, 1, 0, 999_999, UTC))
        dolphin.enroll(number, said(SUSAN, number))
    assert dolphin.check()["update_time"] == "2022-01-02 13:01:00"


def test_the_time_is_that_of_the_time_zone_of_the_installation(dolphin, monkeypatch, settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    monkeypatch.setattr(timezone, "now", lambda: datetime(2021, 12, 31, 20, 0, 0, tzinfo=UTC))
    dolphin.enroll(1, said(SUSAN))
    assert dolphin.check()["update_time"] == "2022-01-01 04:00:00"
    assert dolphin.users()["data"][0]["update_time"] == "2022-01-01 04:00:00"


def test_an_enrolment_that_was_refused_does_not_count_as_one(dolphin, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2022, 1, 1, tzinfo=UTC))
    dolphin.enroll(1, said(SUSAN))
    monkeypatch.setattr(timezone, "now", lambda: datetime(2022, 1, 2, tzinfo=UTC))
    dolphin.enroll(2, said(SUSAN, 2, 2.0))
    assert dolphin.check()["update_time"] == "2022-01-01 00:00:00"
