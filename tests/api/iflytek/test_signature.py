"""Who may come in: the vendor's signature."""

import base64
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from django.utils import timezone

from api.iflytek.signature import authorization, signature
from tenants.services import known_credential, set_credential_enabled
from tests.api.iflytek.client import HOST, OLDER_SERVICE, SERVICE, gateway_message, read, signed
from tests.api.iflytek.conftest import VECTOR_KEY, VECTOR_SECRET
from tests.clock import NEW_YEAR, fixed

pytestmark = pytest.mark.django_db

PATH, OLDER_PATH = f"/v1/private/{SERVICE}", f"/v1/private/{OLDER_SERVICE}"
APRIL = "Fri, 23 Apr 2021 02:35:47 GMT"
NEW_YEARS_DATE = "Wed, 01 Jan 2025 00:00:00 GMT"
NEW_YEARS_SIGNATURE = "nGKWkYfROC+64yAi+7CRWVOTlHPeh4PsUNmjWn+1hrE="
OLDER_AUTHORIZATION = (
    "YXBpX2tleT0iYXBpa2V5WFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFgiLCBhbGdvcml0aG09ImhtYWMtc2hhMjU2IiwgaGVhZGVycz0iaG9z"
    "dCBkYXRlIHJlcXVlc3QtbGluZSIsIHNpZ25hdHVyZT0iMWp3UWJJQUttUUU3SndJSDBJRHhpQzFwZWpybE4rVnBIWERXT0ZWeTVOTT0i"
)
APRIL_AUTHORIZATION = (
    "YXBpX2tleT0iYXBpa2V5WFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFgiLCBhbGdvcml0aG09ImhtYWMtc2hhMjU2IiwgaGVhZGVycz0iaG9z"
    "dCBkYXRlIHJlcXVlc3QtbGluZSIsIHNpZ25hdHVyZT0iSGZ3WURwKzEwYkFFcHZ5OU1heUh6SXNlN05xVG9iT3B0NWpJRmFtUjEyST0i"
)
WITHOUT_SPACES = (
    "YXBpX2tleT0iYXBpa2V5WFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFgiLGFsZ29yaXRobT0iaG1hYy1zaGEyNTYiLGhlYWRlcnM9Imhvc3Qg"
    "ZGF0ZSByZXF1ZXN0LWxpbmUiLHNpZ25hdHVyZT0iSGZ3WURwKzEwYkFFcHZ5OU1heUh6SXNlN05xVG9iT3B0NWpJRmFtUjEyST0i"
)
AUTHORIZATION = (
    "YXBpX2tleT0iYXBpa2V5WFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFgiLCBhbGdvcml0aG09ImhtYWMtc2hhMjU2IiwgaGVhZGVycz0iaG9z"
    "dCBkYXRlIHJlcXVlc3QtbGluZSIsIHNpZ25hdHVyZT0ibkdLV2tZZlJPQys2NHlBaSs3Q1JXVk9UbEhQZWg0UHNVTm1qV24rMWhyRT0i"
)
QUERY = {"authorization": AUTHORIZATION, "host": HOST, "date": NEW_YEARS_DATE}
NOT_A_QUESTION_OF_ACCESS = 10160  # There is no body, which is all that is wrong.

UNAUTHORIZED = (401, "Unauthorized")
UNVERIFIABLE = (401, "HMAC signature cannot be verified")
NO_MATCH = (401, "HMAC signature does not match")
BAD_DATE = (
    403,
    "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication",
)
ACCEPTED = (200, NOT_A_QUESTION_OF_ACCESS)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))


@pytest.fixture
def outcome(vector):
    """Of a request with this query: what is said, in the form the vendor's gateway says it."""

    def outcome(query, path=PATH, **headers):
        sent = query if isinstance(query, str) else urlencode(query)
        reply = Client().post(path, QUERY_STRING=sent, headers=headers)
        if reply.status_code == 200:
            return (200, read(reply).code)
        return (reply.status_code, gateway_message(reply))

    return outcome


