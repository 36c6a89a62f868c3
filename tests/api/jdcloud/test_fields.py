"""What a packet may say, and in how many ways."""

import io
import json
import math
from urllib.parse import quote, urlencode

import pytest

from tests.api.jdcloud.client import NORMAL, VPR, authorized, described, packet_headers
from tests.cast import SUSAN, wav_of
from voiceprints import services
from voiceprints.errors import SpeakerNotFound

pytestmark = pytest.mark.django_db

BAD_PARAMETERS = {"status": 61003, "message": "request params error.", "result": []}
BAD_MODE = {"status": 63002, "message": "vpr mode error.", "result": []}
BAD_FORMAT = {"status": 61006, "message": "speech format error.", "result": []}
BAD_LAYOUT = {"status": 61005, "message": "speech sample rate or channel error.", "result": []}
LONG_ID = {"status": 63001, "message": "vpr userid too long.", "result": []}
ENROLLING = {"status": 0, "message": "", "result": [{"text": "enrolling"}]}


def outcome(result):
    return {name: result[name] for name in ("status", "message", "result")}


def enroll(jdcloud, **options):
    return outcome(jdcloud.enroll(wav_of(SUSAN), **options))


def is_enrolling(jdcloud, user="user-0001", organisation="default"):
    try:
        services.find_speaker(jdcloud.tenant, jdcloud.tenant.libraries.within(organisation, ""), user)
    except SpeakerNotFound:
        return False
    return True


def test_a_reply_is_compact_utf8_json_without_null(jdcloud):
    reply = jdcloud.reply(wav_of(SUSAN), request_id="R1")
    assert reply["Content-Type"] == "application/json; charset=utf-8"
    assert reply["Cache-Control"] == "no-store"
    assert reply.content.decode() == (
        '{"code":"10000","charge":false,"remain":-1,"remainTimes":-1,"remainSeconds":-1,"msg":"查询成功",'
        '"result":{"request_id":"R1","status":0,"index":-1,"message":"","result":[{"text":"enrolling"}]}}'
    )


def test_a_reply_can_be_evaluated_as_program_text(jdcloud):
    """As some clients do, who know true and false and nothing else."""
    text = jdcloud.reply(b"", request_id=None).content.decode()
    assert eval(text, {"true": True, "false": False})["result"]["request_id"] == ""


# --- Where a parameter is --------------------------------------------------------------------------------------------


def test_parameters_may_be_in_the_query(jdcloud):
    named = packet_headers(user="named-in-the-query", Application_Id="door")
    query = f"{jdcloud.signed()}&{urlencode(named)}"
    reply = jdcloud.client.generic("POST", f"{VPR}?{query}", wav_of(SUSAN), "application/octet-stream")
    assert reply.json() == NORMAL | {"result": ENROLLING | {"request_id": named["Request-Id"], "index": -1}}
    assert is_enrolling(jdcloud, "named-in-the-query", "door")


def test_the_header_counts_before_the_query(jdcloud):
    query = f"{jdcloud.signed()}&User-Id=other&Sequence-Id=7&Property=x&Application-Id=other"
    assert enroll(jdcloud, query=query, Application_Id="door") == ENROLLING
    assert is_enrolling(jdcloud, "user-0001", "door")


def test_an_empty_header_leaves_it_to_the_query(jdcloud):
    assert enroll(jdcloud, query=f"{jdcloud.signed()}&User-Id=other", user="") == ENROLLING
    assert is_enrolling(jdcloud, "other")


def test_header_names_have_no_case(jdcloud):
    sent = {name.lower(): value for name, value in packet_headers().items()}
    reply = jdcloud.client.generic(
        "POST", f"{VPR}?{jdcloud.signed()}", wav_of(SUSAN), "application/octet-stream", headers=sent
    )
    assert outcome(reply.json()["result"]) == ENROLLING


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_headers_may_be_utf8_or_latin1(jdcloud, encoding):
    on_the_wire = "é-1".encode(encoding).decode("latin-1")
    result = jdcloud.enroll(wav_of(SUSAN), user=on_the_wire, request_id=on_the_wire, Application_Id=on_the_wire)
    assert (outcome(result), result["request_id"]) == (ENROLLING, "é-1")
    assert is_enrolling(jdcloud, "é-1", "é-1")


def test_chinese_names_are_kept(jdcloud):
    names = {name: "智能门锁".encode().decode("latin-1") for name in ("user", "Application_Id")}
    platform = described(platform="Android&小米&9")
    assert enroll(jdcloud, **names, Property=platform.encode().decode("latin-1")) == ENROLLING
    assert is_enrolling(jdcloud, "智能门锁", "智能门锁")


