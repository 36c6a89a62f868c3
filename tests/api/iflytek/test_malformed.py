"""Whatever is sent, iFlytek's header or its gateway's message comes back."""

import json

import pytest

from tests.api.iflytek.client import SERVICE, Iflytek, gateway_message, read, request, signed
from tests.api.malformed import Malformed, Sent
from tests.cast import SUSAN, wav_of

pytestmark = pytest.mark.django_db

PATH = f"/v1/private/{SERVICE}"
CODES = {0, 10009, 10139, 10160, 10161, 10163, 10313, 23005, 23006, 23007}
# In an order in which each finds what it needs.
FUNCTIONS = {
    "createGroup": {},
    "createFeature": {"featureId": SUSAN, "featureInfo": "2025"},
    "updateFeature": {"featureId": SUSAN, "cover": False},
    "searchScoreFea": {"dstFeatureId": SUSAN},
    "searchFea": {"topK": 1},
    "queryFeatureList": {},
    "deleteFeature": {"featureId": SUSAN},
    "deleteGroup": {},
}
UNHEARD = {"createGroup", "queryFeatureList", "deleteFeature", "deleteGroup"}


class TestMalformed(Malformed):
    @pytest.fixture(autouse=True)
    def credential(self, client, acme_credential):
        self.credential = acme_credential
        Iflytek(client, acme_credential).create_group()
        Iflytek(client, acme_credential).create(SUSAN, wav_of(SUSAN))

    def well_formed(self):
        app_id = self.credential.tenant.app_id
        return [
            Sent("POST", PATH, json=request(app_id, function, audio, groupId="g1", **parameters))
            for function, parameters in FUNCTIONS.items()
            for audio in [None if function in UNHEARD else wav_of(SUSAN)]
        ]

    def signed(self, sent):
        return Sent(**vars(sent) | {"query": sent.query | signed(self.credential, PATH)})

    def check(self, sent, reply):
        if reply.status_code == 200:
            assert read(reply).code in CODES
        elif reply.status_code in {401, 403}:
            assert gateway_message(reply)
        else:
            assert reply.status_code in {404, 405}
            assert sent.method == "HEAD" or list(json.loads(reply.content)) == ["message"]

    def understood(self, sent, reply):
        assert read(reply).code == 0
