"""What a request must say, and in which spellings of the field it may say it."""

import base64
import json

import pytest

from tests.api.iflytek.client import OLDER_SERVICE, SERVICE, WANTED_FORMAT, read
from tests.cast import KEN, SUSAN, wav_of

pytestmark = pytest.mark.django_db

AUDIO_FUNCTIONS = ["createFeature", "updateFeature", "searchScoreFea", "searchFea"]
FUNCTIONS = ["createGroup", "deleteGroup", "deleteFeature", "queryFeatureList", *AUDIO_FUNCTIONS]
NAMING = {
    "createFeature": {"featureId": SUSAN},
    "updateFeature": {"featureId": SUSAN},
    "deleteFeature": {"featureId": SUSAN},
    "searchScoreFea": {"dstFeatureId": SUSAN},
    "searchFea": {"topK": 1},
}
ABSENT = object()


@pytest.fixture
def susan(iflytek):
    """A client whose group g1 knows susan."""
    iflytek.create_group()
    assert iflytek.create(SUSAN, wav_of(SUSAN), featureInfo="2025").code == 0
    return iflytek


def a_request(iflytek, function):
    audio = wav_of(SUSAN, 2) if function in AUDIO_FUNCTIONS else None
    return iflytek.body(function, audio, groupId="g1", **NAMING.get(function, {}))


def changed(body, path, value):
    """The body with another value at the path, or without any."""
    *parents, last = path.split("/")
    place = body
    for name in parents:
        place = place[name]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return body


def validation_error(path, name, problem):
    return (10163, f"param validate error:{path} '{name}' param {problem}")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_answered_in_a_block_of_its_name(susan, function):
    reply = susan.raw(json.dumps(a_request(susan, function)))
    assert read(reply).code == 0
    assert list(reply.json()["payload"]) == [f"{function}Res"]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("header", "/"),
        ("header/app_id", "/header"),
        ("parameter", "/"),
        (f"parameter/{SERVICE}/func", f"/parameter/{SERVICE}"),
    ],
)
@pytest.mark.parametrize("value", [ABSENT, None], ids=["absent", "null"])
def test_what_every_function_needs(iflytek, function, path, place, value):
    reply = iflytek.sent(changed(a_request(iflytek, function), path, value))
    assert (reply.code, reply.message) == validation_error(place, path.rpartition("/")[2], "is required")


def test_the_missing_application_is_told_as_the_vendor_tells_it(iflytek):
    reply = iflytek.sent(changed(a_request(iflytek, "createGroup"), "header/app_id", ABSENT))
    assert reply.message == "param validate error:/header 'app_id' param is required"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_needs_a_group(iflytek, function):
    reply = iflytek.sent(changed(a_request(iflytek, function), f"parameter/{SERVICE}/groupId", ABSENT))
    assert (reply.code, reply.message) == validation_error(f"/parameter/{SERVICE}", "groupId", "is required")


@pytest.mark.parametrize("function", NAMING)
def test_some_functions_need_another_parameter(iflytek, function):
    (name,) = NAMING[function]
    reply = iflytek.sent(changed(a_request(iflytek, function), f"parameter/{SERVICE}/{name}", ABSENT))
    assert (reply.code, reply.message) == validation_error(f"/parameter/{SERVICE}", name, "is required")


