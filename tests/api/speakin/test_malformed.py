"""Whatever is sent, an answer of the vendor's comes back: the gateway's or the business layer's."""

import json

import pytest
from django.utils import timezone

from tests.api.malformed import Malformed, Sent
from tests.api.speakin.client import NOBODYS_ID, signed
from tests.cast import SUSAN, recording

pytestmark = pytest.mark.django_db

SPOKEN = recording(SUSAN)
IDS = {"vecId": NOBODYS_ID, "cmpVecIdList": [NOBODYS_ID]}


class TestMalformed(Malformed):
    @pytest.fixture(autouse=True)
    def credential(self, acme_credential):
        self.credential = acme_credential

    def well_formed(self):
        return [
            Sent("POST", "/release/num/vecforregister", form={"file1": SPOKEN, "file2": SPOKEN, "file3": SPOKEN}),
            Sent("POST", "/num/vecforcompare", form={"file1": SPOKEN}),
            Sent("POST", "/test/num/compare", json=IDS),
            Sent("POST", "/num/compare", json={"vec_id": NOBODYS_ID, "cmp_vec_id_list": [NOBODYS_ID] * 3}),
        ]

    def signed(self, sent):
        return Sent(**vars(sent) | {"headers": sent.headers | signed(self.credential, timezone.now())})

    def check(self, sent, reply):
        assert reply.status_code in {200, 401, 403, 404}
        if sent.method == "HEAD":
            return
        answer = json.loads(reply.getvalue())
        if reply.status_code != 200:
            assert set(answer) == {"message"}
            return
        assert set(answer) == {"data", "errorDesc", "errorId", "hasError"}
        assert (answer["hasError"], answer["errorId"]) in {(True, "LOGINC_ERROR"), (False, "")}

    def understood(self, sent, reply):
        assert reply.status_code == 200
        assert reply.json()["errorDesc"] == ("" if sent.form else "vecid错误，请重试")
