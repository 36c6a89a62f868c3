"""Every row of the vendor's error tables that this server returns, and which comes first."""

import pytest
from django.core.files.storage import storages
from django.db import OperationalError

from audio.errors import TooExpensive
from tenants import rates
from tenants import services as tenant_services
from tests.api.failures import failing
from tests.api.jdcloud.client import NORMAL, UNLIMITED, VPR, authorized, described, halves, packet_headers
from tests.cast import SUSAN, silence, wav_of
from voiceprints.errors import (
    AnalysisTimedOut,
    EngineFailed,
    EngineUnreachable,
    LibraryNotFound,
    ModelUnusable,
    TooBusy,
)

pytestmark = pytest.mark.django_db

GATEWAY_ROWS = {
    "UNAUTHENTICATED": (401, "认证失败"),
    "NOT_FOUND": (404, "找不到 resource"),
    "NOT_IMPLEMENTED": (501, "目前不支持 method"),
    "RATE_LIMIT_EXCEEDED": (429, "请求过频繁"),
    "QUOTA_EXCEEDED": (429, "配额不足"),
    "INTERNAL": (500, "内部错误"),
    "UNAVAILABLE": (503, "服务不可用"),
    "DEADLINE_EXCEEDED": (504, "超时"),
}


def with_authorization(jdcloud, content=b"", **options):
    headers = authorized(jdcloud.credential, content, packet_headers(**options))
    return jdcloud.client.generic("POST", VPR, content, "application/octet-stream", headers=headers)


def refuse_unless_gateway(reply, name):
    status, text = GATEWAY_ROWS[name]
    request_id = reply.json()["requestId"]
    assert reply.status_code == status
    assert reply.json() == {"requestId": request_id, "error": {"code": status, "status": name, "message": text}}
    assert reply["x-jdcloud-request-id"] == request_id == reply["X-Request-Id"]
    assert reply["Content-Type"] == "application/json; charset=utf-8"


OURS = [
    (EngineFailed("WorkerLostError"), 62002, "am server internal error."),
    (ModelUnusable(model="ours", reason="not installed"), 62002, "am server internal error."),
    (EngineUnreachable("ConnectionError"), 62003, "connect to decoder server error."),
    (TooExpensive(cpu_seconds=6.0, limit_seconds=5.0), 62001, "codec error."),
    (LibraryNotFound(org_id="default"), 63005, "vpr other error."),
    (OperationalError("gone"), 63005, "vpr other error."),
    (ZeroDivisionError("a bug"), 63005, "vpr other error."),
]


@pytest.mark.parametrize("row", OURS, ids=[type(error).__name__ for error, *_ in OURS])
@pytest.mark.parametrize("signature", ["sign", "authorization"])
def test_our_own_failures_are_business_errors(jdcloud, measuring_fails, row, signature):
    error, status, message = row
    measuring_fails(error)
    reply = jdcloud.reply(wav_of(SUSAN)) if signature == "sign" else with_authorization(jdcloud, wav_of(SUSAN))
    result = {"status": status, "message": message, "index": -1, "result": []}
    assert reply.status_code == 200
    assert reply.json() == NORMAL | {"result": result | {"request_id": reply.json()["result"]["request_id"]}}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TooBusy(what="recordings", limit=3), "UNAVAILABLE"),
        (AnalysisTimedOut(deadline_seconds=20), "DEADLINE_EXCEEDED"),
    ],
)
def test_overload_is_told_in_the_way_of_the_signature(jdcloud, measuring_fails, error, name):
    measuring_fails(error)
    reply = jdcloud.reply(wav_of(SUSAN))
    assert (reply.status_code, reply.json()) == (200, UNLIMITED | {"code": "10020", "msg": "系统繁忙，请稍后再试"})
    refuse_unless_gateway(with_authorization(jdcloud, wav_of(SUSAN)), name)


