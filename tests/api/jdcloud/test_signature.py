"""Who may come in: the vendor's two signatures."""

from urllib.parse import urlencode

import pytest
from django.utils import timezone

from api.jdcloud.signature import DATE, Authorization, Sent, canonical_requests, is_signed, neuhub_sign
from tenants.services import known_credential, set_credential_enabled
from tests.api.jdcloud.client import UNLIMITED, VPR, Jdcloud, authorized, described, packet_headers, sha256, signed
from tests.clock import NEW_YEAR, fixed

MIN_NAMES = "content-type;host;x-jdcloud-date;x-jdcloud-nonce"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
BODY = b"RIFF-demo-bytes"
HEADERS = {
    "content-type": "application/octet-stream",
    "host": "aiapi.jdcloud.com",
    "x-jdcloud-date": "20250101T000000Z",
    "x-jdcloud-nonce": "ed558a3b-9808-4edb-8597-187bda63a4f2",
}
BUSINESS_HEADERS = {
    "application-id": "demo-app",
    "applicator": "1",
    "net-state": "2",
    "request-id": "56a847e6-84c0-4c01-bf4b-d566f2d2dd11",
    "sequence-id": "-1",
    "server-protocol": "1",
    "user-id": "user-0001",
    "property": '{"autoend":false,"platform":"Linux&Centos&7.3","version":"0.0.0.1","vpr_mode":"enroll",'
    '"encode":{"channel":1,"format":"wav","sample_rate":16000}}',
}
FULL_NAMES = ";".join(sorted([*HEADERS, *BUSINESS_HEADERS]))


