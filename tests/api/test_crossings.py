"""Who is enrolled through one dialect is known through every other that can name the library and the speaker."""

from __future__ import annotations

import pytest

from tests.api.abcpen.client import Abcpen, part
from tests.api.dolphin.client import Dolphin, address_for
from tests.api.dolphin.client import said as five_seconds
from tests.api.iflytek.client import Iflytek
from tests.api.jdcloud.client import Jdcloud
from tests.api.native.client import Native, encoded
from tests.api.speakin.client import NOBODYS_ID, Speakin, scores
from tests.cast import KEN, SUSAN, recording, wav_of

pytestmark = pytest.mark.django_db

# A name that every vendor takes for one of its libraries: Dolphin's groups are numbers.
LIBRARY = "7"


class ThroughAbcpen:
    def __init__(self, client, credential) -> None:
        self.abcpen = Abcpen(client, credential)

    def enroll(self, library, name, voice):
        reply = self.abcpen.register(recording(voice), name, org_id=library, tag_id="")
        assert reply["code"] == "0"

    def knows(self, library, name, voice):
        found = self.abcpen.recognize(recording(voice, 4), org_id=library, tag_id="")["data"]
        return bool(found) and found[0]["spk_name"] == name and found[0]["score"] > 75


class ThroughIflytek:
    def __init__(self, client, credential) -> None:
        self.iflytek = Iflytek(client, credential)

    def enroll(self, library, name, voice):
        self.iflytek.create_group(library)
        assert self.iflytek.create(name, wav_of(voice), groupId=library).code == 0

    def knows(self, library, name, voice):
        one = self.iflytek.score(name, wav_of(voice, 4), groupId=library)
        many = self.iflytek.search(wav_of(voice, 4), groupId=library)
        return one.code == 0 and one.result["score"] >= 0.6 and many.result["scoreList"][0]["featureId"] == name


class ThroughJdcloud:
    def __init__(self, client, credential) -> None:
        self.jdcloud = Jdcloud(client, credential)

    def enroll(self, library, name, voice):
        for number in (1, 2):
            self.jdcloud.enroll(wav_of(voice, number), user=name, Application_Id=library)

    def knows(self, library, name, voice):
        tested = self.jdcloud.test(wav_of(voice, 4), user=name, Application_Id=library)
        return tested["result"] == [{"text": "accept"}]


class ThroughDolphin:
    def __init__(self, client, credential) -> None:
        self.dolphin = Dolphin(client, address_for(credential.tenant), credential.tenant)

    def enroll(self, library, name, voice):
        self.dolphin.enroll_fully(voice, name, int(library))

    def knows(self, library, name, voice):
        one = self.dolphin.verify(five_seconds(voice, 4), name)
        many = self.dolphin.verify(five_seconds(voice, 4), group_id=[int(library)])
        return one["status"] == "00000" and one["data"]["confidence"] > 0.7 and many["data"][0]["user_name"] == name


class ThroughTheOwnApi:
    def __init__(self, client, credential) -> None:
        self.native = Native(client, credential.tenant)

    def enroll(self, library, name, voice):
        reply = self.native.enroll(name, recording(voice), org_id=library, tag_id="")
        assert reply.status_code == 201

    def knows(self, library, name, voice):
        named = {"org_id": library, "tag_id": "", "external_id": name, "audio": encoded(recording(voice, 4))}
        reply = self.native.post("verify", named)
        return reply.status_code == 200 and reply.json()["accepted"]


DIALECTS = {
    "abcpen": ThroughAbcpen,
    "iflytek": ThroughIflytek,
    "jdcloud": ThroughJdcloud,
    "dolphin": ThroughDolphin,
    "native": ThroughTheOwnApi,
}


@pytest.mark.parametrize("other", DIALECTS)
@pytest.mark.parametrize("one", DIALECTS)
def test_a_speaker_crosses(client, acme_credential, one, other):
    DIALECTS[one](client, acme_credential).enroll(LIBRARY, SUSAN, SUSAN)
    through = DIALECTS[other](client, acme_credential)
    assert through.knows(LIBRARY, SUSAN, SUSAN)
    assert not through.knows(LIBRARY, SUSAN, KEN)


@pytest.mark.parametrize("other", ["abcpen", "jdcloud", "native"])
def test_a_speakin_id_crosses(client, acme_credential, other):
    vec_id = Speakin(client, acme_credential).registered(SUSAN)
    assert DIALECTS[other](client, acme_credential).knows("speakin", vec_id, SUSAN)


def test_a_speakin_id_is_found_where_it_is_too_long_to_be_asked_for(client, acme_credential):
    vec_id = Speakin(client, acme_credential).registered(SUSAN)
    found = Iflytek(client, acme_credential).search(wav_of(SUSAN, 4), groupId="speakin")
    assert found.result["scoreList"][0]["featureId"] == vec_id


@pytest.mark.parametrize("one", ["abcpen", "iflytek", "jdcloud", "native"])
def test_a_speaker_of_its_library_can_be_compared_in_speakin(client, acme_credential, one):
    DIALECTS[one](client, acme_credential).enroll("speakin", SUSAN, SUSAN)
    speakin = Speakin(client, acme_credential)
    compared = speakin.compare(speakin.probed(SUSAN), SUSAN)
    assert scores(compared)[0] > compared["data"]["thresholdScore"]


def test_a_probe_crosses_into_no_search(client, acme_credential):
    Speakin(client, acme_credential).probed(SUSAN)
    abcpen = Abcpen(client, acme_credential)
    assert abcpen.get("count", org_id="speakin")["data"] == {"count": 0}
    assert abcpen.post("recognize", org_id="speakin", audio=part(recording(SUSAN, 4)))["data"] == []


def test_a_speaker_deleted_through_one_is_gone_in_another(client, acme_credential):
    ThroughIflytek(client, acme_credential).enroll(LIBRARY, SUSAN, SUSAN)
    assert Abcpen(client, acme_credential).get("del-spk-name", org_id=LIBRARY, spk_name=SUSAN)["code"] == "0"
    assert Iflytek(client, acme_credential).listed(LIBRARY).result == []


def test_nothing_crosses_tenants(client, acme_credential, globex_credential):
    ThroughIflytek(client, acme_credential).enroll(LIBRARY, SUSAN, SUSAN)
    for dialect in DIALECTS.values():
        if dialect is not ThroughDolphin:
            assert not dialect(client, globex_credential).knows(LIBRARY, SUSAN, SUSAN)
    theirs = Speakin(client, globex_credential)
    assert theirs.compare(theirs.probed(SUSAN), NOBODYS_ID)["hasError"]