def changed(authorization):
    return QUERY | {"authorization": authorization}


def in_base64(text):
    return base64.b64encode(text.encode("latin-1")).decode()


def attributes(separator=", ", order=("api_key", "algorithm", "headers", "signature"), **others):
    values = {
        "api_key": VECTOR_KEY,
        "algorithm": "hmac-sha256",
        "headers": "host date request-line",
        "signature": NEW_YEARS_SIGNATURE,
    } | others
    return in_base64(separator.join(f'{name}="{values[name]}"' for name in order))


@pytest.mark.parametrize(
    ("path", "host", "date", "expected"),
    [
        (OLDER_PATH, HOST, APRIL, "1jwQbIAKmQE7JwIH0IDxiC1pejrlN+VpHXDWOFVy5NM="),
        (PATH, HOST, APRIL, "HfwYDp+10bAEpvy9MayHzIse7NqTobOpt5jIFamR12I="),
        (PATH, HOST, "Fri, 23 Apr 2021 02:35:47 UTC", "YaJ2TeV8+xoLDBpqJlFvzcuHAqrlon0X0x4CESmNoyw="),
        (PATH, "api.xf-yun.com:-1", APRIL, "7qOY0qbnTiN7HpNGKKntm2UKwXCBymAEcj1QF7wp3/E="),
        (PATH, "127.0.0.1:8080", APRIL, "TXJ7JLLLAb02a2tsDMd/7VWiNqghJf2r2pQpxKiX/A0="),
        (PATH, HOST, NEW_YEARS_DATE, NEW_YEARS_SIGNATURE),
    ],
)
def test_the_vectors(path, host, date, expected):
    assert signature(host, date, path, VECTOR_SECRET) == expected


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("1jwQbIAKmQE7JwIH0IDxiC1pejrlN+VpHXDWOFVy5NM=", OLDER_AUTHORIZATION),
        ("HfwYDp+10bAEpvy9MayHzIse7NqTobOpt5jIFamR12I=", APRIL_AUTHORIZATION),
        (NEW_YEARS_SIGNATURE, AUTHORIZATION),
    ],
)
def test_the_authorization_of_the_vectors(digest, expected):
    assert authorization(VECTOR_KEY, digest) == expected


@pytest.mark.parametrize(
    ("path", "sent"),
    [(OLDER_PATH, OLDER_AUTHORIZATION), (PATH, APRIL_AUTHORIZATION), (PATH, WITHOUT_SPACES)],
    ids=["older service", "newer service", "without spaces"],
)
def test_the_vectors_open_the_door(outcome, monkeypatch, path, sent):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2021, 4, 23, 2, 35, 47, tzinfo=UTC))
    assert outcome({"authorization": sent, "host": HOST, "date": APRIL}, path) == ACCEPTED


def test_the_example_address_with_the_signature_of_the_other_service_does_not_match(outcome, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2021, 4, 23, 2, 35, 47, tzinfo=UTC))
    assert outcome({"authorization": OLDER_AUTHORIZATION, "host": HOST, "date": APRIL}) == NO_MATCH


@pytest.mark.parametrize(
    "host",
    [b"api.xf-yun.com", b"api.xf-yun.com:-1", b"127.0.0.1:8080", "你好.example".encode(), b"a b+c", b"\xe9"],
    ids=repr,
)
def test_any_host_may_be_signed(outcome, host):
    digest = signature(host.decode("latin-1"), NEW_YEARS_DATE, PATH, VECTOR_SECRET)
    assert outcome(changed(authorization(VECTOR_KEY, digest)) | {"host": host}) == ACCEPTED


@pytest.mark.parametrize("host", [HOST, "10.0.0.1:8080", "some_service", "api.xf-yun.com:-1", "", "a b", "é"])
def test_the_host_of_the_request_does_not_matter(outcome, settings, host):
    settings.ALLOWED_HOSTS = ["voice.example.com"]
    assert outcome(QUERY, Host=host) == ACCEPTED