def authorization(
    names=MIN_NAMES,
    *,
    generation="2",
    key_id="JDC_DEMOACCESSKEY",
    day="20250101",
    region="cn-north-1",
    service="aiapi",
    signature="0" * 64,
):
    return Authorization.of(
        f"JDCLOUD{generation}-HMAC-SHA256 Credential={key_id}/{day}/{region}/{service}/jdcloud{generation}_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def sent(headers=HEADERS, body=BODY, *, method="POST", path=VPR, query=""):
    return Sent(method, path, query, headers, lambda: body)


def computed(request, parts, secret):
    """The first canonical request's hash and its signature."""
    form = canonical_requests(request, parts)[0]
    return sha256(form), parts.expected(parts.key(secret), request.header(DATE), form)


def test_the_canonical_request_of_the_small_vector():
    assert canonical_requests(sent(), authorization()) == [
        b"POST\n/jdai/vpr\n\ncontent-type:application/octet-stream\nhost:aiapi.jdcloud.com\n"
        b"x-jdcloud-date:20250101T000000Z\nx-jdcloud-nonce:ed558a3b-9808-4edb-8597-187bda63a4f2\n\n"
        b"content-type;host;x-jdcloud-date;x-jdcloud-nonce\n"
        b"df40e7d73f15997fc37e9aacb5e54a665cf5cf847e2bd04ad03211bb78781e5d"
    ]


@pytest.mark.parametrize(
    ("generation", "signature"),
    [
        ("2", "d994dddd5a09dc4d45016e2a8042d73978a027060f372391c62db0a3ac0cb249"),
        ("3", "8f5548498e3f2e0c111d52e57341a8db9c887f104e8beab2342d6d6f33fe074e"),
    ],
)
def test_the_small_vector(generation, signature):
    assert computed(sent(), authorization(generation=generation), "DEMOSECRETKEY") == (
        "82388ca0bd5c9354cff4f18a57865e77cc7ec4d3a1580037c39e7a0a92fe8104",
        signature,
    )


def test_the_full_vector():
    assert computed(sent(HEADERS | BUSINESS_HEADERS), authorization(FULL_NAMES), "DEMOSECRETKEY") == (
        "d336ad2b41106e09e425e41507cd4ed89adb78283e85ffe893dbd30fb80f88ac",
        "a97a93e48d4942c9b1a8a8c8128a5e858a86d596cea45b12fdf23c699a3369dc",
    )


@pytest.mark.parametrize("body", [b"", BODY, b"any other"])
def test_the_vector_with_the_hash_of_an_empty_body(body):
    parts = authorization(
        "content-type;host;x-jdcloud-content-sha256;x-jdcloud-date;x-jdcloud-nonce",
        region="jdcloud-api",
        service="simpleclient",
    )
    request = sent(HEADERS | {"x-jdcloud-content-sha256": EMPTY_SHA256}, body)
    assert computed(request, parts, "DEMOSECRETKEY") == (
        "66c0acffff756be5d37396ac626b68d4b2ad06e0e488e703813f67914fe2456e",
        "ecc085d71ca219c95840760ca4233e7f0acdff5fa4d975e568864b3c04717078",
    )


def test_the_md5_vector():
    assert neuhub_sign("DEMOSECRETKEY", "1735689600000") == "2e0e6700a6f8b44149e3ff150d0a1824"


@pytest.mark.parametrize(
    ("method", "names", "signature"),
    [
        (
            "PATCH",
            "content-type;x-jdcloud-date;x-jdcloud-nonce",
            "1912eba02012ce6eb482302bae29cfa8e721ad66c188c533f9070e69aad2c896",
        ),
        ("POST", MIN_NAMES, "ab7f411c1af4d3938f69a24539572418fa4dcdb40e3c0dd4aa329fbca091688e"),
    ],
)
def test_jds_own_vectors(method, names, signature):
    request = sent(
        {
            "content-type": "application/json",
            "host": "test.cn-north-1.jdcloud-api.net",
            "x-jdcloud-date": "20190214T104514Z",
            "x-jdcloud-nonce": "test nonce",
        },
        b"this is body",
        method=method,
        path="/v1/region/cn-north-1/test",
        query="filters.1.name=id&filters.1.values.1=v1&filters.1.values.2=v2",
    )
    parts = authorization(names, key_id="access key", day="20190214", service="test", signature=signature)
    assert is_signed(request, parts, "secret key")
    assert not is_signed(request, parts, "secret kez")


def test_jds_own_vector_of_the_newer_algorithm():
    request = sent(
        {
            "content-type": "application/json",
            "host": "apigw-internal-dev.cn-north-1.jcloudcs.com:8000",
            "x-jdcloud-date": "20190917T064708Z",
            "x-jdcloud-nonce": "X-Jdcloud-Nonce",
        },
        b"",
        method="GET",
        path="",
    )
    parts = authorization(
        generation="3",
        key_id="ak",
        day="20190917",
        service="apigatewaytestproductline",
        signature="44c5ec30b6185516986ae171d8276552bc0f37f6a536a44e4f578958fc1c12be",
    )
    assert is_signed(request, parts, "sk")


def signs(signing, sending, names=MIN_NAMES):
    """Whether what was signed over one request is accepted for another."""
    _, signature = computed(signing, authorization(names), "DEMOSECRETKEY")
    return is_signed(sending, authorization(names, signature=signature), "DEMOSECRETKEY")


@pytest.mark.parametrize("signed_query", ["b=2&a=%7E%2f", "a=%7E%2f&b=2", "a=~%2F&b=2"])
def test_a_query_may_be_signed_raw_sorted_or_encoded_again(signed_query):
    assert signs(sent(query=signed_query), sent(query="b=2&a=%7E%2f"))


def test_a_query_is_sorted_by_name_before_value():
    assert signs(sent(query="a=1&a.b=1"), sent(query="a.b=1&a=1"))


def test_another_query_is_not_what_was_signed():
    assert not signs(sent(query="a=1"), sent(query="a=2"))


@pytest.mark.parametrize("signed_value", ["a  b   c", "a b c"])
def test_runs_of_spaces_may_be_signed_as_sent_or_squeezed(signed_value):
    names = f"user-id;{MIN_NAMES}"
    assert signs(
        sent(HEADERS | {"user-id": signed_value}),
        sent(HEADERS | {"user-id": "  a  b   c "}),
        ";".join(sorted(names.split(";"))),
    )


@pytest.mark.parametrize(
    ("signed_host", "sent_host"),
    [("vpr.test:8000", "vpr.test:8000"), ("vpr.test", "vpr.test:443"), ("vpr.test", "vpr.test:80")],
)
def test_a_default_port_need_not_be_signed(signed_host, sent_host):
    assert signs(sent(HEADERS | {"host": signed_host}), sent(HEADERS | {"host": sent_host}))


def test_another_port_must_be_signed():
    assert not signs(sent(HEADERS | {"host": "vpr.test"}), sent(HEADERS | {"host": "vpr.test:8000"}))


def test_a_path_may_be_signed_with_its_slashes_collapsed():
    assert signs(sent(path="/jdai/vpr"), sent(path="//jdai//vpr"))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_header_that_is_not_ascii_may_be_signed_as_utf8_or_as_its_bytes(encoding):
    names = "content-type;host;user-id;x-jdcloud-date;x-jdcloud-nonce"
    on_the_wire = "é".encode(encoding).decode("latin-1")
    _, signature = computed(sent(HEADERS | {"user-id": "é".encode().decode("latin-1")}), authorization(names), "s")
    assert is_signed(sent(HEADERS | {"user-id": on_the_wire}), authorization(names, signature=signature), "s")


@pytest.mark.parametrize("digest", ["UNSIGNED-PAYLOAD", EMPTY_SHA256, sha256(BODY), ""])
def test_a_signed_hash_stands_for_the_body(digest):
    names = "content-type;host;x-jdcloud-content-sha256;x-jdcloud-date;x-jdcloud-nonce"
    headers = HEADERS | {"x-jdcloud-content-sha256": digest}
    assert signs(sent(headers), sent(headers), names)


def test_a_signed_hash_of_another_body_is_refused():
    names = "content-type;host;x-jdcloud-content-sha256;x-jdcloud-date;x-jdcloud-nonce"
    headers = HEADERS | {"x-jdcloud-content-sha256": sha256(BODY)}
    assert not signs(sent(headers), sent(headers, b"another"), names)


@pytest.mark.parametrize("digest", ["UNSIGNED-PAYLOAD", EMPTY_SHA256])
def test_an_unsigned_hash_is_ignored(digest):
    headers = HEADERS | {"x-jdcloud-content-sha256": digest}
    assert signs(sent(headers), sent(headers))
    assert not signs(sent(headers), sent(headers, b"another"))


@pytest.mark.parametrize("changed", ["method", "path", "body", "header"])
def test_whatever_is_signed_cannot_be_changed(changed):
    changes = {
        "method": sent(method="PUT"),
        "path": sent(path="/jdai/vpr2"),
        "body": sent(body=b"another"),
        "header": sent(HEADERS | {"x-jdcloud-nonce": "another"}),
    }
    assert not signs(sent(), changes[changed])


# --- Over HTTP -------------------------------------------------------------------------------------------------------

EMPTY = {"status": 61001, "message": "speech data is empty.", "result": [], "index": -1}
CLEARED = {"code": "10000", "msg": "查询成功"} | UNLIMITED
UNAUTHENTICATED = {"code": 401, "status": "UNAUTHENTICATED", "message": "认证失败"}
FORBIDDEN = {"code": 403, "status": "HTTP_FORBIDDEN", "message": "认证失败"}
NOW_MS = 1000 * NEW_YEAR


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))