def test_chinese_names_in_the_query_are_kept(jdcloud):
    assert enroll(jdcloud, query=f"{jdcloud.signed()}&User-Id={quote('门')}", user=None) == ENROLLING
    assert is_enrolling(jdcloud, "门")


# --- Each of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Server_Protocol", "Net_State", "Applicator", "Application_Id"])
@pytest.mark.parametrize("value", [None, "", "-1", "0", "99", "text"])
def test_what_is_not_checked_may_be_anything(jdcloud, name, value):
    assert enroll(jdcloud, **{name: value}) == ENROLLING


@pytest.mark.parametrize("application", [None, ""])
def test_without_an_application_the_library_is_default(jdcloud, application):
    enroll(jdcloud, Application_Id=application)
    assert is_enrolling(jdcloud, organisation="default")


@pytest.mark.parametrize("application", ["a" * 65, "a\x01b", "\x7f"])
def test_an_application_that_names_no_library_is_refused(jdcloud, application):
    assert enroll(jdcloud, Application_Id=application) == BAD_PARAMETERS


@pytest.mark.parametrize("application", ["a" * 64, "a/b", "../..", "%2e", "a b"])
def test_an_application_may_have_any_name(jdcloud, application):
    assert enroll(jdcloud, Application_Id=application) == ENROLLING
    assert is_enrolling(jdcloud, organisation=application)


@pytest.mark.parametrize("request_id", ["1", "1735689600000", "a" * 128, "a b", "{}"])
def test_a_request_may_have_any_id(jdcloud, request_id):
    result = jdcloud.enroll(wav_of(SUSAN), request_id=request_id)
    assert (outcome(result), result["request_id"]) == (ENROLLING, request_id)


@pytest.mark.parametrize("request_id", [None, " ", "a" * 129, "a\x00b"])
def test_a_request_needs_an_id(jdcloud, request_id):
    result = jdcloud.enroll(wav_of(SUSAN), request_id=request_id)
    assert (outcome(result), result["request_id"]) == (BAD_PARAMETERS, (request_id or "").strip())


@pytest.mark.parametrize("user", [None, "", " ", "a\x00b", "\x1b[0m"])
def test_a_speaker_needs_a_name(jdcloud, user):
    assert enroll(jdcloud, user=user) == BAD_PARAMETERS


@pytest.mark.parametrize("user", ["a", "IMEI-12345678", "u" * 64, "a/b", "'; --"])
def test_a_speaker_may_have_any_name(jdcloud, user):
    assert enroll(jdcloud, user=user) == ENROLLING
    assert is_enrolling(jdcloud, user)


def test_a_name_has_64_characters_not_bytes(jdcloud):
    assert enroll(jdcloud, user=("名" * 64).encode().decode("latin-1")) == ENROLLING
    assert enroll(jdcloud, user=("名" * 65).encode().decode("latin-1")) == LONG_ID


@pytest.mark.parametrize(
    "sequence", ["", " ", "0", "-0", "+0", "1.0", "1e0", "one", "--1", "1 1", "１", "0x1", "9" * 200, "null", "true"]
)
def test_a_packet_needs_a_number(jdcloud, sequence):
    result = jdcloud.enroll(wav_of(SUSAN), sequence=sequence.encode().decode("latin-1"))
    assert (outcome(result), result["index"]) == (BAD_PARAMETERS, -1)


@pytest.mark.parametrize("sequence", [" -1 ", "-01", "-0000000001"])
def test_a_number_may_be_written_oddly(jdcloud, sequence):
    assert enroll(jdcloud, sequence=sequence) == ENROLLING


# --- Property --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [1, -1])
@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "null", "1", '"text"', "[" * 5000, "{'a':1}", '{"a":' * 3000, "\ufeff{}", "9" * 5000]
)
def test_a_first_packet_needs_a_description(jdcloud, text, sequence):
    text = text and text.encode().decode("latin-1")
    assert enroll(jdcloud, Property=text, sequence=sequence) == BAD_PARAMETERS


@pytest.mark.parametrize("mode", [None, "", "foo", "Enroll", "TEST", 1, True, ["enroll"], {"enroll": 1}, "enroll "])
def test_there_are_two_modes(jdcloud, mode):
    assert enroll(jdcloud, Property=described(mode)) == BAD_MODE