def test_what_is_left_of_the_day_is_told_until_nothing_is(jdcloud):
    rates._connection().flushall()
    jdcloud.tenant.requests_per_day = 2
    jdcloud.tenant.save()
    replies = [jdcloud.reply(b"").json() for _ in range(3)]
    assert [(reply["remain"], reply["remainTimes"], reply["remainSeconds"]) for reply in replies] == [
        (1, 1, -1),
        (0, 0, -1),
        (0, 0, -1),
    ]
    assert (replies[2]["code"], replies[2]["msg"]) == ("10040", "超过每天限量，请明天继续")
    refuse_unless_gateway(with_authorization(jdcloud), "QUOTA_EXCEEDED")


def test_an_utterance_is_one_request_of_the_day_however_many_packets_it_comes_in(jdcloud):
    rates._connection().flushall()
    jdcloud.tenant.requests_per_day = 1
    jdcloud.tenant.save()
    first, second = halves(wav_of(SUSAN))
    replies = [
        jdcloud.reply(first, sequence=1, request_id="one").json(),
        jdcloud.reply(second, sequence=-2, request_id="one").json(),
        jdcloud.reply(first, sequence=1, request_id="two").json(),
    ]
    assert [reply["code"] for reply in replies] == ["10000", "10000", "10040"]
    assert [reply["remain"] for reply in replies] == [0, 0, 0]
    assert replies[1]["result"]["result"] == [{"text": "enrolling"}]


@pytest.mark.parametrize("error", [OperationalError("connection refused"), ZeroDivisionError("a bug")])
def test_a_failure_before_we_know_who_asks_is_a_system_error(jdcloud, monkeypatch, error):
    query = jdcloud.signed()
    monkeypatch.setattr(tenant_services, "opener_named", failing(error))
    reply = jdcloud.reply(wav_of(SUSAN), query=query)
    message = "发布方接口调用异常，请稍后再试"
    assert (reply.status_code, reply.json()) == (200, UNLIMITED | {"code": "11010", "msg": message})
    refuse_unless_gateway(with_authorization(jdcloud), "INTERNAL")


def test_too_many_requests_are_told_in_the_way_of_the_signature(jdcloud):
    jdcloud.tenant.requests_per_minute = 1
    jdcloud.tenant.save()
    jdcloud.reply(b"")
    message = "超过QPS限额，请降低调用频率或与京东云联系"
    replies = [jdcloud.reply(b"") for _ in range(2)]
    assert replies[-1].status_code == 200
    assert replies[-1].json() == UNLIMITED | {"code": "10043", "msg": message}
    refuse_unless_gateway(with_authorization(jdcloud), "RATE_LIMIT_EXCEEDED")


def test_a_storage_that_cannot_be_written_is_another_error(jdcloud, monkeypatch):
    monkeypatch.setattr(type(storages["recordings"]), "_save", failing(OSError("disk full")))
    assert jdcloud.enroll(wav_of(SUSAN))["status"] == 63005


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("query", ["", "?appkey=a&timestamp=1&sign=x"])
def test_another_method_is_not_implemented(client, method, query):
    reply = getattr(client, method)(VPR + query)
    refuse_unless_gateway(reply, "NOT_IMPLEMENTED")
    assert reply["Allow"] == "POST"


def test_head_is_not_implemented_either(client):
    assert client.head(VPR).status_code == 501


@pytest.mark.parametrize(
    "path", ["/jdai", "/jdai/", "/jdai/vpr/", "/jdai/vpr2", "/jdai/asr", "/jdai/vpr%0A", "/jdai//vpr"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "options"])
def test_an_unknown_path_is_not_found(client, path, method):
    refuse_unless_gateway(getattr(client, method)(path), "NOT_FOUND")


def test_a_path_of_another_name_is_not_ours(client):
    assert "requestId" not in client.get("/jdaix").json()


# Each request has the fault of its row and of all rows below it.
ORDER = [
    (61003, {"user": None}),
    (63001, {"user": "u" * 65}),
    (63002, {"mode": "foo"}),
    (61006, {"format": "opus"}),
    (61005, {"sample_rate": 8000}),
    (63009, {"sequence": 1, "request_id": "known"}),
    (63007, {"user": "taken"}),
    (61001, {"content": b""}),
    (61002, {"content": silence(61).read()}),
    (63004, {"mode": "test"}),
]