@pytest.fixture
def sender(client, demo, clock):
    """Sends a request that is in order but for its recording, with headers changed; answers the reply."""

    def send(content=b"", *, changed=(), query="", content_type="application/octet-stream", **options):
        headers = authorized(demo, content, packet_headers(), query=query, content_type=content_type, **options)
        headers |= dict(changed)
        path = f"{VPR}?{query}" if query else VPR
        return client.generic("POST", path, content, content_type, headers=headers)

    return send


def is_in(reply):
    return reply.status_code == 200 and reply.json()["code"] == "10000"


def refused_as(reply):
    """The inside of a gateway error, whose frame is checked."""
    body = reply.json()
    assert set(body) == {"requestId", "error"}
    assert reply["x-jdcloud-request-id"] == body["requestId"]
    assert reply.status_code == body["error"]["code"]
    assert reply["Content-Type"] == "application/json; charset=utf-8"
    return body["error"]


@pytest.mark.django_db
@pytest.mark.parametrize("generation", ["2", "3"])
@pytest.mark.parametrize(
    "names", [MIN_NAMES, "x-jdcloud-date", "x-jdcloud-date;x-jdcloud-nonce", "content-type;request-id;x-jdcloud-date"]
)
def test_a_signature_lets_in_whatever_headers_it_covers(sender, generation, names):
    assert is_in(sender(b"body", generation=generation, names=names))


