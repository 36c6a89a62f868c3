"""A request that is sent again is answered again and done once."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from api.native import idempotency
from api.native.idempotency import HashedBody
from api.native.models import KeptAnswer
from api.native.tasks import sweep_answers
from tenants.context import acting_as, acting_as_platform
from tests.api.native.client import STAFF, Native, encoded, part, problem
from tests.cast import KEN, SUSAN, recording, silence
from voiceprints import services
from voiceprints.errors import TooBusy

pytestmark = pytest.mark.django_db

ORG = {"org_id": "acme", "tag_id": "new"}


def keyed(key: str = "a-key") -> dict[str, str]:
    return {"Idempotency-Key": key}


def enrolling(name: str = "susan", content: bytes | None = None) -> dict:
    return STAFF | {"external_id": name, "audio": [encoded(content or recording(SUSAN))]}


def same(one, other) -> bool:
    headers = ("Content-Type", "Location", "ETag", "Cache-Control")
    return (one.status_code, one.content) == (other.status_code, other.content) and all(
        one.get(name) == other.get(name) for name in headers
    )


def count(native: Native) -> int:
    return services.count_speakers(native.tenant, native.tenant.libraries.all())


def test_a_repeated_enrollment_is_answered_as_the_first_was(native):
    first = native.post("enroll", enrolling(), keyed())
    again = native.post("enroll", enrolling(), keyed())
    assert first.status_code == 201
    assert same(first, again)
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert count(native) == 1


def test_a_repeated_form_is_the_same_whatever_its_boundary(native):
    def posted(boundary):
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        texts = "".join(f'{head}{name}"\r\n\r\n{value}\r\n' for name, value in (STAFF | {"external_id": "ken"}).items())
        audio = f'{head}audio"; filename="a.opus"\r\n\r\n'.encode() + recording(KEN)
        return native.client.post(
            "/api/v1/enroll",
            texts.encode() + audio + f"\r\n--{boundary}--\r\n".encode(),
            content_type=f"multipart/form-data; boundary={boundary}",
            headers=native.authorization | keyed(),
        )

    first, again = posted("0123456789"), posted(uuid.uuid4().hex)
    assert first.status_code == 201
    assert same(first, again)
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("libraries", ORG),
        ("verify", STAFF | {"external_id": "nobody", "audio": encoded(recording(KEN))}),
        ("identify", STAFF | {"audio": encoded(recording(KEN))}),
        ("analyze", {"audio": encoded(recording(KEN))}),
        ("analyze", {"audio": encoded(silence().read())}),
        ("analyze", {"audio": 7}),
        ("analyze", b"{"),
    ],
)
def test_every_operation_is_answered_again_refusals_too(native, path, body):
    first, again = native.post(path, body, keyed()), native.post(path, body, keyed())
    assert same(first, again)
    assert again["Idempotency-Replayed"] == "true"


def test_another_request_with_the_key_is_refused(native):
    native.post("libraries", ORG, keyed())
    assert problem(native.post("libraries", ORG | {"name": "other"}, keyed())) == (422, "idempotency-key-reused")
    assert problem(native.post("analyze", ORG, keyed())) == (422, "idempotency-key-reused")
    assert native.post("libraries?x=1", ORG, keyed()).status_code == 422


def test_another_token_has_keys_of_its_own(native, client, stranger):
    native.post("libraries", ORG, keyed())
    assert problem(Native(client, native.tenant).post("libraries", ORG, keyed())) == (409, "library-exists")
    assert stranger.post("libraries", ORG, keyed()).status_code == 201


@pytest.mark.parametrize("key", ["", "a key", "k" * 256, "schlüssel", "a\tb"])
def test_a_key_must_be_visible_ascii(native, key):
    assert problem(native.post("libraries", ORG, keyed(key))) == (400, "malformed-request")


@pytest.mark.parametrize("key", ["!", "~" * 255, '"quoted"'])
def test_any_visible_ascii_is_a_key(native, key):
    assert native.post("libraries", ORG, keyed(key)).status_code == 201


def test_what_may_be_tried_again_is_not_kept(native, monkeypatch):
    def busy(*_, **__):
        raise TooBusy(what="recordings", limit=1)

    with monkeypatch.context() as patch:
        patch.setattr(services, "enroll", busy)
        assert native.post("enroll", enrolling(), keyed()).status_code == 503
    assert native.post("enroll", enrolling(), keyed()).status_code == 201


def test_a_rate_limit_is_not_kept(native):
    native.post("libraries", ORG, keyed())
    with acting_as_platform():
        KeptAnswer.all_tenants.all().delete()
    native.tenant.requests_per_minute = 1
    native.tenant.save()
    assert native.post("libraries", ORG | {"tag_id": "x"}, keyed()).status_code == 201
    assert native.post("libraries", ORG | {"tag_id": "y"}, keyed("b")).status_code == 429
    native.tenant.requests_per_minute = None
    native.tenant.save()
    assert native.post("libraries", ORG | {"tag_id": "y"}, keyed("b")).status_code == 201


def test_what_failed_unforeseen_is_not_kept(native, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(services, "hear", lambda *_: 1 / 0)
        assert native.post("analyze", {"audio": encoded(recording(KEN))}, keyed()).status_code == 500
    assert native.post("analyze", {"audio": encoded(recording(KEN))}, keyed()).status_code == 200


def test_a_key_is_free_again_after_a_day(native):
    native.post("libraries", ORG, keyed())
    with acting_as_platform():
        KeptAnswer.all_tenants.update(expires=timezone.now() - timedelta(seconds=1))
    assert problem(native.post("libraries", ORG, keyed())) == (409, "library-exists")


def test_old_answers_are_swept(native):
    native.post("libraries", ORG, keyed())
    native.post("libraries", ORG | {"tag_id": "b"}, keyed("b"))
    with acting_as_platform():
        KeptAnswer.all_tenants.filter(key="b").update(expires=timezone.now() - timedelta(seconds=1))
    sweep_answers()
    with acting_as_platform():
        assert [row.key for row in KeptAnswer.all_tenants.all()] == ["a-key"]


def test_a_get_needs_no_key_and_keeps_nothing(native):
    native.get("libraries", keyed())
    with acting_as_platform():
        assert not KeptAnswer.all_tenants.exists()


def test_a_deleted_token_takes_its_answers_along(native):
    native.post("libraries", ORG, keyed())
    with acting_as(native.tenant):
        native.tenant.access_tokens.all().delete()
        assert not KeptAnswer.all_tenants.exists()


@pytest.mark.parametrize("sizes", [[1] * 40, [3, 7] * 10, [40], [0, 13, 27]])
def test_a_boundary_does_not_count_however_the_body_comes(sizes):
    def digest(boundary, pieces):
        content = b"--B\r\nabc\r\n--B\r\nBB--B--".replace(b"--B", b"--" + boundary)
        body = HashedBody(Chunks(content, pieces), boundary)
        while body.read():
            pass
        return body.hexdigest()

    expected = digest(b"boundary", [1000])
    assert digest(b"boundary", sizes) == expected
    assert digest(b"another-boundary", sizes) == expected


class Chunks:
    def __init__(self, content, sizes):
        self.content, self.sizes = content, list(sizes)

    def read(self):
        size = self.sizes.pop(0) if self.sizes else 1000
        if size == 0:
            size = self.sizes.pop(0)
        piece, self.content = self.content[:size], self.content[size:]
        return piece


# --- At once, and after a crash --------------------------------------------------------------------------------------


def in_a_thread(deed):
    try:
        return deed()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_under_way_others_are_told_to_wait(native, monkeypatch):
    entered, go_on = threading.Event(), threading.Event()
    hear = services.hear

    def slowly(*arguments, **options):
        entered.set()
        assert go_on.wait(20)
        return hear(*arguments, **options)

    monkeypatch.setattr(services, "hear", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(in_a_thread, lambda: native.post("enroll", enrolling(), keyed()))
        assert entered.wait(20)
        waiting = native.post("enroll", enrolling(), keyed())
        go_on.set()
        answer = first.result()
    assert problem(waiting) == (409, "idempotency-key-in-use")
    assert waiting["Retry-After"]
    assert same(native.post("enroll", enrolling(), keyed()), answer)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_done(native):
    def post(_):
        return in_a_thread(lambda: native.post("libraries", ORG, keyed()).status_code)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(24)))
    assert set(answers) <= {201, 409}
    assert 201 in answers
    with acting_as(native.tenant):
        assert native.tenant.libraries.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_dies_in_between_frees_the_key_at_once(native):
    with acting_as(native.tenant):
        (token,) = native.tenant.access_tokens.all()
        row = KeptAnswer.all_tenants.create(
            tenant=native.tenant, token=token, key="a-key", expires=timezone.now() + timedelta(hours=1)
        )
    parameters = connection.get_connection_params()
    parameters = {
        name: parameters[name] for name in ("dbname", "user", "password", "host", "port") if parameters.get(name)
    }
    doomed = psycopg.connect(**parameters)
    doomed.execute("SELECT pg_advisory_lock(%s, %s)", [idempotency.LOCKS, row.pk])
    assert problem(native.post("libraries", ORG, keyed())) == (409, "idempotency-key-in-use")
    doomed.close()
    assert native.post("libraries", ORG, keyed()).status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("deed", "body", "status"),
    [
        ("enroll", enrolling(), 201),
        ("libraries", ORG, 201),
        ("erasures", {"external_id": KEN}, 202),
        ("opt-outs", {"external_id": KEN}, 201),
    ],
)
def test_what_was_done_and_its_answer_are_stored_together(native, monkeypatch, deed, body, status):
    """Dies right after the transaction, before the answer goes out: the repetition still gets it."""

    def dies(*_):
        raise KeyboardInterrupt

    native.post("enroll", enrolling(KEN, recording(KEN)))
    with monkeypatch.context() as patch:
        patch.setattr(idempotency.Keeper, "settle", dies)
        with pytest.raises(KeyboardInterrupt):
            native.post(deed, body, keyed())
    again = native.post(deed, body, keyed())
    assert (again.status_code, again.get("Idempotency-Replayed")) == (status, "true")


def held() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s", [idempotency.LOCKS]
        )
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_a_hold_does_not_outlive_its_request(native):
    native.post("enroll", enrolling(), keyed())
    native.form("enroll", audio=part(b"x"))
    assert held() == 0


@pytest.mark.django_db(transaction=True)
def test_a_hold_does_not_outlive_a_query_that_fails(native):
    locked = []

    def fails_once_locked(execute, sql, *more):
        if locked == [True]:
            locked.append(False)
            raise OperationalError("canceling statement due to statement timeout")
        answer = execute(sql, *more)
        if "pg_try_advisory_lock" in sql:
            locked.append(True)
        return answer

    with connection.execute_wrapper(fails_once_locked):
        assert native.post("libraries", ORG, keyed()).status_code == 503
    assert locked == [True, False]
    assert held() == 0
    assert native.post("libraries", ORG, keyed()).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_let_go_while_it_is_looked_up_is_taken(native):
    went = []

    def goes_once_made(execute, sql, *more):
        answer = execute(sql, *more)
        if sql.startswith("INSERT") and KeptAnswer._meta.db_table in sql and not went:
            went.append(execute(f"DELETE FROM {KeptAnswer._meta.db_table}", None, *more[1:]))
        return answer

    with connection.execute_wrapper(goes_once_made):
        assert native.post("libraries", ORG, keyed()).status_code == 201
    assert went