@pytest.mark.parametrize("function", AUDIO_FUNCTIONS)
@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("payload", "/"),
        ("payload/resource", "/payload"),
        ("payload/resource/encoding", "/payload/resource"),
        ("payload/resource/sample_rate", "/payload/resource"),
        ("payload/resource/status", "/payload/resource"),
        ("payload/resource/audio", "/payload/resource"),
    ],
)
def test_a_recording_is_needed_to_hear_it(iflytek, function, path, place):
    reply = iflytek.sent(changed(a_request(iflytek, function), path, ABSENT))
    assert (reply.code, reply.message) == validation_error(place, path.rpartition("/")[2], "is required")


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("header", [], "object"),
        ("header/app_id", 12345678, "string"),
        ("parameter", "x", "object"),
        (f"parameter/{SERVICE}", [], "object"),
        (f"parameter/{SERVICE}/func", 1, "string"),
        (f"parameter/{SERVICE}/groupId", 7, "string"),
        (f"parameter/{SERVICE}/groupId", ["g1"], "string"),
        (f"parameter/{SERVICE}/featureId", 7, "string"),
        (f"parameter/{SERVICE}/featureId", {}, "string"),
        (f"parameter/{SERVICE}/featureInfo", 2025, "string"),
        (f"parameter/{SERVICE}/cover", "false", "boolean"),
        (f"parameter/{SERVICE}/cover", 0, "boolean"),
        (f"parameter/{SERVICE}/updateFeatureRes", "json", "object"),
        (f"parameter/{SERVICE}/updateFeatureRes", {"format": 1}, "string"),
        ("payload", [], "object"),
        ("payload/resource", "x", "object"),
        ("payload/resource/encoding", True, "string"),
        ("payload/resource/sample_rate", "16k", "int"),
        ("payload/resource/sample_rate", True, "int"),
        ("payload/resource/sample_rate", 16000.5, "int"),
        ("payload/resource/sample_rate", "１６０００", "int"),
        ("payload/resource/sample_rate", "9" * 5000, "int"),
        ("payload/resource/channels", [], "int"),
        ("payload/resource/bit_depth", "", "int"),
        ("payload/resource/status", {}, "int"),
        ("payload/resource/audio", 5, "string"),
        ("payload/resource/audio", [], "string"),
    ],
    ids=str,
)
def test_every_parameter_has_its_type(iflytek, path, value, word):
    reply = iflytek.sent(changed(a_request(iflytek, "updateFeature"), path, value))
    assert reply.code == 10163
    assert reply.message.startswith("param validate error:/")
    assert reply.message.endswith(f"param type must be {word}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("groupId", ""),
        ("groupId", "g" * 33),
        ("groupId", "a-b"),
        ("groupId", "a b"),
        ("groupId", "员工"),
        ("groupId", "g1\n"),
        ("groupId", "g\x00"),
        ("featureId", ""),
        ("featureId", "f" * 33),
        ("featureId", "a\nb"),
        ("featureId", "a\x00"),
        ("featureId", "a\x7f"),
        ("featureId", "\ud800"),
        ("featureInfo", "i" * 257),
        ("featureInfo", "a\x00b"),
        ("featureInfo", "\udfff"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("function", ["createFeature", "updateFeature"])
def test_texts_out_of_bounds_are_refused(iflytek, function, name, value):
    reply = iflytek.sent(changed(a_request(iflytek, function), f"parameter/{SERVICE}/{name}", value))
    assert reply.code == 10163
    assert reply.message.startswith(f"param validate error:/parameter/{SERVICE} '{name}' param ")


@pytest.mark.parametrize("name", ["groupName", "groupInfo"])
@pytest.mark.parametrize("value", ["n" * 257, "\x00", "\ud800"], ids=ascii)
def test_the_texts_of_a_group_have_bounds(iflytek, name, value):
    assert iflytek.create_group(**{name: value}).code == 10163
    assert iflytek.listed().code == 23007


def test_the_longest_texts_are_taken(iflytek):
    group, feature, text = "g" * 32, "名" * 32, "𝄞" * 256
    assert iflytek.create_group(group, groupName=text, groupInfo=text).result == {
        "groupName": text,
        "groupId": group,
        "groupInfo": text,
    }
    assert iflytek.create(feature, wav_of(SUSAN), groupId=group, featureInfo=text).code == 0
    assert iflytek.listed(group).result == [{"featureInfo": text, "featureId": feature}]


@pytest.mark.parametrize("feature", ["susan", "张明", "a b/c?d&e", "O'Neil; --", "../..", "𝄞", '"', " ", "%00"])
def test_names_of_all_kinds_are_taken_and_echoed(iflytek, feature):
    iflytek.create_group()
    assert iflytek.create(feature, wav_of(SUSAN)).result == {"featureId": feature}
    assert iflytek.score(feature, wav_of(SUSAN, 2)).result["featureId"] == feature
    assert iflytek.search(wav_of(SUSAN, 2)).result["scoreList"][0]["featureId"] == feature
    assert iflytek.update(feature, wav_of(SUSAN, 3)).code == 0
    assert iflytek.delete(feature).code == 0


@pytest.mark.parametrize("value", ["", None, ABSENT], ids=["empty", "null", "absent"])
def test_texts_for_people_may_be_left_out(iflytek, value):
    body = iflytek.body("createGroup", groupId="g1")
    body["parameter"][SERVICE] |= {} if value is ABSENT else {"groupName": value, "groupInfo": value}
    assert iflytek.sent(body).result == {"groupName": "", "groupId": "g1", "groupInfo": ""}
    body = iflytek.body("createFeature", wav_of(SUSAN), groupId="g1", featureId=SUSAN)
    body["parameter"][SERVICE] |= {} if value is ABSENT else {"featureInfo": value}
    assert iflytek.sent(body).code == 0
    assert iflytek.listed().result == [{"featureInfo": "", "featureId": SUSAN}]


@pytest.mark.parametrize("service", [SERVICE, OLDER_SERVICE])
@pytest.mark.parametrize("key", [SERVICE, OLDER_SERVICE, "sffffffff", ""])
def test_the_only_key_under_parameter_is_taken_whatever_its_name(iflytek, service, key):
    body = iflytek.body("createGroup", groupId="g1")
    body["parameter"] = {key: body["parameter"][SERVICE]}
    assert iflytek.sent(body, service).code == 0


def test_of_several_keys_under_parameter_that_of_the_path_is_taken(iflytek):
    body = iflytek.body("createGroup", groupId="g1")
    body["parameter"]["other"] = {}
    assert iflytek.sent(body).code == 0
    assert iflytek.sent(body, OLDER_SERVICE).message == validation_error("/parameter", OLDER_SERVICE, "is required")[1]


def test_a_strange_key_under_parameter_is_not_repeated(iflytek):
    reply = iflytek.sent(changed(iflytek.body("createGroup"), "parameter", {"\ud800": {}}))
    assert (reply.code, reply.message) == validation_error(f"/parameter/{SERVICE}", "func", "is required")


def test_both_services_reach_the_same_groups(susan):
    assert susan.sent(a_request(susan, "queryFeatureList"), OLDER_SERVICE) == susan.listed()


def test_the_older_editions_name_for_deleting_is_taken(susan):
    body = a_request(susan, "deleteFeature")
    reply = susan.raw(json.dumps(changed(body, f"parameter/{SERVICE}/func", "deleteFeatureRes")))
    assert list(reply.json()["payload"]) == ["deleteFeatureRes"]
    assert susan.listed().result == []


@pytest.mark.parametrize("function", ["", "createfeature", "verify", "createFeatureRes", "\ud800", "f" * 5000])
def test_an_unknown_function_is_an_invalid_parameter(iflytek, function):
    reply = iflytek.sent(changed(a_request(iflytek, "createGroup"), f"parameter/{SERVICE}/func", function))
    assert (reply.code, reply.message) == (10139, "invalid param")


@pytest.mark.parametrize("top_k", [0, 11, -1, "0", "11", 10**30, 1e300])
def test_top_k_has_bounds(iflytek, top_k):
    reply = iflytek.search(wav_of(SUSAN), topK=top_k)
    assert (reply.code, reply.message) == (10139, "invalid param")


@pytest.mark.parametrize("top_k", ["", "two", "2.5", 2.5, True, [2], {}], ids=repr)
def test_top_k_is_an_integer(iflytek, top_k):
    reply = iflytek.search(wav_of(SUSAN), topK=top_k)
    assert (reply.code, reply.message) == validation_error(f"/parameter/{SERVICE}", "topK", "type must be int")


@pytest.mark.parametrize("top_k", [1, 2, 2.0, "2", 10])
def test_top_k_limits_what_is_found(susan, top_k):
    for number in range(3):
        susan.create(f"ken{number}", wav_of(KEN))
    assert len(susan.search(wav_of(SUSAN), topK=top_k).result["scoreList"]) == min(4, int(top_k))


def test_numbers_may_be_sent_as_text(susan):
    body = a_request(susan, "searchFea")
    body["header"]["status"] = "3"
    body["parameter"][SERVICE]["topK"] = "2"
    body["payload"]["resource"] |= {"sample_rate": "16000", "channels": "1", "bit_depth": "16", "status": "3"}
    assert susan.sent(body).code == 0


@pytest.mark.parametrize("value", [ABSENT, None, 0, "x"], ids=["absent", "null", "0", "x"])
def test_the_status_of_the_session_is_not_checked(susan, value):
    assert susan.sent(changed(a_request(susan, "queryFeatureList"), "header/status", value)).code == 0


@pytest.mark.parametrize("name", ["channels", "bit_depth"])
def test_channels_and_bits_may_be_left_out(susan, name):
    assert susan.sent(changed(a_request(susan, "searchFea"), f"payload/resource/{name}", ABSENT)).code == 0


@pytest.mark.parametrize(
    "wanted",
    [ABSENT, None, {}, WANTED_FORMAT, WANTED_FORMAT | {"encoding": "utf-8"}, {"encoding": "UTF8"}, {"compress": None}],
    ids=lambda wanted: "absent" if wanted is ABSENT else str(wanted),
)
def test_the_wanted_format_may_be_written_in_several_ways(susan, wanted):
    body = a_request(susan, "queryFeatureList")
    assert susan.sent(changed(body, f"parameter/{SERVICE}/queryFeatureListRes", wanted)).code == 0


@pytest.mark.parametrize("wanted", [{"encoding": "gbk"}, {"compress": "gzip"}, {"format": "xml"}], ids=str)
def test_a_format_that_nobody_makes_is_refused(iflytek, wanted):
    body = a_request(iflytek, "queryFeatureList")
    reply = iflytek.sent(changed(body, f"parameter/{SERVICE}/queryFeatureListRes", wanted))
    assert reply.code == 10163


@pytest.mark.parametrize("encoding", ["", "wav", "opus", "speex-wb"])
def test_an_encoding_that_nobody_reads_is_refused(iflytek, encoding):
    body = changed(a_request(iflytek, "searchFea"), "payload/resource/encoding", encoding)
    reply = iflytek.sent(body)
    assert (reply.code, reply.message) == validation_error("/payload/resource", "encoding", "must be lame or raw")


def test_parameters_nobody_knows_are_ignored(susan):
    body = a_request(susan, "queryFeatureList")
    body["parameter"][SERVICE]["colour"] = body["more"] = {"a": [None]}
    assert susan.sent(body).code == 0


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/json;charset=gbk", "text/plain", ""],
)
def test_the_content_type_does_not_matter(susan, content_type):
    body = json.dumps(a_request(susan, "queryFeatureList"))
    assert read(susan.raw(body, content_type=content_type)).code == 0


def test_a_form_in_name_is_json_in_fact(susan):
    body = json.dumps(a_request(susan, "queryFeatureList"))
    assert read(susan.raw(body, content_type="application/x-www-form-urlencoded")).code == 0


@pytest.mark.parametrize(
    "text",
    ["***", "A", "AAA", "AAAAA", "AA==AA==", "====", "AAAA=", "A===", "AAAA====", "AA AA", "-_-_", "é", "\ud800"],
)
def test_what_is_no_base64_is_said_to_be_none(iflytek, text):
    reply = iflytek.sent(changed(a_request(iflytek, "searchFea"), "payload/resource/audio", text))
    assert (reply.code, reply.message) == (10161, "parse base64 string error")


def test_a_data_address_is_no_base64(iflytek):
    body = a_request(iflytek, "searchFea")
    text = "data:audio/wav;base64," + body["payload"]["resource"]["audio"]
    assert iflytek.sent(changed(body, "payload/resource/audio", text)).code == 10161


def test_base64_may_come_in_lines(susan):
    body = a_request(susan, "searchFea")
    text = base64.encodebytes(wav_of(SUSAN, 2)).decode().replace("\n", "\r\n")
    assert susan.sent(changed(body, "payload/resource/audio", text)).code == 0


def test_an_empty_recording_is_refused(iflytek):
    reply = iflytek.sent(changed(a_request(iflytek, "searchFea"), "payload/resource/audio", ""))
    assert (reply.code, reply.message) == validation_error("/payload/resource", "audio", "length must be 1 to 4194304")
