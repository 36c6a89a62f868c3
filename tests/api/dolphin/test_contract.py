"""Dolphin keeps the contract of all dialects."""

import pytest

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
    Speaking,
    Told,
)
from tests.api.dolphin.client import (
    DONE_ALREADY,
    INVALID,
    NOBODY,
    NOT_UNREGISTERED,
    SERVICE_ERROR,
    SUCCESS,
    UNKNOWN,
    UNUSABLE,
    Dolphin,
    audio,
    said,
    told,
)
from tests.cast import in_form

OUTCOMES = {
    SUCCESS: DONE,
    DONE_ALREADY: EXISTS,
    UNUSABLE: UNUSABLE_AUDIO,
    UNKNOWN: NOT_FOUND,
    INVALID: REFUSED,
    NOT_UNREGISTERED: NOT_FOUND,
    NOBODY: DONE,
    SERVICE_ERROR: UNAVAILABLE,
}
THRESHOLD = 0.7
# "ken" is too short for a user_name.
PREFIX = "user_"


class DolphinSpeaking:
    def __init__(self, dolphin: Dolphin) -> None:
        self.dolphin = dolphin

    def enroll(self, name, *utterances):
        for number, utterance in enumerate(utterances, 1):
            reply = self.told("enroll", user_name=PREFIX + name, enroll_num=number, **audio(in_form(utterance, said)))
            if not reply.done:
                break
        return reply

    def verify(self, name, probe):
        reply = self.told("verify", user_name=PREFIX + name, **audio(in_form(probe, said)))
        return Told(DONE, reply.value["confidence"] > THRESHOLD) if reply.done else reply

    def best(self, probe):
        found = self.told("verify", **audio(in_form(probe, said)))
        return Told(found.outcome, our(found.value[0]) if found.value else None)

    def listed(self):
        users = self.users()
        return Told(users.outcome, [our(user) for user in users.value])

    def counted(self):
        users = self.users()
        return Told(users.outcome, len(users.value))

    def delete(self, name):
        return self.told("unregister", user_name=PREFIX + name)

    def badly_signed(self):
        stranger = DolphinSpeaking(Dolphin(self.dolphin.client, f"{self.dolphin.base}x", self.dolphin.tenant))
        return stranger.users()

    def users(self):
        return outcome_of(self.dolphin.client.get(f"{self.dolphin.base}/getUsers"))

    def told(self, operation, **members):
        return outcome_of(self.dolphin.raw(operation, members))


def outcome_of(reply):
    if reply.status_code == 404:
        return Told(REFUSED)
    body = told(reply)
    outcome = OUTCOMES[body["status"]]
    return Told(outcome, body["data"] if outcome == DONE else None)


def our(user):
    return user["user_name"].removeprefix(PREFIX)


class Promised(Promises):
    lacks = frozenset({"dates"})
    utterances_to_enroll = 3
    kept_of_a_contradiction = 2

    @pytest.fixture
    def us(self, dolphin) -> Speaking:
        return DolphinSpeaking(dolphin)

    @pytest.fixture
    def them(self, stranger) -> Speaking:
        return DolphinSpeaking(stranger)


@pytest.mark.django_db
class TestContract(Promised, Contract):
    pass


@pytest.mark.django_db(transaction=True)
class TestOutages(Promised, Outages):
    pass