@pytest.mark.django_db
@pytest.mark.parametrize("region", ["cn-north-1", "jdcloud-api", "", "anywhere"])
def test_any_region_is_accepted(sender, region):
    assert is_in(sender(region=region))


@pytest.mark.django_db
def test_a_query_beside_the_signature_is_accepted(sender):
    assert is_in(sender(query="b=2&a=1"))


@pytest.mark.django_db
@pytest.mark.parametrize("spelling", [(", ", ","), ("HMAC-SHA256 ", "HMAC-SHA256"), (", ", ",   ")])
def test_spaces_in_the_header_do_not_matter(client, demo, clock, spelling):
    headers = authorized(demo, b"", packet_headers())
    headers["Authorization"] = headers["Authorization"].replace(*spelling)
    assert is_in(client.generic("POST", VPR, b"", "application/octet-stream", headers=headers))


@pytest.mark.django_db
def test_headers_that_are_not_signed_do_not_matter(sender):
    more = {
        "JDCLOUD2-HMAC-SHA256": "JDCLOUD2-HMAC-SHA256",
        "x-jdcloud-content-sha256": EMPTY_SHA256,
        "x-jdcloud-security-token": "data",
    }
    assert is_in(sender(b"body", changed=more))


@pytest.mark.django_db
def test_the_header_counts_before_the_query(client, demo, clock):
    query = "appkey=nobody&timestamp=1&sign=wrong"
    headers = authorized(demo, b"", packet_headers(), query=query)
    assert is_in(client.generic("POST", f"{VPR}?{query}", b"", "application/octet-stream", headers=headers))


@pytest.mark.django_db
def test_an_authorization_of_another_kind_is_no_signature(client, demo, clock):
    headers = packet_headers() | {"Authorization": "Basic dXNlcjpwYXNz"}
    query = signed(demo, NOW_MS)
    assert is_in(client.generic("POST", f"{VPR}?{query}", b"", "application/octet-stream", headers=headers))


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "inside"), [(-901, False), (-900, True), (900, True), (901, False)])
def test_a_date_may_be_15_minutes_away(client, demo, monkeypatch, seconds, inside):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))
    headers = authorized(demo, b"", packet_headers())
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + seconds))
    reply = client.generic("POST", VPR, b"", "application/octet-stream", headers=headers)
    assert is_in(reply) == inside
    assert inside or refused_as(reply) == UNAUTHENTICATED


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "JDCLOUD2-HMAC-SHA256"),
        ("Authorization", "JDCLOUD"),
        (
            "Authorization",
            "JDCLOUD4-HMAC-SHA256 Credential=a/20250101/r/s/jdcloud4_request, SignedHeaders=x-jdcloud-date",
        ),
        ("Authorization", "JDCLOUD2" + "a" * 7000),
        ("Authorization", "JDCLOUD2-HMAC-SHA256 Credential=" + "/" * 7000),
        ("x-jdcloud-date", ""),
        ("x-jdcloud-date", "20250101T000001Z"),
        ("x-jdcloud-date", "20259901T000000Z"),
        ("x-jdcloud-date", "2025-01-01T00:00:00Z"),
        ("x-jdcloud-date", "２０２５0101T000000Z"),
        ("x-jdcloud-nonce", "another"),
        ("Host", "elsewhere.test"),
        ("Content-Type", "text/plain"),
    ],
)
def test_anything_else_is_not_authenticated(sender, name, value):
    assert refused_as(sender(changed={name: value})) == UNAUTHENTICATED


@pytest.mark.django_db
def test_a_changed_body_is_not_authenticated(client, demo, clock):
    headers = authorized(demo, b"one", packet_headers())
    reply = client.generic("POST", VPR, b"two", "application/octet-stream", headers=headers)
    assert refused_as(reply) == UNAUTHENTICATED


