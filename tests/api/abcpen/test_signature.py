"""Who may come in: the vendor's signature."""

import pytest
from django.utils import timezone

from api.abcpen import conf
from api.abcpen.signature import old_signature, signature
from tenants.services import create_tenant, known_credential, set_credential_enabled
from tests.api.abcpen.client import signed
from tests.clock import fixed

pytestmark = pytest.mark.django_db

NOW = 1735689600
SECRET_B = "2258ACC4-199B-4DCB-B6F3-C2485C63E85A"
SIGNA_B = "Yu0LMR6HahQ5HkN1xx4yXX5wiMk="
OLD_SIGNA_B = "bc48e0f47b48366bbce1ee7f210966a6ec6a947a8b7525b469c8cfcb1d7fdedb"
HEADERS = {"X-App-Key": "test1", "X-Timestamp": str(NOW), "X-App-Signature": SIGNA_B}
NO_LICENSE = {"code": "10110", "msg": "no license"}
REFUSED = {"code": "10105", "msg": "illegal access"}
COUNT = "/voiceid/count?org_id=acme"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NOW))


@pytest.fixture
def code(client, vector_b):
    def code(query="", **headers):
        reply = client.get(f"{COUNT}&{query}", headers=headers)
        assert reply.status_code == 200
        return reply.json()["code"]

    return code


def test_vector_a():
    assert signature("595f23df", "1512041814", "d9f4aa7ea6d94faca62cd88a28fd5234") == "IrrzsJeOFk1NGfJHW6SkHUoN9CU="


def test_vector_b():
    assert signature("test1", str(NOW), SECRET_B) == SIGNA_B


def test_the_old_vector():
    assert old_signature("test1", str(NOW), SECRET_B) == OLD_SIGNA_B


def test_headers_are_accepted(code):
    assert code(**HEADERS) == "0"


def test_the_query_is_accepted(code):
    assert code("appid=test1&ts=1735689600&signa=Yu0LMR6HahQ5HkN1xx4yXX5wiMk%3D") == "0"


def test_each_value_may_come_from_its_own_place(code):
    assert code("ts=1735689600&signa=Yu0LMR6HahQ5HkN1xx4yXX5wiMk%3D", **{"X-App-Key": "test1"}) == "0"


def test_the_header_counts_before_the_query(code):
    assert code("appid=other&ts=1&signa=wrong", **HEADERS) == "0"


def test_a_plus_that_became_a_space_is_accepted(client, vector_b):
    ts = next(ts for ts in range(NOW, NOW + 300) if "+" in signature("test1", str(ts), SECRET_B))
    raw = f"appid=test1&ts={ts}&signa={signature('test1', str(ts), SECRET_B)}"
    assert client.get(f"{COUNT}&{raw}").json()["code"] == "0"


def test_the_same_signature_serves_many_calls(code):
    assert [code(**HEADERS) for _ in range(3)] == ["0"] * 3


@pytest.mark.parametrize(("seconds", "expected"), [(-301, "10105"), (-300, "0"), (300, "0"), (301, "10105")])
def test_the_window_is_300_seconds_to_both_sides(code, monkeypatch, seconds, expected):
    monkeypatch.setattr(timezone, "now", fixed(NOW + seconds))
    assert code(**HEADERS) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"X-App-Key": "nobody"},
        {"X-App-Key": ""},
        {"X-App-Key": "a\x00b"},
        {"X-App-Key": "测试"},
        {"X-App-Key": "a" * 5000},
        {"X-Timestamp": ""},
        {"X-Timestamp": "now"},
        {"X-Timestamp": "1735689600.0"},
        {"X-Timestamp": "-1735689600"},
        {"X-Timestamp": "１７３５６８９６００"},
        {"X-Timestamp": "9" * 5000},
        {"X-App-Signature": ""},
        {"X-App-Signature": "Yu0LMR6HahQ5HkN1xx4yXX5wiMK="},
        {"X-App-Signature": SIGNA_B.rstrip("=")},
        {"X-App-Signature": OLD_SIGNA_B},
        {"X-App-Signature": "é" * 28},
        {"X-App-Signature": "a" * 8000},
    ],
    ids=str,
)
def test_any_other_value_is_refused(client, vector_b, changed):
    assert client.get(COUNT, headers=HEADERS | changed).json() == REFUSED


def test_a_request_without_any_value_is_refused(client, vector_b):
    assert client.get(COUNT).json() == REFUSED


def test_a_disabled_key_is_refused(client, vector_b):
    set_credential_enabled(vector_b, False)
    assert client.get(COUNT, headers=HEADERS).json() == REFUSED


def test_the_key_of_a_closed_tenant_has_no_license(client, vector_b):
    vector_b.tenant.active = False
    vector_b.tenant.save()
    assert client.get(COUNT, headers=HEADERS).json() == NO_LICENSE


def test_the_signature_is_checked_before_any_parameter(client, vector_b):
    assert client.post("/voiceid/register").json() == REFUSED


def test_using_a_key_is_noted(code):
    code(**HEADERS)
    assert known_credential("test1").last_used == timezone.now()


def test_a_wrong_signature_is_no_use(code):
    code(**HEADERS | {"X-App-Signature": "wrong"})
    assert known_credential("test1").last_used is None


def test_the_old_signature_is_accepted_when_switched_on(code, monkeypatch):
    monkeypatch.setattr(conf, "OLD_SIGNATURE", True)
    assert code(**HEADERS | {"X-App-Signature": OLD_SIGNA_B}) == "0"


def test_the_new_signature_stays_when_the_old_is_switched_on(code, monkeypatch):
    monkeypatch.setattr(conf, "OLD_SIGNATURE", True)
    assert code(**HEADERS) == "0"


def test_unsigned_requests_belong_to_the_bound_tenant(client, monkeypatch, acme):
    monkeypatch.setattr(conf, "UNSIGNED_TENANT", "acme")
    assert client.get(COUNT).json()["data"] == {"count": 0}


def test_a_wrong_signature_is_refused_although_none_is_needed(client, monkeypatch, vector_b):
    monkeypatch.setattr(conf, "UNSIGNED_TENANT", "vector-b")
    assert client.get(COUNT, headers=HEADERS | {"X-App-Signature": "wrong"}).json() == REFUSED


def test_unsigned_requests_to_a_closed_tenant_have_no_license(client, monkeypatch):
    tenant = create_tenant("closed").tenant
    tenant.active = False
    tenant.save()
    monkeypatch.setattr(conf, "UNSIGNED_TENANT", "closed")
    assert client.get(COUNT).json() == NO_LICENSE


def test_one_tenants_key_never_opens_another(client, acme_credential, globex_credential):
    headers = signed(acme_credential, NOW) | {"X-App-Key": globex_credential.key_id}
    assert client.get(COUNT, headers=headers).json() == REFUSED
