"""Reading what a client sent."""

import io

import pytest
from django.http import UnreadablePostError
from rest_framework.request import Request

from api import bodies
from api.bodies import Malformed, NotJson, drain, is_clean, json_object, raw_body, refuse_unreadable_body
from audio.errors import TooLarge


def test_what_is_left_of_a_body_is_read(rf):
    request = rf.post("/", b"x" * 1_000_000, content_type="audio/wav")
    drain(request)
    assert request.read(1) == b""


def test_no_more_than_reasonable_is_read(rf, monkeypatch):
    monkeypatch.setattr(bodies, "DRAIN_BYTES", 1000)
    monkeypatch.setattr(bodies, "DRAIN_CHUNK_BYTES", 500)
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


@pytest.mark.parametrize("text", ["\x00", "a\nb", "\x7f", "\ud800"])
def test_control_characters_and_halves_are_not_clean(text):
    assert not is_clean(text)


def test_other_characters_are_clean():
    assert is_clean("名字 émile-1_😀")
