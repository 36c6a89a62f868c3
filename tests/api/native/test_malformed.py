"""Whatever is sent to our own API, its answer is the resource asked for or a problem."""

import json
from dataclasses import replace

import pytest

from tests.api.malformed import Malformed, Sent
from tests.api.native.client import JSON, PROBLEM_JSON, STAFF, Native, encoded
from tests.cast import KEN, SUSAN, recording

pytestmark = pytest.mark.django_db

REFUSALS = {400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422}


class TestMalformed(Malformed):
    @pytest.fixture(autouse=True)
    def known(self, native: Native):
        self.native = native
        native.enroll(KEN, recording(KEN))
        self.library = native.get("libraries").json()["items"][0]["id"]
        self.speaker = native.get("speakers").json()["items"][0]["id"]
        self.utterance = native.get("utterances").json()["items"][0]["id"]

    def well_formed(self):
        spoken = encoded(recording(SUSAN))
        ken = STAFF | {"external_id": KEN, "audio": spoken}
        bodies = {
            "enroll": STAFF | {"external_id": SUSAN, "audio": [spoken], "info": "x", "when_enrolled": "replace"},
            "verify": ken,
            "identify": STAFF | {"audio": spoken, "top_k": 3},
            "compare": {"one": spoken, "other": spoken},
            "analyze": {"audio": spoken},
            "libraries": {"org_id": "new", "tag_id": "one", "name": "n", "info": "i"},
        }
        page = STAFF | {"ordering": "created", "limit": "2"}
        gets = ["libraries", "speakers", "utterances"]
        rows = [f"libraries/{self.library}", f"speakers/{self.speaker}", f"utterances/{self.utterance}"]
        return [
            *(Sent("POST", f"/api/v1/{path}", json=body) for path, body in bodies.items()),
            Sent("POST", "/api/v1/verify", form=ken | {"audio": recording(KEN)}),
            *(Sent("GET", f"/api/v1/{path}", query=page if path == "speakers" else {}) for path in gets),
            *(Sent("GET", f"/api/v1/{path}", headers={"If-None-Match": '"x"'}) for path in rows),
            Sent("PATCH", f"/api/v1/speakers/{self.speaker}", json={"info": "other"}),
            Sent("PATCH", f"/api/v1/libraries/{self.library}", json={"name": "other"}),
        ]

    def signed(self, sent):
        return replace(sent, headers=sent.headers | self.native.authorization)

    def check(self, sent, reply):
        assert reply.status_code in {200, 201, 204, 304, *REFUSALS}
        if sent.method == "HEAD" or reply.status_code in {204, 304}:
            return
        content = json.loads(reply.getvalue())
        if reply.status_code in REFUSALS:
            assert reply["Content-Type"] == PROBLEM_JSON
            assert content["status"] == reply.status_code
        else:
            assert reply["Content-Type"].startswith(JSON)

    def understood(self, sent, reply):
        assert reply.status_code < 300, (sent, reply.content)
