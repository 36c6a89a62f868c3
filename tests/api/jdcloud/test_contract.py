"""JD Cloud keeps the contract of all dialects."""

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
from tests.api.jdcloud.client import Jdcloud, signed
from tests.cast import in_form, wav_of

OUTER = dict.fromkeys(["10010", "10020", "10040", "10043", "11010"], UNAVAILABLE) | {"10047": REFUSED, "10045": REFUSED}
OUTER |= {"10048": REFUSED, "10050": REFUSED}
UNUSABLE = {61001, 61002, 61004, 61005, 61006, 62001, 63003}
INNER = dict.fromkeys(UNUSABLE, UNUSABLE_AUDIO) | {
    0: DONE,
    62002: UNAVAILABLE,
    62003: UNAVAILABLE,
    63005: UNAVAILABLE,
    63004: NOT_FOUND,
}


class Speaking:
    def __init__(self, jdcloud: Jdcloud) -> None:
        self.jdcloud = jdcloud

    def enroll(self, name, *utterances):
        return [self.say(content, mode="enroll", user=name) for content in utterances][-1]

    def verify(self, name, probe):
        return self.say(probe, mode="test", user=name)

    def badly_signed(self):
        return self.say(b"", query=self.jdcloud.signed() + "0")

    def outdated(self):
        long_ago = int(timezone.now().timestamp() * 1000) - 301_000
        return self.say(b"", query=signed(self.jdcloud.credential, long_ago))

    def say(self, content, **options):
        """The cast speaks Opus, which this vendor does not take."""
        reply = self.jdcloud.reply(in_form(content, wav_of), **options).json()
        if reply["code"] != "10000":
            return Told(OUTER[reply["code"]])
        outcome, texts = INNER[reply["result"]["status"]], reply["result"]["result"]
        return Told(outcome, texts == [{"text": "accept"}]) if outcome == DONE else Told(outcome)


class OfJdcloud(Promises):
    lacks = frozenset({"identify", "list", "delete"})
    utterances_to_enroll = 2
    kept_of_a_contradiction = 2
    enrolling_twice = DONE

    @pytest.fixture
    def us(self, jdcloud):
        return Speaking(jdcloud)

    @pytest.fixture
    def them(self, stranger):
        return Speaking(stranger)


@pytest.mark.django_db
class TestJdcloud(OfJdcloud, Contract):
    pass


@pytest.mark.django_db(transaction=True)
class TestOutages(OfJdcloud, Outages):
    pass
