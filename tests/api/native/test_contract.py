"""Our own API keeps the contract of all dialects."""

import pytest

from tests.api.contract import DONE, EXISTS, NOT_FOUND, REFUSED, UNUSABLE_AUDIO, Contract, Told
from tests.api.native.client import STAFF, Native, problem

pytestmark = pytest.mark.django_db

OUTCOMES = {
    "invalid-token": REFUSED,
    "speaker-exists": EXISTS,
    "speaker-not-found": NOT_FOUND,
    "unrecognised-audio": UNUSABLE_AUDIO,
    "too-short": UNUSABLE_AUDIO,
    "not-enough-speech": UNUSABLE_AUDIO,
}


class Speaking:
    def __init__(self, native: Native) -> None:
        self.native = native

    def enroll(self, name, *utterances):
        return told(self.native.enroll(name, *utterances))

    def best(self, probe):
        reply = self.native.identify(probe)
        return told(reply, lambda found: found["candidates"][0]["external_id"] if found["candidates"] else None)

    def listed(self):
        reply = self.native.get("speakers", **STAFF)
        return told(reply, lambda page: [speaker["external_id"] for speaker in page["items"]])

    def counted(self):
        reply = self.native.get("libraries", **STAFF)
        return told(reply, lambda page: sum(library["speaker_count"] for library in page["items"]))

    def delete(self, name):
        found = self.native.get("speakers", external_id=name, **STAFF).json()["items"]
        return told(self.native.delete(f"speakers/{found[0]['id'] if found else 999999}"))

    def badly_signed(self):
        return told(self.native.get("speakers", headers={"Authorization": "Bearer wrong"}))


def told(reply, value_of=lambda _: None):
    if reply.status_code < 300:
        return Told(DONE, value_of(reply.json()) if reply.content else None)
    return Told(OUTCOMES[problem(reply)[1]])


class TestNative(Contract):
    @pytest.fixture
    def us(self, native):
        return Speaking(native)

    @pytest.fixture
    def them(self, stranger):
        return Speaking(stranger)
