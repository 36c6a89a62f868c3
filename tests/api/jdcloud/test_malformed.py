"""Whatever is sent, the answer is of JD's gateway or of its voiceprint service."""

import json
import uuid
from dataclasses import replace

import pytest
from django.utils import timezone

from tests.api.jdcloud.client import UNLIMITED, VPR, authorized, packet_headers, signed
from tests.api.malformed import Malformed, Sent
from tests.cast import SUSAN, wav_of

pytestmark = pytest.mark.django_db

GATEWAY = {"UNAUTHENTICATED": 401, "NOT_FOUND": 404, "NOT_IMPLEMENTED": 501}
OUTER = {"10001", "10004", "10041", "10042", "10045", "10046", "10047"}
INNER = {0, 61001, 61002, 61003, 61004, 61005, 61006, 62001, 63001, 63002, 63003, 63004, 63007, 63009}
TEXTS = ([], [{"text": "enrolling"}], [{"text": "enrlled"}], [{"text": "not_enrolled"}], [{"text": "reject"}])


class TestMalformed(Malformed):
    @pytest.fixture(autouse=True)
    def credential(self, acme_credential):
        self.credential = acme_credential

    def well_formed(self):
        content = wav_of(SUSAN)
        headers = packet_headers(Application_Id="door", user="user-0002")
        streamed = packet_headers(1, user="user-0003")
        named = {name: headers[name] for name in ("User-Id", "Property", "Sequence-Id", "Request-Id")}
        return [
            Sent("POST", VPR, headers=headers, raw=content),
            Sent("POST", VPR, headers=streamed, raw=content[:1000]),
            Sent("POST", VPR, headers={"X-Signed": "in the header"} | headers, raw=content),
            Sent("POST", VPR, query=named, raw=content),
        ]

    def signed(self, sent):
        """Each request is a new one, unless its id was spoilt."""
        names = {"Request-Id": str(uuid.uuid4())}
        headers = sent.headers | {name: text for name, text in names.items() if len(sent.headers.get(name, "")) == 36}
        query = sent.query | {name: text for name, text in names.items() if len(sent.query.get(name, "")) == 36}
        if "X-Signed" in sent.headers:
            content, content_type = sent.body()
            return replace(sent, headers=authorized(self.credential, content, headers, content_type=content_type))
        sign = signed(self.credential, int(timezone.now().timestamp() * 1000))
        return replace(sent, headers=headers, query=query | dict(part.split("=") for part in sign.split("&")))

    def check(self, sent, reply):
        if sent.method == "HEAD":
            assert reply.status_code in GATEWAY.values()
            return
        assert reply["Content-Type"] == "application/json; charset=utf-8"
        envelope = json.loads(reply.getvalue())
        assert None not in [*envelope.values(), *envelope.get("result", envelope).values()]
        if "error" in envelope:
            assert GATEWAY[envelope["error"]["status"]] == reply.status_code == envelope["error"]["code"]
            assert reply["x-jdcloud-request-id"] == envelope["requestId"]
            return
        assert reply.status_code == 200
        assert {name: envelope[name] for name in UNLIMITED} == UNLIMITED
        if envelope["code"] != "10000":
            assert envelope["code"] in OUTER
            assert "result" not in envelope
            return
        result = envelope["result"]
        assert set(result) == {"request_id", "status", "index", "message", "result"}
        assert result["status"] in INNER
        assert isinstance(result["index"], int)
        assert result["result"] in TEXTS

    def understood(self, sent, reply):
        assert json.loads(reply.getvalue())["result"]["status"] == 0
