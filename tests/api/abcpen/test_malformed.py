"""Whatever is sent, ABCPen's envelope comes back."""

import json

import pytest
from django.utils import timezone

from tests.api.abcpen.client import signed
from tests.api.malformed import Malformed, Sent
from tests.cast import SUSAN, recording

pytestmark = pytest.mark.django_db

SPOKEN = recording(SUSAN)
CODES = {"0", "10105", "10106", "10107", "10109", "10110", "10111", "10700", "10701", "10800"}
LIBRARY = {"org_id": "acme", "tag_id": "t"}


class TestMalformed(Malformed):
    @pytest.fixture(autouse=True)
    def credential(self, acme_credential):
        self.credential = acme_credential

    def well_formed(self):
        spoken = {**LIBRARY, "spk_name": SUSAN, "audio": SPOKEN, "denoise_audio": "0", "delete_silence": "1"}
        posts = [
            Sent("POST", f"/voiceid/{operation}", form=spoken) for operation in ("register", "recognize", "update")
        ]
        page = LIBRARY | {"offset": "0", "limit": "10"}
        gets = {
            "count": LIBRARY,
            "list": page,
            "voice-url": LIBRARY | {"spk_name": SUSAN},
            "del-spk-name": LIBRARY | {"spk_name": SUSAN},
            "delete-speakers": LIBRARY | {"speakers": SUSAN},
            "delete-all": LIBRARY,
        }
        return [*posts, *(Sent("GET", f"/voiceid/{operation}", query=query) for operation, query in gets.items())]

    def signed(self, sent):
        headers = signed(self.credential, int(timezone.now().timestamp()))
        return Sent(**vars(sent) | {"headers": sent.headers | headers})

    def check(self, sent, reply):
        assert reply.status_code in {200, 404, 405}
        if sent.method == "HEAD":
            return
        envelope = json.loads(reply.getvalue())
        assert envelope["code"] in CODES
        assert set(envelope) == ({"code", "msg", "data"} if envelope["code"] == "0" else {"code", "msg"})

    def understood(self, sent, reply):
        assert json.loads(reply.getvalue())["code"] == "0"