@pytest.mark.django_db
@pytest.mark.parametrize(
    "altered",
    [
        lambda text: text.replace("JDC_DEMOACCESSKEY", "JDC_NOBODY"),
        lambda text: text.replace("/20250101/", "/20241231/"),
        lambda text: text.replace("jdcloud2_request", "jdcloud3_request"),
        lambda text: text.replace("x-jdcloud-date;", ""),
        lambda text: text[:-1],
        lambda text: text[:-1] + ("1" if text[-1] == "0" else "0"),
        lambda text: text.upper(),
    ],
)
def test_an_altered_authorization_is_not_authenticated(client, demo, clock, altered):
    headers = authorized(demo, b"", packet_headers())
    headers["Authorization"] = altered(headers["Authorization"])
    reply = client.generic("POST", VPR, b"", "application/octet-stream", headers=headers)
    assert refused_as(reply) == UNAUTHENTICATED


@pytest.mark.django_db
def test_the_day_of_the_scope_must_be_that_of_the_date(client, demo, monkeypatch):
    """Although both are within the window around midnight."""
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))
    headers = authorized(demo, b"", packet_headers())
    parts = Authorization("2", demo.key_id, "20241231", "cn-north-1", "aiapi", "x-jdcloud-date", "")
    wire = {"x-jdcloud-date": headers["x-jdcloud-date"]}
    form = canonical_requests(Sent("POST", VPR, "", wire, lambda: b""), parts)[0]
    signature = parts.expected(parts.key(demo.secret), headers["x-jdcloud-date"], form)
    headers["Authorization"] = (
        f"JDCLOUD2-HMAC-SHA256 Credential={demo.key_id}/{parts.scope}, "
        f"SignedHeaders=x-jdcloud-date, Signature={signature}"
    )
    reply = client.generic("POST", VPR, b"", "application/octet-stream", headers=headers)
    assert refused_as(reply) == UNAUTHENTICATED


@pytest.mark.django_db
def test_nobody_at_all_is_not_authenticated(client):
    assert refused_as(client.post(VPR)) == UNAUTHENTICATED


@pytest.mark.django_db
@pytest.mark.parametrize("closed", ["key", "tenant", "dialect"])
def test_a_closed_door_is_forbidden_to_who_can_sign(sender, demo, closed):
    close(demo, closed)
    assert refused_as(sender()) == FORBIDDEN


@pytest.mark.django_db
@pytest.mark.parametrize("closed", ["key", "tenant", "dialect"])
def test_a_stranger_does_not_learn_of_a_closed_door(sender, demo, closed):
    close(demo, closed)
    assert refused_as(sender(changed={"x-jdcloud-nonce": "another"})) == UNAUTHENTICATED


def close(credential, what):
    if what == "key":
        set_credential_enabled(credential, False)
        return
    credential.tenant.active = what != "tenant"
    credential.tenant.dialects = ["abcpen"] if what == "dialect" else []
    credential.tenant.save()


GOOD = {"appkey": "JDC_DEMOACCESSKEY", "timestamp": str(NOW_MS), "sign": "2e0e6700a6f8b44149e3ff150d0a1824"}
TOO_OLD = "timestamp参数无效，请检查timestamp距离当前时间是否超过5分钟"
MD5_REFUSALS = [
    ({"appkey": None}, "10004", "URL上appkey参数不能为空"),
    ({"appkey": ""}, "10004", "URL上appkey参数不能为空"),
    ({"timestamp": None}, "10041", "URL上timestamp参数不能为空"),
    ({"timestamp": ""}, "10041", "URL上timestamp参数不能为空"),
    ({"sign": None}, "10042", "URL上sign参数不能为空"),
    ({"timestamp": "now"}, "10046", "timestamp参数格式错误"),
    ({"timestamp": "1735689600000.0"}, "10046", "timestamp参数格式错误"),
    ({"timestamp": "-1735689600000"}, "10046", "timestamp参数格式错误"),
    ({"timestamp": "１７３５６８９６０００００"}, "10046", "timestamp参数格式错误"),
    ({"timestamp": "9" * 5000}, "10046", "timestamp参数格式错误"),
    ({"timestamp": "1735689600"}, "10045", TOO_OLD),
    ({"timestamp": str(NOW_MS + 300_001)}, "10045", TOO_OLD),
    ({"timestamp": str(NOW_MS - 300_001)}, "10045", TOO_OLD),
    ({"appkey": "nobody"}, "10001", "错误的请求appkey"),
    ({"appkey": "a\x00b"}, "10001", "错误的请求appkey"),
    ({"appkey": "名"}, "10001", "错误的请求appkey"),
    ({"sign": "2e0e6700a6f8b44149e3ff150d0a1825"}, "10047", "请求签名sign无效，请检查签名信息"),
    ({"sign": "é"}, "10047", "请求签名sign无效，请检查签名信息"),
    ({"timestamp": str(NOW_MS + 1)}, "10047", "请求签名sign无效，请检查签名信息"),
]