def test_a_mode_is_required(jdcloud):
    assert enroll(jdcloud, Property='{"encode":{"channel":1,"format":"wav","sample_rate":16000}}') == BAD_MODE


@pytest.mark.parametrize("container", ["pcm", "opus", "", "WAV", None, 1, ["wav"], True, "amr ", "wave"])
def test_there_are_three_formats(jdcloud, container):
    assert enroll(jdcloud, Property=described(format=container)) == BAD_FORMAT


@pytest.mark.parametrize("encode", [None, [], "wav", 1, {}, {"channel": 1, "sample_rate": 16000}])
def test_a_format_is_required(jdcloud, encode):
    text = json.dumps({"vpr_mode": "enroll", "encode": encode})
    assert enroll(jdcloud, Property=text) == BAD_FORMAT
    assert enroll(jdcloud, Property='{"vpr_mode":"enroll"}') == BAD_FORMAT


@pytest.mark.parametrize("rate", [8000, 44100, 16000.5, 0, -16000, None, "", "16k", True, [16000], 10**400])
def test_there_is_one_sample_rate(jdcloud, rate):
    assert enroll(jdcloud, Property=described(sample_rate=rate)) == BAD_LAYOUT


@pytest.mark.parametrize("channel", [0, 2, -1, None, "", "mono", True, [1], {}])
def test_there_is_one_channel(jdcloud, channel):
    assert enroll(jdcloud, Property=described(channel=channel)) == BAD_LAYOUT


@pytest.mark.parametrize("missing", ["channel", "sample_rate"])
def test_a_layout_is_required(jdcloud, missing):
    encode = {"channel": 1, "format": "wav", "sample_rate": 16000}
    del encode[missing]
    assert enroll(jdcloud, Property=json.dumps({"vpr_mode": "enroll", "encode": encode})) == BAD_LAYOUT


@pytest.mark.parametrize(("rate", "channel"), [("16000", "1"), (" 16000 ", "1"), (16000.0, 1.0), ("16000", 1)])
def test_numbers_may_be_text(jdcloud, rate, channel):
    assert enroll(jdcloud, Property=described(sample_rate=rate, channel=channel)) == ENROLLING


@pytest.mark.parametrize("autoend", [True, False, "true", "false", None, 1, "", [], math.inf])
def test_autoend_may_be_anything(jdcloud, autoend):
    assert enroll(jdcloud, Property=described(autoend=autoend)) == ENROLLING


def test_nothing_else_needs_to_be_described(jdcloud):
    text = '{ "encode": { "sample_rate": 16000, "format": "wav", "channel": 1 }, "vpr_mode": "enroll" }'
    assert enroll(jdcloud, Property=text) == ENROLLING


# --- The body --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "application/json", "audio/wav", "text/plain; charset=gbk", "", "*/*"]
)
def test_other_content_types_are_accepted(jdcloud, content_type):
    assert enroll(jdcloud, content_type=content_type) == ENROLLING


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "Multipart/Form-Data;boundary=x",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
    ],
)
def test_forms_are_not_accepted(jdcloud, content_type):
    assert enroll(jdcloud, content_type=content_type) == BAD_PARAMETERS
    assert not is_enrolling(jdcloud)


@pytest.fixture(params=["sign", "authorization"])
def in_chunks(request, jdcloud):
    """Sends a body without telling its length, signed in one of the two ways."""

    def send(content):
        by_sign = request.param == "sign"
        headers = packet_headers() if by_sign else authorized(jdcloud.credential, content, packet_headers())
        return jdcloud.client.generic(
            "POST",
            f"{VPR}?{jdcloud.signed()}" if by_sign else VPR,
            headers=headers | {"Transfer-Encoding": "chunked"},
            CONTENT_TYPE="application/octet-stream",
            **{"wsgi.input": io.BytesIO(content)},
        ).json()["result"]

    return send


def test_a_body_may_come_in_chunks(in_chunks):
    assert outcome(in_chunks(wav_of(SUSAN))) == ENROLLING


def test_a_body_in_chunks_has_a_limit(in_chunks, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    assert in_chunks(bytes(1001))["status"] == 61002


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 5000])
def test_a_length_that_is_no_number_is_refused(jdcloud, length):
    reply = jdcloud.client.generic(
        "POST",
        f"{VPR}?{jdcloud.signed()}",
        b"x",
        "application/octet-stream",
        headers=packet_headers(),
        CONTENT_LENGTH=length,
    )
    assert outcome(reply.json()["result"]) == BAD_PARAMETERS
