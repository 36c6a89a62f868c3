"""What all rooms share."""

import io

import numpy as np
import pytest
from django.http import UnreadablePostError
from rest_framework.request import Request

from api import protocol
from api.protocol import (
    AccessRefused,
    KeyDisabled,
    Malformed,
    NotJson,
    ScoreScale,
    UnknownKey,
    WrongSignature,
    described,
    drain,
    is_clean,
    json_object,
    known_kind,
    public_address,
    raw_body,
    refuse_unreadable_body,
    request_id,
    signing_credential,
)
from audio.errors import NotEnoughSpeech, TooLarge
from tenants.services import set_credential_enabled
from voiceprints.results import Scored


def test_the_nearest_class_of_the_table_counts():
    table = {Exception: 1, AccessRefused: 2, UnknownKey: 3}
    kinds = [known_kind(table, error) for error in [UnknownKey(), WrongSignature(), ValueError()]]
    assert kinds == [UnknownKey, AccessRefused, Exception]


def test_the_numbers_of_a_refused_recording_are_told():
    error = NotEnoughSpeech(speech_seconds=0.8000000001, required_seconds=2)
    assert described(error) == "speech_seconds 0.8, required_seconds 2"


@pytest.mark.django_db
def test_a_credential_is_given_to_whoever_knows_its_secret(acme_credential):
    found = signing_credential(acme_credential.key_id, lambda secret: secret == acme_credential.secret)
    assert found == acme_credential


@pytest.mark.django_db
def test_a_wrong_secret_is_a_wrong_signature(acme_credential):
    with pytest.raises(WrongSignature):
        signing_credential(acme_credential.key_id, lambda _: False)


@pytest.mark.django_db
def test_a_disabled_key_is_told_to_whoever_knows_its_secret(acme_credential):
    set_credential_enabled(acme_credential, False)
    with pytest.raises(KeyDisabled):
        signing_credential(acme_credential.key_id, lambda secret: secret == acme_credential.secret)
    with pytest.raises(UnknownKey) as refusal:
        signing_credential(acme_credential.key_id, lambda _: False)
    assert not isinstance(refusal.value, KeyDisabled)


@pytest.mark.django_db
@pytest.mark.parametrize("key_id", ["nobody", "", "\x00", "名", "a" * 500])
def test_an_unknown_key_is_compared_all_the_same(key_id):
    compared = []
    with pytest.raises(UnknownKey):
        signing_credential(key_id, lambda secret: compared.append(secret) or True)
    assert len(compared) == 1


def test_what_is_left_of_a_body_is_read(rf):
    request = rf.post("/", b"x" * 1_000_000, content_type="audio/wav")
    drain(request)
    assert request.read(1) == b""


def test_no_more_than_reasonable_is_read(rf, monkeypatch):
    monkeypatch.setattr(protocol, "DRAIN_BYTES", 1000)
    monkeypatch.setattr(protocol, "DRAIN_CHUNK_BYTES", 500)
    request = rf.post("/", b"x" * 5000, content_type="audio/wav")
    drain(request)
    assert len(request.read()) == 4000


def test_a_client_that_went_away_ends_the_reading(rf):
    class Gone(io.RawIOBase):
        def read(self, *_):
            raise UnreadablePostError

    request = rf.post("/", b"x", content_type="audio/wav")
    request._stream = Gone()
    drain(request)


def test_a_large_body_is_refused_by_its_head(rf, settings):
    settings.MAX_UPLOAD_BYTES = 10
    with pytest.raises(TooLarge) as refusal:
        refuse_unreadable_body(rf.post("/", b"x" * 11, content_type="audio/wav"))
    assert refusal.value.limit_bytes == 10


@pytest.mark.parametrize("length", ["-1", "1e3", "１", "9" * 5000])
def test_a_length_that_is_no_number_is_malformed(rf, length):
    with pytest.raises(Malformed):
        refuse_unreadable_body(rf.post("/", CONTENT_LENGTH=length))


def test_addresses_begin_with_the_request_by_default(rf):
    assert public_address(rf.get("/x", HTTP_HOST="vpr.test:8000"), "/a") == "http://vpr.test:8000/a"


def test_addresses_begin_with_the_public_one_when_set(rf, settings):
    settings.PUBLIC_URL = "https://voices.example"
    assert public_address(rf.get("/x"), "/a") == "https://voices.example/a"


def test_the_callers_request_id_is_kept(rf):
    assert request_id(rf.get("/", HTTP_X_REQUEST_ID="trace-1.a")) == "trace-1.a"


@pytest.mark.parametrize("given", ["", "a b", "a" * 65, "é"])
def test_an_unfit_request_id_is_replaced(rf, given):
    assert len(request_id(rf.get("/", HTTP_X_REQUEST_ID=given))) == 32


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b'{"a": NaN}', b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_what_is_no_json_object_is_refused(rf, body):
    with pytest.raises(NotJson):
        json_object(Request(rf.post("/", body, content_type="text/plain")))


def test_a_json_object_is_read_whatever_it_is_called(rf):
    assert json_object(Request(rf.post("/", '\ufeff{"a": "名"}'.encode(), content_type="text/plain"))) == {"a": "名"}


def in_chunks(rf, content):
    headers = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "", "wsgi.input": io.BytesIO(content)}
    return Request(rf.generic("POST", "/", **headers))


def test_a_body_in_chunks_is_read(rf):
    assert raw_body(in_chunks(rf, b"spoken")) == b"spoken"


def test_a_body_in_chunks_has_a_limit(rf, settings):
    settings.MAX_UPLOAD_BYTES = 5
    with pytest.raises(TooLarge):
        raw_body(in_chunks(rf, b"spoken"))


def test_a_body_in_chunks_may_be_asked_for_twice(rf):
    request = in_chunks(rf, b"spoken")
    assert [raw_body(request), raw_body(request)] == [b"spoken", b"spoken"]


def at_once(rf, content):
    return Request(rf.generic("POST", "/", content))


@pytest.mark.parametrize("sent", [at_once, in_chunks])
def test_a_room_may_take_less_than_the_platform(rf, sent):
    request = sent(rf, b"spoken")
    with pytest.raises(TooLarge) as refusal:
        raw_body(request, limit_bytes=5)
    assert refusal.value.limit_bytes == 5


def test_a_body_that_ends_early_is_unreadable(rf):
    cut = rf.generic("POST", "/", CONTENT_LENGTH="7", **{"wsgi.input": io.BytesIO(b"spoken")})
    with pytest.raises(UnreadablePostError, match="ended early"):
        raw_body(Request(cut))


THRESHOLD = 0.754


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_scale_never_rounds_over_the_decision_point(inclusive):
    scale = ScoreScale(-1, 0.6, 1, inclusive)
    for cosine in np.linspace(THRESHOLD - 0.01, THRESHOLD + 0.01, 201):
        scored = Scored(float(cosine), THRESHOLD)
        score = scale.of(scored)
        assert (score >= 0.6 if inclusive else score > 0.6) == scored.accepted


def test_a_scale_keeps_its_order_and_its_ends():
    scale = ScoreScale(0, 60, 100, inclusive=False)
    scores = [scale.of(Scored(cosine, THRESHOLD)) for cosine in np.linspace(-1, 1, 2001).tolist()]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0, 100)


@pytest.mark.parametrize("text", ["\x00", "a\nb", "\x7f", "\ud800"])
def test_control_characters_and_halves_are_not_clean(text):
    assert not is_clean(text)


def test_other_characters_are_clean():
    assert is_clean("名字 émile-1_😀")
