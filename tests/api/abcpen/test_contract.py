"""ABCPen keeps the contract of all dialects."""

import time

import pytest

from tests.api.abcpen.client import Abcpen as Client
from tests.api.abcpen.client import part, signed
from tests.api.contract import (
    DONE,
    EXISTS,
    NOT_FOUND,
    REFUSED,
    UNAVAILABLE,
    UNUSABLE_AUDIO,
    Contract,
    Outages,
    Promises,
    Told,
)

LIBRARY = {"org_id": "shared", "tag_id": "name"}


class Speaking:
    """The codes of this dialect do not tell "exists" from "unusable" or "not found"; the operation does."""

    def __init__(self, abcpen: Client) -> None:
        self.abcpen = abcpen

    def enroll(self, name, *utterances):
        reply = self.abcpen.post("register", spk_name=name, audio=part(*utterances), **LIBRARY)
        return told(reply, EXISTS if "exists" in reply["msg"] else UNUSABLE_AUDIO)

    def best(self, probe):
        reply = self.abcpen.post("recognize", audio=part(probe), **LIBRARY)
        return told(reply, UNUSABLE_AUDIO, lambda found: found[0]["spk_name"] if found else None)

    def listed(self):
        return told(self.abcpen.get("list", **LIBRARY), "", lambda page: [entry["spk_name"] for entry in page])

    def counted(self):
        return told(self.abcpen.get("count", **LIBRARY), "", lambda data: data["count"])

    def delete(self, name):
        return told(self.abcpen.get("del-spk-name", spk_name=name, **LIBRARY), NOT_FOUND)

    def badly_signed(self):
        headers = self.abcpen.headers() | {"X-App-Signature": "wrong"}
        return self.counted_with(headers)

    def outdated(self):
        return self.counted_with(signed(self.abcpen.credential, int(time.time()) - 301))

    def counted_with(self, headers):
        return told(self.abcpen.client.get("/voiceid/count?org_id=shared", headers=headers).json(), "")


def told(reply, illegal, value_of=lambda data: data):
    outcomes = {
        "0": DONE,
        "10105": REFUSED,
        "10107": illegal,
        "10110": REFUSED,
        "10700": UNAVAILABLE,
        "10701": UNUSABLE_AUDIO,
        "10800": UNAVAILABLE,
        "16003": UNAVAILABLE,
    }
    outcome = outcomes[reply["code"]]
    return Told(outcome, value_of(reply["data"]) if outcome == DONE else None)


class Abcpen(Promises):
    # A registration has one recording, and an update replaces it.
    lacks = frozenset({"verify", "disagreement"})

    @pytest.fixture
    def us(self, abcpen):
        return Speaking(abcpen)

    @pytest.fixture
    def them(self, stranger):
        return Speaking(stranger)


@pytest.mark.django_db
class TestContract(Abcpen, Contract):
    pass


@pytest.mark.django_db(transaction=True)
class TestOutages(Abcpen, Outages):
    pass
