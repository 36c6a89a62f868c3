"""Who may come in: the vendor's signature, and the gateway's rows of its error tables."""

import pytest
from django.utils import timezone

from api.speakin.signature import authorization, signature, signing_string
from tenants.services import known_credential, set_credential_enabled
from tests.api.speakin.client import UNKNOWN_ID, signed
from tests.clock import NEW_YEAR, fixed

pytestmark = pytest.mark.django_db

SECRET = "SecretKeyExample"
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"
STRING = f"date: {DATE}\nsource: test"
SIGNATURE = "iLCX+langlmvLQTLqqgyPll4F48="
X_DATE_SIGNATURE = "bBw24eITfcyxqQ3Szt7A+P5eAq4="
SIGNATURES = {
    "hmac-sha1": SIGNATURE,
    "hmac-sha256": "gq5QyDMiqD0h9oLW1aNWUw3qPqEHs41FpuiDbvYZ1os=",
    "hmac-sha384": "2/STlFu3iB2ojw7uxKj1TyzPA3aK/mHPFS2YuRty5b8yjDBFfMvNAhEuBuEQszGS",
    "hmac-sha512": "kja9E8GrxorQjynJjjAMSeEDBq9kVMAvHDmTKQEuxRUdDCsNqwn5RwsCPogfzmaCUdSTixRV2voIUxD+9QEkug==",
}
AUTHORIZATION = f'hmac id="AKIDexample", algorithm="hmac-sha1", headers="date source", signature="{SIGNATURE}"'
HEADERS = {"Date": DATE, "Source": "test", "Authorization": AUTHORIZATION}

NOT_VERIFIED = "HMAC signature cannot be verified"
NOT_SIGNED = f"{NOT_VERIFIED}, a validate authorization header is required"
OTHER_FORM = "authorization headers is invalidate"
INCOMPLETE = "id or signature missing"
NO_DATE = f"{NOT_VERIFIED}, a valid date header is required"
MISMATCH = "HMAC signature does not match"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR))


@pytest.fixture
def asked(client, vectors):
    """What the gateway says to a request with these headers, "" when it lets the request pass."""

    def asked(headers=HEADERS):
        reply = client.post("/release/num/compare", "{}", content_type="application/json", headers=headers)
        if reply.status_code == 200:
            assert reply.json() == UNKNOWN_ID
            return ""
        assert reply.status_code == (401 if reply.json()["message"] == NOT_SIGNED else 403)
        assert reply["Content-Type"] == "application/json"
        assert set(reply.json()) == {"message"}
        return reply.json()["message"]

    return asked


def saying(authorization):
    return HEADERS | {"Authorization": authorization}


def without(*names, **more):
    return {name: value for name, value in HEADERS.items() if name not in names} | more


def test_the_signing_string():
    assert signing_string([("Date", DATE), ("Source", "test")]) == STRING


@pytest.mark.parametrize(("algorithm", "expected"), SIGNATURES.items())
def test_the_vectors(algorithm, expected):
    assert signature(STRING, SECRET, algorithm) == expected


def test_the_vector_with_x_date():
    assert signature(f"x-date: {DATE}\nsource: test", SECRET) == X_DATE_SIGNATURE


def test_the_authorization_of_the_vector():
    assert authorization("AKIDexample", SECRET, {"Date": DATE, "Source": "test"}) == AUTHORIZATION


def test_the_vector_is_let_in(asked):
    assert asked() == ""


@pytest.mark.parametrize("algorithm", SIGNATURES)
def test_every_algorithm_is_let_in(asked, algorithm):
    said = AUTHORIZATION.replace("hmac-sha1", algorithm).replace(SIGNATURE, SIGNATURES[algorithm])
    assert asked(saying(said)) == ""


def test_x_date_is_let_in(asked):
    said = AUTHORIZATION.replace("date source", "x-date source").replace(SIGNATURE, X_DATE_SIGNATURE)
    assert asked(without("Date", **{"X-Date": DATE, "Authorization": said})) == ""


def test_of_both_dates_signed_x_date_counts(asked, vectors):
    headers = {"Date": "Tue, 01 Jan 2019 00:00:00 GMT", "X-Date": DATE}
    said = authorization(vectors.key_id, SECRET, headers)
    assert asked(headers | {"Authorization": said}) == ""


def test_a_date_that_is_not_signed_does_not_count(asked):
    assert asked(HEADERS | {"X-Date": "long ago"}) == ""


