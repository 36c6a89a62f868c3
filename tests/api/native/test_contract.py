"""Our own API keeps the contract of all dialects."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.services import issue_token
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
from tests.api.native.client import STAFF, Native, encoded, problem

OUTCOMES = {
    "invalid-token": REFUSED,
    "tenant-closed": REFUSED,
    "api-closed": REFUSED,
    "consent-missing": REFUSED,
    "opted-out": REFUSED,
    "speaker-exists": EXISTS,
    "speaker-not-found": NOT_FOUND,
    "rate-limited": UNAVAILABLE,
    "day-exhausted": UNAVAILABLE,
    "speakers-exhausted": UNAVAILABLE,
    "storage-exhausted": UNAVAILABLE,
    "too-many-at-once": UNAVAILABLE,
    "too-busy": UNAVAILABLE,
    "timed-out": UNAVAILABLE,
    "unavailable": UNAVAILABLE,
    "internal-error": UNAVAILABLE,
    "model-unusable": UNAVAILABLE,
    "invalid-request": UNUSABLE_AUDIO,
    "unusable-audio": UNUSABLE_AUDIO,
    "undecodable-audio": UNUSABLE_AUDIO,
    "unrecognised-audio": UNUSABLE_AUDIO,
    "damaged-audio": UNUSABLE_AUDIO,
    "too-short": UNUSABLE_AUDIO,
    "too-expensive": UNUSABLE_AUDIO,
    "not-enough-speech": UNUSABLE_AUDIO,
    "poor-quality": UNUSABLE_AUDIO,
    "speaker-mismatch": UNUSABLE_AUDIO,
}


class Speaking:
    def __init__(self, native: Native) -> None:
        self.native = native

    def enroll(self, name, *utterances):
        return told(self.native.enroll(name, *utterances))

    def verify(self, name, probe):
        body = STAFF | {"external_id": name, "audio": encoded(probe)}
        return told(self.native.post("verify", body), lambda verification: verification["accepted"])

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
        return self.listed_with("wrong")

    def outdated(self):
        _, expired = issue_token(self.native.tenant, scopes=["read"], expires=timezone.now() - timedelta(seconds=1))
        return self.listed_with(expired)

    def listed_with(self, token):
        return told(self.native.get("speakers", headers={"Authorization": f"Bearer {token}"}))


def told(reply, value_of=lambda _: None):
    if reply.status_code < 300:
        return Told(DONE, value_of(reply.json()) if reply.content else None)
    return Told(OUTCOMES[problem(reply)[1]])


class Own(Promises):
    @pytest.fixture
    def us(self, native):
        return Speaking(native)

    @pytest.fixture
    def them(self, stranger):
        return Speaking(stranger)


@pytest.mark.django_db
class TestContract(Own, Contract):
    pass


@pytest.mark.django_db(transaction=True)
class TestOutages(Own, Outages):
    pass