@pytest.fixture
def by_sign(client, demo, clock):
    """Sends a request with the query of the vector, changed; answers what is outside `result`."""

    def send(**changes):
        query = {name: value for name, value in (GOOD | changes).items() if value is not None}
        reply = client.generic(
            "POST",
            VPR,
            b"",
            "application/octet-stream",
            headers=packet_headers(),
            QUERY_STRING=urlencode(query),
        )
        assert reply.status_code == 200
        return reply.json()

    return send


@pytest.mark.django_db
def test_the_sign_of_the_vector_is_accepted(by_sign):
    assert by_sign()["code"] == "10000"


@pytest.mark.django_db
@pytest.mark.parametrize(("changes", "code", "message"), MD5_REFUSALS, ids=str)
def test_any_other_sign_is_refused(by_sign, changes, code, message):
    assert by_sign(**changes) == UNLIMITED | {"code": code, "msg": message}


@pytest.mark.django_db
def test_the_faults_of_a_sign_are_told_in_order(by_sign, demo):
    """Each request has the fault of its row and of all rows below it."""
    demo.tenant.active = False
    demo.tenant.save()
    faults = [
        ("10004", {"appkey": ""}),
        ("10041", {"timestamp": ""}),
        ("10042", {"sign": ""}),
        ("10046", {"timestamp": "now"}),
        ("10045", {"timestamp": "1"}),
        ("10001", {"appkey": "nobody"}),
        ("10050", {}),
        ("10047", {"sign": "wrong"}),
    ]
    for row, (code, _) in enumerate(faults[:-1]):
        changes = {}
        for _, fault in reversed(faults[row:]):
            changes |= fault
        assert by_sign(**changes)["code"] == code


@pytest.mark.django_db
@pytest.mark.parametrize(("milliseconds"), [-300_000, 300_000])
def test_a_timestamp_may_be_five_minutes_away(client, demo, clock, milliseconds):
    jdcloud = Jdcloud(client, demo)
    assert jdcloud.reply(query=signed(demo, NOW_MS + milliseconds)).json()["code"] == "10000"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("closed", "code", "message"),
    [
        ("key", "10050", "用户已被禁用"),
        ("tenant", "10050", "用户已被禁用"),
        ("dialect", "10048", "无接口权限，请下单购买"),
    ],
)
def test_a_closed_door_has_its_code(by_sign, demo, closed, code, message):
    close(demo, closed)
    assert by_sign() == UNLIMITED | {"code": code, "msg": message}


@pytest.mark.django_db
def test_one_sign_serves_many_calls(by_sign):
    assert [by_sign()["code"] for _ in range(3)] == ["10000"] * 3


@pytest.mark.django_db
@pytest.mark.parametrize("send", ["sender", "by_sign"])
def test_using_a_key_is_noted(request, clock, send):
    request.getfixturevalue(send)()
    assert known_credential("JDC_DEMOACCESSKEY").last_used == timezone.now()


@pytest.mark.django_db
def test_one_tenants_key_never_opens_another(client, acme_credential, globex_credential):
    query = signed(acme_credential, int(timezone.now().timestamp() * 1000))
    query = query.replace(acme_credential.key_id, globex_credential.key_id)
    assert Jdcloud(client, acme_credential).reply(query=query).json()["code"] == "10047"


@pytest.mark.django_db
def test_parameters_in_the_signed_query_are_read(client, demo, clock):
    headers = {name: value for name, value in packet_headers().items() if name not in {"User-Id", "Property"}}
    query = urlencode({"User-Id": "user-0001", "Property": described()})
    headers = authorized(demo, b"", headers, query=query)
    reply = client.generic("POST", f"{VPR}?{query}", b"", "application/octet-stream", headers=headers)
    assert reply.json()["result"]["status"] == 61001
