"""Requests that break a rule of HTTP but whose meaning is plain are understood; others are refused in JSON."""

import io
import json
from http import HTTPStatus

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, InvalidRequestLine
from gunicorn.http.unreader import IterUnreader

from config.worker import LenientRequest, refusal
from config.wsgi import Body, speaking_utf8


def parsed(line):
    return LenientRequest(Config(), IterUnreader([line + b"\r\nHost: x\r\n\r\n"]), ("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("sent", "query"),
    [
        ("name=张明", "name=%E5%BC%A0%E6%98%8E"),
        ("name=a b  c", "name=a%20b%20%20c"),
        ("name=a%20b&c=+", "name=a%20b&c=+"),
    ],
)
def test_text_in_an_address_is_encoded_for_the_client(sent, query):
    assert parsed(f"GET /list?{sent} HTTP/1.1".encode()).query == query


@pytest.mark.parametrize(
    "line", [b"GET", b"GET HTTP/1.1", b"GET /a\x00 HTTP/1.1", b"GET /a\tb HTTP/1.1", b"GET nowhere HTTP/1.1"]
)
def test_what_has_no_plain_meaning_is_refused(line):
    with pytest.raises(InvalidRequestLine):
        parsed(line)


def test_a_refusal_is_json():
    head, _, body = refusal(HTTPStatus.BAD_REQUEST).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"status": 400, "title": "bad request"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("multipart/form-data; charset=rot13; boundary=x", "multipart/form-data; boundary=x"),
        ('multipart/form-data; boundary=x; Charset = "hex"', "multipart/form-data; boundary=x"),
        ("text/plain; x*=nonsense''a", "text/plain"),
        ("application/x-www-form-urlencoded; charset*=utf-8''rot13", "application/x-www-form-urlencoded"),
        ("text/plain; charset*0=ro; charset*1=t13", "text/plain"),
        ("audio/wav", "audio/wav"),
        ("", ""),
    ],
)
def test_the_claimed_charset_is_forgotten(sent, kept):
    served = speaking_utf8(lambda environ, _: environ["CONTENT_TYPE"])
    assert served({"CONTENT_TYPE": sent}, None) == kept


class BrokenChunks:
    def __init__(self, error):
        self.error = error

    def read(self, *_):
        raise self.error

    readline = read


@pytest.mark.parametrize("error", [InvalidChunkSize(b"ZZ"), ChunkMissingTerminator(b"XX")])
@pytest.mark.parametrize("way", ["read", "readline"])
def test_chunks_that_are_none_are_a_connection_that_broke(error, way):
    with pytest.raises(OSError, match="Chunk"):
        getattr(Body(BrokenChunks(error)), way)()
    with pytest.raises(OSError, match="Chunk"):
        getattr(Body(BrokenChunks(error)), way)(10)


def test_a_sound_body_is_read_through():
    body = Body(io.BytesIO(b"one\ntwo"))
    assert (body.readline(), body.read(1), body.read()) == (b"one\n", b"t", b"wo")
