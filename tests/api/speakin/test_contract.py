"""SpeakIn keeps the contract of all dialects. Names are the client's own business there: it remembers the ids."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api.contract import DONE, NOT_FOUND, REFUSED, UNAVAILABLE, UNUSABLE_AUDIO, Contract, Outages, Promises, Told
from tests.api.speakin.client import (
    BAD_FILE,
    NO_CONSENT,
    NOBODYS_ID,
    OTHER_VOICES,
    QUOTA_EXHAUSTED,
    SYSTEM_ERROR,
    TOO_FEW_FILES,
    UNKNOWN_ID,
    files,
    signed,
)

OUTCOMES = [
    (BAD_FILE, UNUSABLE_AUDIO),
    (OTHER_VOICES, UNUSABLE_AUDIO),
    (TOO_FEW_FILES, UNUSABLE_AUDIO),
    (UNKNOWN_ID, NOT_FOUND),
    (NO_CONSENT, REFUSED),
    (QUOTA_EXHAUSTED, UNAVAILABLE),
    (SYSTEM_ERROR, UNAVAILABLE),
]
GATEWAY = {401: REFUSED, 403: REFUSED, 429: UNAVAILABLE, 500: UNAVAILABLE}


class Speaking:
    def __init__(self, speakin, ids) -> None:
        self.speakin, self.ids = speakin, ids

    def enroll(self, name, *utterances):
        told = self.told("vecforregister", files(*utterances), lambda data: data["vecId"])
        if told.done:
            self.ids[name] = told.value
        return told

    def verify(self, name, probe):
        return self.compared(probe, [self.ids.get(name, NOBODYS_ID)], lambda accepted: accepted[0])

    def best(self, probe):
        """1:n: the first of the client's ids that is accepted."""
        if not self.ids:
            return Told(DONE)
        return self.compared(probe, list(self.ids.values()), lambda accepted: list(self.ids)[accepted.index(True)])

    def compared(self, probe, ids, value_of):
        probed = self.told("vecforcompare", files(probe), lambda data: data["vecId"])
        if not probed.done:
            return probed
        body = {"vecId": probed.value, "cmpVecIdList": ids}
        return self.told("compare", body, lambda data: value_of(accepted(data)), content_type="application/json")

    def badly_signed(self):
        headers = self.speakin.headers()
        wrong = headers["Authorization"].replace('signature="', 'signature="A')
        return self.compared_with(headers | {"Authorization": wrong})

    def outdated(self):
        return self.compared_with(signed(self.speakin.credential, timezone.now() - timedelta(seconds=901)))

    def compared_with(self, headers):
        return outcome_of(self.speakin.client.post("/release/num/compare", headers=headers), None)

    def told(self, operation, *arguments, **options):
        *sent, value_of = arguments
        return outcome_of(self.speakin.post(operation, *sent, **options), value_of)


def accepted(data):
    return [entry["score"] > data["thresholdScore"] for entry in data["cmpResultList"]]


def outcome_of(reply, value_of):
    if reply.status_code != 200:
        return Told(GATEWAY[reply.status_code])
    said = reply.json()
    if said["hasError"]:
        return Told(next(outcome for refusal, outcome in OUTCOMES if refusal == said))
    return Told(DONE, value_of(said["data"]))


class Speakin(Promises):
    # Who is compared with whom is told in scores, of several at once.
    lacks = frozenset({"list", "delete", "verdicts"})
    utterances_to_enroll = 3
    # Every registration makes an id of its own.
    enrolling_twice = DONE

    @pytest.fixture
    def ids(self):
        return {}

    @pytest.fixture
    def us(self, speakin, ids):
        return Speaking(speakin, ids)

    @pytest.fixture
    def them(self, stranger, ids):
        """Who got to know our ids."""
        return Speaking(stranger, ids)


@pytest.mark.django_db
class TestContract(Speakin, Contract):
    pass


@pytest.mark.django_db(transaction=True)
class TestOutages(Speakin, Outages):
    pass
