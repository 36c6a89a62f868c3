"""Whatever is sent, Dolphin's envelope comes back."""

import json

import pytest

from tests import cast
from tests.api.dolphin.client import SERVICE_ERROR, SUCCESS, audio, said
from tests.api.malformed import Malformed, Sent
from tests.cast import SUSAN
from voiceprints import services
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db

USER = {"user_name": "test"}
PROBE = audio(said(SUSAN, 1, 3.0))


class TestMalformed(Malformed):
    @pytest.fixture(autouse=True)
    def address(self, dolphin):
        self.base = dolphin.base

    @pytest.fixture(autouse=True)
    def somebody(self, acme, dolphin):
        services.enroll(acme, LibraryKey("0"), SUSAN, [cast.audio(SUSAN)])

    def well_formed(self):
        bodies = {
            "checkUser": USER,
            "enroll": USER | PROBE | {"enroll_num": 1, "group_id": 5},
            "verify": PROBE | {"user_name": SUSAN, "group_id": [0]},
            "unregister": {"user_name": "test"},
        }
        posts = [Sent("POST", f"{self.base}/{operation}", json=body) for operation, body in bodies.items()]
        return [*posts, Sent("GET", f"{self.base}/getUsers")]

    def signed(self, sent):
        """Nothing is, in this dialect."""
        return sent

    def check(self, sent, reply):
        body = b"" if sent.method == "HEAD" else reply.getvalue()
        assert reply.status_code in {200, 404, 405}
        if body:
            envelope = json.loads(body)
            assert list(envelope) == ["task_id", "status", "message", "data"]
            assert (envelope["status"] == SERVICE_ERROR) is (reply.status_code != 200)

    def understood(self, sent, reply):
        assert json.loads(reply.getvalue())["status"] == SUCCESS