@pytest.mark.parametrize(
    "query",
    [
        urlencode(QUERY, quote_via=quote),
        urlencode(QUERY),
        urlencode(dict(reversed(QUERY.items()))),
        f"authorization={AUTHORIZATION}&host={HOST}&date={NEW_YEARS_DATE.replace(' ', '+')}",
        f"authorization={AUTHORIZATION}&host={HOST}&date={NEW_YEARS_DATE.replace(' ', '%20')}&more=x",
    ],
    ids=["%20", "+", "another order", "only the spaces encoded", "more parameters"],
)
def test_the_query_may_be_written_in_several_ways(outcome, query):
    assert outcome(query) == ACCEPTED


def test_the_date_may_be_in_utc(outcome):
    date = NEW_YEARS_DATE.replace("GMT", "UTC")
    digest = signature(HOST, date, PATH, VECTOR_SECRET)
    assert outcome({"authorization": authorization(VECTOR_KEY, digest), "host": HOST, "date": date}) == ACCEPTED


def test_a_zone_is_signed_as_it_was_sent(outcome):
    assert outcome(QUERY | {"date": NEW_YEARS_DATE.replace("GMT", "UTC")}) == NO_MATCH


@pytest.mark.parametrize(
    "sent",
    [
        attributes(","),
        attributes(",   "),
        attributes(order=["signature", "headers", "api_key", "algorithm"]),
        attributes(realm="xf", order=["realm", "api_key", "algorithm", "headers", "signature"]),
        attributes(order=["api_key", "signature"]),
    ],
    ids=["no spaces", "many spaces", "another order", "another attribute", "only what is needed"],
)
def test_the_attributes_may_be_written_in_several_ways(outcome, sent):
    assert outcome(changed(sent)) == ACCEPTED


def test_a_plus_that_became_a_space_is_accepted(outcome):
    # Three letters of the Base64 stand for "~>" and the like; an attribute nobody reads brings a plus into it.
    sent = attributes(note="~>~>~>", order=["note", "api_key", "algorithm", "headers", "signature"])
    assert "+" in sent
    assert outcome(f"authorization={sent}&" + urlencode({"host": HOST, "date": NEW_YEARS_DATE})) == ACCEPTED


def test_the_headers_of_the_vendors_samples_are_ignored(outcome):
    assert outcome(QUERY, appid="your_app_id", Date="yesterday") == ACCEPTED


def test_the_same_signature_serves_many_calls(outcome):
    assert [outcome(QUERY) for _ in range(3)] == [ACCEPTED] * 3


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-301, BAD_DATE), (-300, ACCEPTED), (300, ACCEPTED), (301, BAD_DATE)]
)
def test_the_window_is_300_seconds_to_both_sides(outcome, monkeypatch, seconds, expected):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + seconds))
    assert outcome(QUERY) == expected


def test_the_date_is_judged_before_the_digest(outcome, monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + 301))
    assert outcome(changed(attributes(signature="wrong", api_key="nobody"))) == BAD_DATE


@pytest.mark.parametrize("query", ["", "authorization=", "host=a&date=b"])
def test_without_an_authorization_a_request_is_unauthorized(outcome, query):
    assert outcome(query) == UNAUTHORIZED


def test_the_authorization_is_no_header(outcome):
    rest = urlencode({"host": HOST, "date": NEW_YEARS_DATE})
    assert outcome(rest, Authorization=AUTHORIZATION) == UNAUTHORIZED


