"""The conversation of the vendor's document, request by request."""

import base64
import json
import re

import pytest
from django.utils import timezone

from tests.api.iflytek.client import OLDER_SERVICE, SERVICE, gateway_message, read, request
from tests.cast import KEN, SUSAN, pcm_of, wav_of
from tests.clock import NEW_YEAR, fixed

PATH = f"/v1/private/{SERVICE}"
AUTHORIZATION = (
    "YXBpX2tleT0iYXBpa2V5WFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFgiLCBhbGdvcml0aG09ImhtYWMtc2hhMjU2IiwgaGVhZGVycz0iaG9z"
    "dCBkYXRlIHJlcXVlc3QtbGluZSIsIHNpZ25hdHVyZT0ibkdLV2tZZlJPQys2NHlBaSs3Q1JXVk9UbEhQZWg0UHNVTm1qV24rMWhyRT0i"
)
QUERY = f"authorization={AUTHORIZATION}&host=api.xf-yun.com&date=Wed%2C+01+Jan+2025+00%3A00%3A00+GMT"
SUCCESS_TEXT = "eyJtc2ciOiJzdWNjZXNzIn0="
AT_MOST_TWO_DECIMALS = re.compile(r'"score":-?\d\.\d{1,2},')


@pytest.fixture
def say(client, vector, monkeypatch):
    """Each call of the conversation: its function, parameters, recording and deviations, to the answer."""
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))

    def say(function, audio=None, *, changed=lambda body: body, **parameters):
        body = changed(request("app00001", function, audio, **parameters))
        return read(client.post(f"{PATH}?{QUERY}", json.dumps(body), content_type="application/json"))

    return say


def test_the_golden_conversation(client, say, monkeypatch):
    alice_1, alice_2, alice_3 = (wav_of(SUSAN, number) for number in (1, 2, 3))
    alice, bob = {"groupId": "g1", "featureId": "alice"}, {"groupId": "g1", "featureId": "bob"}

    early = say("createFeature", alice_1, **alice)
    assert (early.code, early.message) == (23005, "failed to create feature detail")

    created = say("createGroup", groupId="g1", groupName="demo")
    assert (created.code, created.message) == (0, "success")
    assert created.text == "eyJncm91cE5hbWUiOiJkZW1vIiwiZ3JvdXBJZCI6ImcxIiwiZ3JvdXBJbmZvIjoiIn0="

    assert say("queryFeatureList", groupId="g1").text == "W10="

    assert say("createFeature", alice_1, featureInfo="2025", **alice).text == "eyJmZWF0dXJlSWQiOiJhbGljZSJ9"
    assert say("createFeature", pcm_of(KEN), changed=under_the_older_name, **bob).result == {"featureId": "bob"}

    score = say("searchScoreFea", alice_2, groupId="g1", dstFeatureId="alice").result
    assert list(score) == ["score", "featureInfo", "featureId"]
    assert score == {"score": score["score"], "featureInfo": "2025", "featureId": "alice"}
    assert score["score"] >= 0.6

    found = say("searchFea", alice_2, groupId="g1", topK=2).result
    first, second = found["scoreList"]
    assert found == {
        "scoreList": [
            {"score": score["score"], "featureInfo": "2025", "featureId": "alice"},
            {"score": second["score"], "featureInfo": "", "featureId": "bob"},
        ]
    }
    assert first["score"] > second["score"]
    assert len(AT_MOST_TWO_DECIMALS.findall(json.dumps(found, separators=(",", ":")))) == 2

    assert say("searchFea", alice_2, groupId="g1", topK=11).code == 10139

    assert say("updateFeature", alice_3, cover=False, **alice).text == SUCCESS_TEXT

    assert say("deleteFeature", **bob).text == SUCCESS_TEXT
    again = say("deleteFeature", **bob)
    assert (again.code, again.message) == (23006, "failed to delete feature detail")

    foreign = say("queryFeatureList", groupId="g1", changed=of_another_application)
    assert (foreign.code, foreign.message) == (10313, "invalid appid")

    stars = say("createFeature", alice_1, changed=with_stars_for_audio, **alice)
    assert (stars.code, stars.message) == (10161, "parse base64 string error")

    brace = read(client.post(f"{PATH}?{QUERY}", "{", content_type="application/json"))
    assert (brace.code, brace.message) == (10160, "parse request json error")

    assert say("deleteGroup", groupId="g1").text == SUCCESS_TEXT

    nobody = client.post(PATH, "{}", content_type="application/json")
    assert (nobody.status_code, nobody.content) == (401, b'{"message":"Unauthorized"}')

    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + 301))
    late = client.post(f"{PATH}?{QUERY}", "{}", content_type="application/json")
    assert late.status_code == 403
    assert "a valid date" in gateway_message(late)


def under_the_older_name(body):
    return body | {"parameter": {OLDER_SERVICE: body["parameter"][SERVICE]}}


def of_another_application(body):
    return body | {"header": {"app_id": "other", "status": 3}}


def with_stars_for_audio(body):
    return body | {"payload": {"resource": body["payload"]["resource"] | {"audio": "***"}}}


@pytest.mark.django_db
def test_replies_are_compact_utf8_json(iflytek):
    reply = iflytek.raw(json.dumps(iflytek.body("createGroup", groupId="g1", groupName="员工")))
    header, _, payload = reply.content.decode().partition(',"payload":')
    assert header.startswith('{"header":{"code":0,"message":"success","sid":"ase000')
    text = '{"groupName":"员工","groupId":"g1","groupInfo":""}'
    assert payload == f'{{"createGroupRes":{{"text":"{in_base64(text)}"}}}}}}'


def in_base64(text):
    return base64.b64encode(text.encode()).decode()