@pytest.mark.parametrize(
    "authorization",
    [
        f'hmac signature="{SIGNATURE}",headers="date source",algorithm="hmac-sha1",id="AKIDexample"',
        f'  hmac   id = "AKIDexample" ,algorithm= "hmac-sha1",  headers="date  source" , signature ="{SIGNATURE}" ',
        AUTHORIZATION.replace("date source", "Date SOURCE"),
        AUTHORIZATION.replace("hmac id", "Hmac id"),
        AUTHORIZATION + ', version="1"',
    ],
)
def test_order_and_spaces_of_the_attributes_are_free(asked, authorization):
    assert asked(saying(authorization)) == ""


def test_the_order_of_the_signed_headers_is_the_clients(asked, vectors):
    said = authorization(vectors.key_id, SECRET, {"Source": "test", "Date": DATE})
    assert asked(saying(said)) == ""


def test_a_header_may_be_named_twice(asked):
    signed_twice = signature(f"{STRING}\nsource: test", SECRET)
    said = AUTHORIZATION.replace("date source", "date source source").replace(SIGNATURE, signed_twice)
    assert asked(saying(said)) == ""


def test_any_header_may_be_signed(asked, vectors):
    headers = {"Date": DATE, "Content-Type": "application/json", "X-Label": ""}
    said = authorization(vectors.key_id, SECRET, headers)
    assert asked({"Date": DATE, "X-Label": "", "Authorization": said}) == ""


def test_values_are_taken_without_outer_spaces(asked):
    assert asked(HEADERS | {"Source": "  test "}) == ""


def test_bytes_above_ascii_are_signed_as_they_are_sent(asked, vectors):
    sent = "测试".encode().decode("latin-1")
    said = authorization(vectors.key_id, SECRET, {"Date": DATE, "Source": sent})
    assert asked(HEADERS | {"Source": sent, "Authorization": said}) == ""


def test_the_same_signature_serves_many_calls(asked):
    assert [asked() for _ in range(3)] == ["", "", ""]


def test_a_request_without_authorization(asked):
    assert asked(without("Authorization")) == NOT_SIGNED


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "hmac",
        "hmac ",
        "Basic YTpi",
        "Bearer hmac",
        AUTHORIZATION.replace('"', "'"),
        AUTHORIZATION.replace('"', ""),
        AUTHORIZATION.replace("hmac id", "hmacid"),
        AUTHORIZATION.replace("hmac id", "id"),
        AUTHORIZATION.replace(", ", " "),
        AUTHORIZATION + ",",
        AUTHORIZATION + " and more",
        AUTHORIZATION + ', id="other"',
        "hmac " + ", " * 3000,
        'hmac id="' * 1000,
        "hmac " + "a" * 7000,
        "名",
    ],
    ids=range(17),
)
def test_an_authorization_of_another_form(asked, authorization):
    assert asked(saying(authorization)) == OTHER_FORM


@pytest.mark.parametrize(
    "authorization",
    [
        AUTHORIZATION.replace("AKIDexample", ""),
        AUTHORIZATION.replace('id="AKIDexample", ', ""),
        AUTHORIZATION.replace(SIGNATURE, ""),
        AUTHORIZATION.partition(", signature")[0],
        'hmac algorithm="hmac-sha1"',
    ],
)
def test_an_authorization_without_key_or_signature(asked, authorization):
    assert asked(saying(authorization)) == INCOMPLETE


@pytest.mark.parametrize("name", ["Source", "Date"])
def test_a_signed_header_that_was_not_sent(asked, name):
    assert asked(without(name)) == f"{NOT_VERIFIED}, a valid {name.lower()} header is required"


def test_a_signed_header_is_named_as_the_client_named_it(asked):
    said = AUTHORIZATION.replace("date source", "date X-{Label}")
    assert asked(saying(said)) == f"{NOT_VERIFIED}, a valid X-{{Label}} header is required"


@pytest.mark.parametrize("names", ["source", "", " ", "x_date source"])
def test_a_date_must_be_signed(asked, names):
    assert asked(HEADERS | {"X-Date": DATE, "Authorization": AUTHORIZATION.replace("date source", names)}) == NO_DATE


@pytest.mark.parametrize(
    "date",
    [
        "",
        "now",
        "1735689600",
        "2025-01-01T00:00:00Z",
        "Wed, 01 Jan 2025 00:00:00",
        "Wed, 99 Jan 2025 00:00:00 GMT",
        "Wed, 01 Jän 2025 00:00:00 GMT",
        "Wed, ٠١ Jan 2025 00:00:00 GMT".encode().decode("latin-1"),
        "Wed, 01 Jan 9999 00:00:00 GMT",
        "Wed, 01 Jan 0000 00:00:00 GMT",
        "9" * 5000,
    ],
)
def test_a_date_that_cannot_be_read(asked, date):
    assert asked(HEADERS | {"Date": date}) == NO_DATE


