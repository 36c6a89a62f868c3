"""What clients in the field send, beside what the vendor's document says."""

import json

import pytest

from tests.api.speakin.client import BAD_REQUEST, TOO_FEW_FILES, UNKNOWN_ID, files, part, scores, vec_id
from tests.cast import KEN, SUSAN, recording
from tests.shared_data import shared

pytestmark = pytest.mark.django_db

VENDORS_HOST = "service-mu94zm7e-1256142414.ap-guangzhou.apigateway.myqcloud.com"
STAGES = ["", "/release", "/test", "/prepub"]


@pytest.fixture
def susan(speakin):
    return speakin.probed(SUSAN)


@pytest.mark.parametrize("first", ["vecId", "vec_id"])
@pytest.mark.parametrize("second", ["cmpVecIdList", "cmp_vec_id_list"])
def test_both_spellings_are_understood(speakin, susan, first, second):
    assert scores(speakin.ask({first: susan, second: [susan]})) == [100]


def test_of_both_spellings_camel_case_counts(speakin, susan):
    both = {"vecId": susan, "vec_id": "other", "cmpVecIdList": [susan], "cmp_vec_id_list": ["other"]}
    assert scores(speakin.ask(both)) == [100]
    assert speakin.ask(both | {"vecId": "other", "vec_id": susan}) == UNKNOWN_ID
    assert speakin.ask(both | {"vecId": "", "vec_id": susan}) == UNKNOWN_ID
    assert speakin.ask(both | {"cmpVecIdList": [], "cmp_vec_id_list": [susan]}) == UNKNOWN_ID


def test_a_null_is_no_spelling(speakin, susan):
    assert scores(speakin.ask({"vecId": None, "vec_id": susan, "cmpVecIdList": [susan]})) == [100]


def test_other_keys_are_ignored(speakin, susan):
    body = json.dumps({"vecId": susan, "cmpVecIdList": [susan]})[:-1] + ',"other":[1e999,"\\ud800"],"vecid":1}'
    assert scores(speakin.ask(body)) == [100]


@pytest.mark.parametrize("accept", ["json", "JSON", "text/html", "application/xml;q=0", "*", "", "a" * 5000])
@pytest.mark.parametrize("operation", ["vecforregister", "vecforcompare", "compare"])
def test_whatever_a_client_accepts_it_gets_json(speakin, accept, operation):
    reply = speakin.send(f"{operation}?format=xml", b"", "", Accept=accept)
    assert reply.status_code == 200
    assert reply["Content-Type"] == "application/json"
    assert reply.json() == (UNKNOWN_ID if operation == "compare" else TOO_FEW_FILES)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=no-such-charset",
        "application/json; charset=latin-1",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_json_is_utf8_whatever_its_content_type(speakin, susan, content_type):
    body = json.dumps({"vecId": susan, "cmpVecIdList": [susan], "名": "测试"}, ensure_ascii=False)
    assert scores(speakin.ask(body.encode(), content_type)) == [100]


def test_a_byte_order_mark_is_passed_over(speakin, susan):
    body = json.dumps({"vecId": susan, "cmpVecIdList": [susan]}).encode("utf-8-sig")
    assert scores(speakin.ask(body)) == [100]


def test_json_in_another_encoding_is_a_bad_request(speakin, susan):
    body = json.dumps({"vecId": susan, "cmpVecIdList": [susan], "名": "测试"}, ensure_ascii=False)
    assert speakin.ask(body.encode("gbk")) == BAD_REQUEST


@pytest.mark.parametrize("content_type", ["audio/x-wav", "application/octet-stream", "text/html", "image/png", ""])
@pytest.mark.parametrize("name", ["a-1.wav", "a-1", "a-1.pcm", "测试.mp3", "../a.wav", "a\u202e.wav"])
def test_neither_name_nor_type_of_a_file_counts(speakin, name, content_type):
    vec_id(speakin.probe(file1=part(recording(SUSAN), name, content_type)))


def test_file_names_in_json_with_the_vendors_host_are_too_few_files(speakin, settings):
    settings.ALLOWED_HOSTS = ["voice.example.com"]
    headers = speakin.headers() | {"Host": VENDORS_HOST}
    body = {"file1": "a-1.wav", "file2": "a-2.wav", "file3": "a-3.wav"}
    reply = speakin.client.post("/release/num/vecforregister", body, content_type="application/json", headers=headers)
    assert (reply.status_code, reply.json()) == (200, TOO_FEW_FILES)


@pytest.mark.parametrize("host", [VENDORS_HOST, "voice.example.com", "some_service:8000", "nobody.example", ""])
def test_the_host_does_not_matter(speakin, susan, settings, host):
    settings.ALLOWED_HOSTS = ["voice.example.com"]
    body = {"vecId": susan, "cmpVecIdList": [susan]}
    headers = speakin.headers() | {"Host": host}
    assert scores(speakin.client.post("/num/compare", body, "application/json", headers=headers).json()) == [100]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("secure", [False, True])
def test_every_stage_serves_the_same(speakin, susan, stage, secure):
    def send(operation, *arguments):
        return speakin.client.post(
            f"{stage}/num/{operation}", *arguments, headers=speakin.headers(), secure=secure
        ).json()

    registered = vec_id(send("vecforregister", files(*[recording(SUSAN, number) for number in (1, 2, 3)])))
    probed = vec_id(send("vecforcompare", files(recording(KEN))))
    same, other = scores(send("compare", {"vecId": susan, "cmpVecIdList": [registered, probed]}, "application/json"))
    assert other < 60 < same


def test_the_same_signed_headers_serve_every_operation(speakin):
    headers = speakin.headers()
    contents = [recording(SUSAN, number) for number in (1, 2, 3)]
    made = [
        vec_id(speakin.client.post("/num/vecforregister", files(*contents), headers=headers).json()),
        vec_id(speakin.client.post("/num/vecforcompare", files(contents[0]), headers=headers).json()),
    ]
    body = {"vecId": made[0], "cmpVecIdList": made}
    assert len(scores(speakin.client.post("/num/compare", body, "application/json", headers=headers).json())) == 2


FORMATS = ["wav_16k_s16.wav", "wav_8k_alaw.wav", "mp3_named.wav", "amr_nb_122.amr", "aac_lc.m4a", "no_extension"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_recording_is_taken_in_any_format_under_any_name(speakin, name):
    vec_id(speakin.probe(shared("formats", name).read_bytes()))