def is_possible_with(fault, chosen):
    """One parameter cannot have two faults; the row above has said it."""
    return not set(fault) & set(chosen)


@pytest.mark.parametrize("row", range(len(ORDER)), ids=[str(status) for status, _ in ORDER])
def test_faults_are_told_in_the_order_of_the_specification(jdcloud, row):
    jdcloud.enroll(wav_of(SUSAN), request_id="known", user="another")
    jdcloud.enroll(wav_of(SUSAN), sequence=1, user="taken")
    chosen = {}
    for _, fault in ORDER[row:]:
        if is_possible_with(fault, chosen):
            chosen |= fault
    encode = {name: chosen.pop(name) for name in ("format", "sample_rate") if name in chosen}
    mode = chosen.pop("mode", "test")
    chosen = {"content": wav_of(SUSAN), "sequence": -1} | chosen
    result = jdcloud.send(**chosen, mode=mode, Property=described(mode, **encode))
    assert result["status"] == ORDER[row][0]


def test_the_signature_comes_before_everything(jdcloud):
    assert jdcloud.reply(b"", 0, query=jdcloud.signed() + "0", user=None, Property=None).json()["code"] == "10047"


def test_decoding_comes_before_the_length_of_speech(jdcloud):
    assert jdcloud.enroll(silence(0.1).read())["status"] == 63003
    assert jdcloud.enroll(silence(0.1).read()[:30])["status"] == 61004


def test_a_body_above_the_limit_is_too_long(jdcloud, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    assert jdcloud.enroll(wav_of(SUSAN), request_id="R1") == {
        "request_id": "R1",
        "status": 61002,
        "index": -1,
        "message": "speech data is too long.",
        "result": [],
    }
    reply = with_authorization(jdcloud, wav_of(SUSAN))
    assert (reply.status_code, reply.json()["result"]["status"]) == (200, 61002)


@pytest.mark.parametrize("signature", ["Authorization", "sign"])
def test_more_query_than_anybody_reads_is_refused(jdcloud, signature):
    query = "&".join(f"p{number}=1" for number in range(3000))
    headers = authorized(jdcloud.credential, b"", packet_headers(), query=query)
    if signature == "sign":
        query, headers = f"{jdcloud.signed()}&{query}", packet_headers()
    reply = jdcloud.client.generic("POST", f"{VPR}?{query}", b"", "text/plain", headers=headers)
    assert (reply.status_code, reply.json()["result"]["status"]) == (200, 61003)


def test_errors_of_a_stream_carry_its_number(jdcloud):
    first, _ = halves(wav_of(SUSAN))
    assert jdcloud.enroll(first, sequence=5)["index"] == 5
    assert jdcloud.enroll(b"", sequence=1)["index"] == 1
    assert jdcloud.test(first, sequence=1)["index"] == 1


def test_the_log_names_who_did_what_and_how_it_went(jdcloud, caplog):
    jdcloud.reply(b"", X_Request_Id="r-1")
    (line,) = [record.message for record in caplog.records if record.name == "openvpr.api"]
    assert line.startswith("r-1 tenant=acme operation=take outcome=61001 ms=")


@pytest.mark.parametrize(
    ("send", "outcome"),
    [
        (lambda jdcloud: jdcloud.reply(wav_of(SUSAN)), "0"),
        (lambda jdcloud: jdcloud.reply(b"", query=jdcloud.signed() + "0"), "10047"),
        (lambda jdcloud: jdcloud.client.post(VPR), "UNAUTHENTICATED"),
    ],
    ids=["0", "10047", "UNAUTHENTICATED"],
)
def test_the_log_tells_the_outcome_and_no_secret(jdcloud, caplog, send, outcome):
    sign = jdcloud.signed().rpartition("sign=")[2]
    send(jdcloud)
    (line,) = [record.message for record in caplog.records if record.name == "openvpr.api"]
    assert f"outcome={outcome} " in line
    assert sign not in caplog.text
