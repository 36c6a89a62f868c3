"""iFlytek keeps the contract of all dialects."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from tests.api.contract import (
    DONE,
    NOT_FOUND,
    REFUSED,
    UNAVAILABLE,
    UNUSABLE_AUDIO,
    Contract,
    Outages,
    Promises,
    Told,
)
from tests.api.iflytek.client import SERVICE, Iflytek, gateway_message, read, rfc_1123, signed
from tests.cast import KEN, SUSAN, in_form, recording, wav_of

PATH = f"/v1/private/{SERVICE}"
GROUP = "shared"
THRESHOLD = 0.6
OUTCOMES = {
    0: DONE,
    10009: UNUSABLE_AUDIO,
    10010: REFUSED,
    10222: UNAVAILABLE,
    11200: REFUSED,
    11201: UNAVAILABLE,
    11503: UNAVAILABLE,
    23005: NOT_FOUND,
    23006: NOT_FOUND,
    23007: NOT_FOUND,
}


class Speaking:
    """The vendor takes 16 kHz WAV, so the cast's recordings are converted; what is no recording goes as it is."""

    def __init__(self, iflytek: Iflytek) -> None:
        self.iflytek = iflytek
        assert iflytek.create_group(GROUP).code == 0

    def enroll(self, name, *utterances):
        return told(self.iflytek.create(name, in_form(*utterances, wav_of), groupId=GROUP))

    def verify(self, name, probe):
        found = self.iflytek.score(name, in_form(probe, wav_of), groupId=GROUP)
        return told(found, lambda result: result["score"] >= THRESHOLD)

    def best(self, probe):
        found = self.iflytek.search(in_form(probe, wav_of), groupId=GROUP, topK=1)
        return told(found, lambda result: next((one["featureId"] for one in result["scoreList"]), None))

    def listed(self):
        return told(self.iflytek.listed(GROUP), lambda result: [one["featureId"] for one in result])

    def counted(self):
        return told(self.iflytek.listed(GROUP), len)

    def delete(self, name):
        return told(self.iflytek.delete(name, GROUP))

    def badly_signed(self):
        return self.listed_with(signed(self.iflytek.credential, PATH) | {"host": "another.host"})

    def outdated(self):
        long_ago = rfc_1123(timezone.now() - timedelta(seconds=302))
        return self.listed_with(signed(self.iflytek.credential, PATH, date=long_ago))

    def listed_with(self, query):
        body = json.dumps(self.iflytek.body("queryFeatureList", groupId=GROUP))
        reply = self.iflytek.client.post(f"{PATH}?{urlencode(query)}", body, content_type="application/json")
        if reply.status_code == 200:
            return told(read(reply))
        assert gateway_message(reply).startswith("HMAC signature ")
        return Told(REFUSED)


def told(reply, value_of=lambda result: result):
    outcome = OUTCOMES[reply.code]
    return Told(outcome, value_of(reply.result) if outcome == DONE else None)


class InIflytek(Promises):
    enrolling_twice = DONE
    kept_of_a_contradiction = 1

    def contradict(self, speaking):
        assert speaking.enroll(SUSAN, recording(SUSAN)).done
        return told(speaking.iflytek.update(SUSAN, in_form(recording(KEN), wav_of), groupId=GROUP, cover=False))

    @pytest.fixture
    def us(self, iflytek):
        return Speaking(iflytek)

    @pytest.fixture
    def them(self, stranger):
        return Speaking(stranger)


@pytest.mark.django_db
class TestContract(InIflytek, Contract):
    pass


@pytest.mark.django_db(transaction=True)
class TestOutages(InIflytek, Outages):
    pass
