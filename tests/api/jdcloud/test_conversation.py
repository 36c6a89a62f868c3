"""The conversation of the vendor's document, request by request."""

import json
import uuid

from django.utils import timezone

from tests.api.jdcloud.client import NORMAL, UNLIMITED, VPR, halves
from tests.cast import KEN, SUSAN, wav_of
from tests.clock import NEW_YEAR, fixed

SIGNED = "appkey=JDC_DEMOACCESSKEY&timestamp=1735689600000&sign=2e0e6700a6f8b44149e3ff150d0a1824"
PROPERTY = (
    '{"autoend":false,"platform":"Linux&Centos&7.3","version":"0.0.0.1","vpr_mode":"%s",'
    '"encode":{"channel":1,"format":"wav","sample_rate":16000}}'
)
FIXED = {
    "Content-Type": "application/octet-stream",
    "Server-Protocol": "1",
    "Net-State": "2",
    "Applicator": "1",
    "User-Id": "user-0001",
}
BUSY = "vpr other request enrolling or testing this userid."
OVER = "vpr reqid is invalidation."


def test_the_golden_conversation(client, demo, monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))
    a_1, a_2, a_3, b_1 = wav_of(SUSAN, 1), wav_of(SUSAN, 2), wav_of(SUSAN, 3), wav_of(KEN, 1)
    first, second = halves(a_2)
    ids = {f"R{number}": str(uuid.uuid4()) for number in range(1, 12)}

    def reply(name, sequence, mode, content, *, query=SIGNED, without=()):
        headers = FIXED | {"Request-Id": ids[name], "Sequence-Id": str(sequence)}
        if mode:
            headers["Property"] = PROPERTY % mode
        headers = {header: value for header, value in headers.items() if header not in without}
        return client.post(f"{VPR}?{query}", content, headers["Content-Type"], headers=headers)

    def result(name, sequence, mode, content, **options):
        answered = reply(name, sequence, mode, content, **options)
        assert answered.status_code == 200
        envelope = json.loads(answered.content)
        inner = envelope.pop("result")
        assert envelope == NORMAL
        assert (inner.pop("request_id"), inner.pop("index")) == (ids[name], sequence)
        return inner

    def good(*texts):
        return {"status": 0, "message": "", "result": [{"text": text} for text in texts]}

    def bad(status, message, *texts):
        return {"status": status, "message": message, "result": [{"text": text} for text in texts]}

    assert result("R1", -1, "test", a_1) == bad(63004, "vpr not enrolled.", "not_enrolled")
    assert result("R2", -1, "enroll", a_1) == good("enrolling")
    assert result("R3", -1, "test", a_3) == good("enrolling")
    assert result("R4", 1, "enroll", first) == good()
    assert result("R5", -1, "enroll", a_3) == bad(63007, BUSY)
    assert result("R4", 3, "enroll", b"bytes") == bad(63009, OVER)
    assert result("R4", -2, None, second) == good("enrlled")
    assert result("R4", -3, None, second) == bad(63009, OVER)
    assert result("R6", -1, "test", a_3) == good("accept")
    assert result("R7", -1, "test", b_1) == good("reject")
    assert result("R8", -1, "test", b"") == bad(61001, "speech data is empty.")
    assert result("R9", -1, "foo", a_1) == bad(63002, "vpr mode error.")

    assert result("R10", 1, "test", first) == good()
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + 61))
    assert result("R10", -2, None, second) == bad(63009, OVER)
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))

    assert result("R11", -1, "test", a_1, without=["User-Id"]) == bad(61003, "request params error.")

    altered = reply("R11", -1, "test", a_1, query=SIGNED[:-1] + "5")
    assert altered.status_code == 200
    assert altered.json() == UNLIMITED | {"code": "10047", "msg": "请求签名sign无效，请检查签名信息"}

    unsigned = reply("R11", -1, "test", a_1, query="")
    assert unsigned.status_code == 401
    assert unsigned.json()["error"] == {"code": 401, "status": "UNAUTHENTICATED", "message": "认证失败"}
    assert unsigned["x-jdcloud-request-id"] == unsigned.json()["requestId"]