@pytest.mark.parametrize(("seconds", "expected"), [(-901, NO_DATE), (-900, ""), (900, ""), (901, NO_DATE)])
def test_the_window_is_900_seconds_to_both_sides(asked, monkeypatch, seconds, expected):
    monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + seconds))
    assert asked() == expected


@pytest.mark.parametrize("key_id", ["nobody", "akidexample", "AKIDexample ", "a" * 5000, "é"])
def test_an_unknown_key(asked, key_id):
    assert asked(saying(AUTHORIZATION.replace("AKIDexample", key_id))) == NOT_VERIFIED


@pytest.mark.parametrize("algorithm", ["hmac-md5", "sha1", "HMAC-SHA1", "none", ""])
def test_an_unknown_algorithm(asked, algorithm):
    assert asked(saying(AUTHORIZATION.replace("hmac-sha1", algorithm))) == NOT_VERIFIED


def test_a_disabled_key(asked, vectors):
    set_credential_enabled(vectors, False)
    assert asked() == NOT_VERIFIED


@pytest.mark.parametrize(
    "given",
    ["iLCX+langlmvLQTLqqgyPll4F49=", SIGNATURE.rstrip("="), SIGNATURE.lower(), "é" * 28, "a" * 5000, "="],
)
def test_another_signature(asked, given):
    assert asked(saying(AUTHORIZATION.replace(SIGNATURE, given))) == MISMATCH


def test_a_header_changed_after_signing(asked):
    assert asked(HEADERS | {"Source": "other"}) == MISMATCH


def test_the_signature_of_another_algorithm(asked):
    assert asked(saying(AUTHORIZATION.replace("hmac-sha1", "hmac-sha256"))) == MISMATCH


def test_one_tenants_key_never_opens_another(asked, acme_credential):
    foreign = signed(acme_credential, timezone.now())["Authorization"]
    assert asked(saying(foreign.replace(acme_credential.key_id, "AKIDexample"))) == MISMATCH


def test_a_tenant_that_is_not_active_has_no_usage_plan(asked, vectors):
    vectors.tenant.active = False
    vectors.tenant.save()
    assert asked() == "Found no validate usage plan"


def test_a_wrong_signature_does_not_learn_that_a_tenant_is_not_active(asked, vectors):
    vectors.tenant.active = False
    vectors.tenant.save()
    assert asked(HEADERS | {"Source": "other"}) == MISMATCH


# Each request has the fault of its row and of all rows below it.
ORDER = [
    (NOT_SIGNED, {"Authorization": None}),
    (OTHER_FORM, {"Authorization": lambda said: said.replace('"', "'")}),
    (INCOMPLETE, {"Authorization": lambda said: said.replace("AKIDexample", "").replace("nobody", "")}),
    (f"{NOT_VERIFIED}, a valid source header is required", {"Source": None}),
    (NO_DATE, {"Date": lambda _: "Tue, 01 Jan 2019 00:00:00 GMT"}),
    (NOT_VERIFIED, {"Authorization": lambda said: said.replace("AKIDexample", "nobody")}),
    (MISMATCH, {"Authorization": lambda said: said.replace(SIGNATURE, "AAAA")}),
]


@pytest.mark.parametrize("row", range(len(ORDER)))
def test_faults_are_told_in_the_order_of_the_specification(asked, row):
    headers = dict(HEADERS)
    for _, faults in reversed(ORDER[row:]):
        for name, change in faults.items():
            if change is None:
                headers.pop(name, None)
            else:
                headers[name] = change(headers[name])
    assert asked(headers) == ORDER[row][0]


@pytest.mark.parametrize("operation", ["vecforregister", "vecforcompare", "compare", "nothing"])
def test_the_gateway_judges_before_anything_of_the_request_is_read(client, vectors, operation):
    body = "--x\r\nnonsense" * 100
    reply = client.post(f"/num/{operation}", body, content_type="multipart/form-data; boundary=x", headers={})
    assert (reply.status_code, reply.json()) == (401, {"message": NOT_SIGNED})


def test_a_body_above_the_limit_is_no_reason_not_to_ask_for_a_signature_first(client, vectors, settings):
    settings.MAX_UPLOAD_BYTES = 10
    reply = client.post("/num/compare", "{}" * 100, content_type="application/json")
    assert reply.status_code == 401


def test_using_a_key_is_noted(asked):
    asked()
    assert known_credential("AKIDexample").last_used == timezone.now()


def test_a_wrong_signature_is_no_use(asked):
    asked(HEADERS | {"Source": "other"})
    assert known_credential("AKIDexample").last_used is None