@pytest.mark.parametrize(
    "sent",
    [
        "***",
        AUTHORIZATION[:-1],
        "é",
        "AAAA",
        in_base64("\xff\xfe"),
        in_base64("a=" * 5000),
        attributes(order=["api_key", "algorithm", "headers"]),
        attributes(order=["signature", "algorithm", "headers"]),
        attributes(algorithm="hmac-sha1"),
        attributes(api_key="nobody"),
        attributes(api_key=""),
        attributes(api_key="a\x00b"),
        attributes(api_key="a" * 3000),
    ],
    ids=lambda sent: sent[-12:],
)
def test_what_cannot_be_read_or_names_no_key_cannot_be_verified(outcome, sent):
    assert outcome(changed(sent)) == UNVERIFIABLE


@pytest.mark.parametrize("name", ["host", "date"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_without_host_or_date_nothing_can_be_verified(outcome, name, how):
    query = QUERY | {name: ""} if how == "empty" else {key: QUERY[key] for key in QUERY if key != name}
    assert outcome(query) == UNVERIFIABLE


@pytest.mark.parametrize(
    "date",
    [
        "now",
        "1735689600",
        "2025-01-01T00:00:00Z",
        "Wed, 01 Jan 2025 00:00:00 CST",
        "Wed, 01 Jan 2025 00:00:00 +0800",
        "Wed, 01 Jan 2025 25:00:00 GMT",
        "Wed, 32 Jan 2025 00:00:00 GMT",
        "Wed, 01 Foo 2025 00:00:00 GMT",
        "Wed, 01 Jan 0000 00:00:00 GMT",
        "Wed, ０１ Jan 2025 00:00:00 GMT",
        "Wed, 01 Jan 2025 00:00:00 GMT\n",
        "Wed, 01 Jan 2025 00:00:60 GMT",
        "9" * 3000,
    ],
)
def test_a_date_that_cannot_be_read_cannot_be_verified(outcome, date):
    assert outcome(QUERY | {"date": date}) == UNVERIFIABLE


@pytest.mark.parametrize("date", ["Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 UTC"])
def test_the_ends_of_time_are_outside_the_window(outcome, date):
    assert outcome(QUERY | {"date": date}) == BAD_DATE


@pytest.mark.parametrize(
    "digest",
    ["", "wrong", NEW_YEARS_SIGNATURE.lower(), NEW_YEARS_SIGNATURE.rstrip("="), "\xe9" * 44, "a" * 2000],
    ids=lambda digest: digest[:8],
)
def test_any_other_digest_does_not_match(outcome, digest):
    assert outcome(changed(attributes(signature=digest))) == NO_MATCH


@pytest.mark.parametrize("name", ["host", "date"])
def test_what_was_signed_cannot_be_changed(outcome, name):
    other = {"host": "api.xf-yun.com.evil", "date": "Wed, 01 Jan 2025 00:00:01 GMT"}
    assert outcome(QUERY | {name: other[name]}) == NO_MATCH


def test_the_path_is_signed(outcome):
    assert outcome(QUERY, OLDER_PATH) == NO_MATCH


def test_a_disabled_key_cannot_be_verified(outcome, vector):
    set_credential_enabled(vector, False)
    assert outcome(QUERY) == UNVERIFIABLE


def test_using_a_key_is_noted(outcome):
    outcome(QUERY)
    assert known_credential(VECTOR_KEY).last_used == timezone.now()


def test_a_wrong_digest_is_no_use(outcome):
    outcome(changed(attributes(signature="wrong")))
    assert known_credential(VECTOR_KEY).last_used is None


def test_one_tenants_key_never_opens_another(client, acme_credential, globex_credential):
    stolen = signed(acme_credential, PATH)
    digest = signature(stolen["host"], stolen["date"], PATH, acme_credential.secret)
    forged = stolen | {"authorization": authorization(globex_credential.key_id, digest)}
    assert gateway_message(client.post(PATH, QUERY_STRING=urlencode(forged))) == NO_MATCH[1]


def test_no_browser_is_invited(outcome, client):
    reply = client.post(PATH, QUERY_STRING=urlencode(QUERY), headers={"Origin": "https://example.com"})
    assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
