"""The conversation of the vendor's document, request by request."""

import json
import re

import pytest
from django.utils import timezone

from tests.api.speakin.client import BAD_FILE, NOBODYS_ID, TOO_FEW_FILES, UNKNOWN_ID, part
from tests.api.speakin.client import vec_id as the_id
from tests.cast import KEN, SUSAN, UUID4, recording
from tests.clock import NEW_YEAR, fixed

DATE = "Wed, 01 Jan 2025 00:00:00 GMT"
AUTHORIZATION = (
    'hmac id="AKIDexample", algorithm="hmac-sha1", headers="date source", signature="iLCX+langlmvLQTLqqgyPll4F48="'
)
SIGNED = {"Date": DATE, "Source": "test", "Authorization": AUTHORIZATION}


def said(change, by):
    return SIGNED | {"Authorization": AUTHORIZATION.replace(change, by)}


def test_the_golden_conversation(client, vectors, monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))

    def send(path, *recordings):
        parts = {f"file{number}": part(content) for number, content in enumerate(recordings, 1)}
        reply = client.post(path, parts, headers=SIGNED)
        assert reply.status_code == 200
        return reply.json()

    def compare(body, headers=SIGNED, expected_status=200):
        text = json.dumps(body)
        reply = client.post("/release/num/compare", text, content_type="application/json", headers=headers)
        assert reply.status_code == expected_status
        return reply.json()

    a_1, a_2, a_3, a_4 = (recording(SUSAN, number) for number in (1, 2, 3, 4))
    b_1 = recording(KEN, 1)

    assert send("/release/num/vecforregister", a_1, a_2) == TOO_FEW_FILES

    v1 = the_id(send("/release/num/vecforregister", a_1, a_2, a_3))
    v2 = the_id(send("/release/num/vecforcompare", a_4))
    v3 = the_id(send("/num/vecforcompare", b_1))
    assert all(re.fullmatch(UUID4, each) for each in (v1, v2, v3))
    assert len({v1, v2, v3}) == 3

    assert send("/release/num/vecforcompare", b"a text file") == BAD_FILE

    request_6 = {"vecId": v2, "cmpVecIdList": [v1]}
    reply_6 = compare(request_6)
    threshold = reply_6["data"]["thresholdScore"]
    score = reply_6["data"]["cmpResultList"][0]["score"]
    assert reply_6 == {
        "data": {"cmpResultList": [{"cmpVecId": v1, "score": score}], "thresholdScore": threshold},
        "errorDesc": "",
        "errorId": "",
        "hasError": False,
    }
    assert score > threshold

    two = compare({"vec_id": v2, "cmp_vec_id_list": [v3, v1]})["data"]
    assert [entry["cmpVecId"] for entry in two["cmpResultList"]] == [v3, v1]
    assert two["cmpResultList"][0]["score"] < two["thresholdScore"] < two["cmpResultList"][1]["score"]

    assert compare({"vecId": v2, "cmpVecIdList": [v1, NOBODYS_ID]}) == UNKNOWN_ID

    too_many = compare({"vecId": v2, "cmpVecIdList": [v1] * 101})
    assert (too_many["hasError"], too_many["errorId"]) == (True, "LOGINC_ERROR")

    unsigned = {name: value for name, value in SIGNED.items() if name != "Authorization"}
    assert compare(request_6, unsigned, 401) == {
        "message": "HMAC signature cannot be verified, a validate authorization header is required"
    }
    assert compare(request_6, said("iLCX", "iLCY"), 403) == {"message": "HMAC signature does not match"}
    assert compare(request_6, said("AKIDexample", "nobody"), 403) == {"message": "HMAC signature cannot be verified"}

    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + 901))
    assert compare(request_6, expected_status=403) == {
        "message": "HMAC signature cannot be verified, a valid date header is required"
    }
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))

    with_x_date = AUTHORIZATION.replace("date source", "x-date source").replace(
        "iLCX+langlmvLQTLqqgyPll4F48=", "bBw24eITfcyxqQ3Szt7A+P5eAq4="
    )
    assert compare(request_6, {"X-Date": DATE, "Source": "test", "Authorization": with_x_date}) == reply_6


@pytest.mark.django_db
def test_replies_are_compact_utf8_json(speakin):
    reply = speakin.post("compare", b"[]", content_type="application/json")
    assert reply["Content-Type"] == "application/json"
    expected = '{"hasError":true,"errorId":"LOGINC_ERROR","errorDesc":"请求参数错误，请重试","data":{}}'
    assert reply.content == expected.encode()
