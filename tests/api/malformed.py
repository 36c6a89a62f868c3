"""Requests as no proper client would send them: well-formed ones, spoilt in every place, for every dialect.

A test module of a dialect subclasses `Malformed` and tells what is well-formed there, how it is signed, and what each
answer must look like, whatever was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus

from django.http.response import HttpResponseBase
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REQUESTS_PER_DIALECT = 400
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
CONTENT_TYPES = [
    "", "json", "application/json", "application/json; charset=utf-16", "text/plain; charset=nonsense",
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded", "application/octet-stream", "*/*", "application/json;;;",
]  # fmt: skip
BOUNDARY = "x-boundary-x"

Fields = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """A request in its parts. The body is `json`, or `form` (bytes stand for files), or `raw`."""

    method: str
    path: str
    query: Fields = field(default_factory=dict)
    headers: Fields = field(default_factory=dict)
    json: Any = None
    form: Fields | None = None
    raw: bytes | None = None
    content_type: str | None = None

    def body(self) -> tuple[bytes, str]:
        """The bytes and their content type."""
        if self.raw is not None:
            return self.raw, self.content_type or "application/octet-stream"
        if self.form is not None:
            return _multipart(self.form), self.content_type or f"multipart/form-data; boundary={BOUNDARY}"
        if self.json is not None:
            return _utf8(json.dumps(self.json)), self.content_type or "application/json"
        return b"", self.content_type or ""

    def to(self, client: Client) -> HttpResponseBase:
        content, content_type = self.body()
        query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in self.query.items())
        headers = {f"HTTP_{name.upper().replace('-', '_')}": _latin(value) for name, value in self.headers.items()}
        return client.generic(
            self.method, f"{self.path}?{query}" if query else self.path, content, content_type, **headers
        )


class Malformed:
    """One property, for a dialect: whatever is sent, the answer is the dialect's own and nothing of ours breaks."""

    def well_formed(self) -> Sequence[Sent]:
        """One request of each operation."""
        raise NotImplementedError

    def signed(self, sent: Sent) -> Sent:
        raise NotImplementedError

    def check(self, sent: Sent, reply: HttpResponseBase) -> None:
        """Fail unless the reply is one that this dialect defines."""
        raise NotImplementedError

    def test_whatever_is_sent_is_answered_in_the_words_of_the_dialect(self, db: None, caplog: Any) -> None:
        requests = self.well_formed()
        client = Client(raise_request_exception=False)

        @settings(
            max_examples=REQUESTS_PER_DIALECT,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(sent=spoilt(requests, self.signed))
        def holds(sent: Sent) -> None:
            caplog.clear()
            reply = sent.to(client)
            assert "text/html" not in reply.get("Content-Type", "")
            assert b"Traceback" not in reply.getvalue()
            assert not [record for record in caplog.records if record.message.startswith("unforeseen failure")]
            self.check(sent, reply)

        holds()

    def test_what_is_well_formed_is_understood(self, db: None) -> None:
        """Otherwise the spoilt ones would prove nothing."""
        client = Client(raise_request_exception=False)
        for sent in self.well_formed():
            reply = self.signed(sent).to(client)
            self.check(sent, reply)
            self.understood(sent, reply)

    def understood(self, sent: Sent, reply: HttpResponseBase) -> None:
        """Fail if the request was refused for its form or its signature."""
        raise NotImplementedError


# --- Spoiling --------------------------------------------------------------------------------------------------------

texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", " ", "\x00", "a\x00b", "\ud800", "\r\n", "名字", "'; --", "../..", "%00", "null", "NaN", "-0", "1e999",
         "9" * 400, "x" * 5000, "٣", "[]", "{}", "true", "\u202e", "😀" * 40]
    ),
)  # fmt: skip
numbers = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 2**31, 2**63, 10**400, 0.5, -0.0]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
raws = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":', b"[" * 50_000, b'{"a":NaN}', b'"', b"--x\r\n", b"\x00" * 64,
         b"--" + BOUNDARY.encode() + b"\r\n", "\ufeff{}".encode(), b'{"header":1}']
    ),
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, requests: Sequence[Sent], signed: Callable[[Sent], Sent]) -> Sent:
    """Spoilt before it is signed, so that it gets past the door, or after, or both."""
    sent = draw(st.sampled_from(list(requests)))
    for _ in range(draw(st.integers(0, 2))):
        sent = draw(st.sampled_from(SPOILERS))(draw, sent)
    sent = signed(sent)
    for _ in range(draw(st.integers(0, 1))):
        sent = draw(st.sampled_from(SPOILERS))(draw, sent)
    return sent


def _in_the_body(draw: st.DrawFn, sent: Sent) -> Sent:
    if sent.form is not None:
        return replace(sent, form=_with_one_spoilt(draw, sent.form, st.one_of(texts, st.binary(max_size=60))))
    if sent.json is not None:
        return replace(sent, json=_with_a_place_spoilt(draw, sent.json))
    return replace(sent, raw=draw(raws))


def _in_the_query(draw: st.DrawFn, sent: Sent) -> Sent:
    return replace(sent, query=_with_one_spoilt(draw, sent.query, texts))


def _in_the_headers(draw: st.DrawFn, sent: Sent) -> Sent:
    return replace(sent, headers=_with_one_spoilt(draw, sent.headers, texts))


def _another_body(draw: st.DrawFn, sent: Sent) -> Sent:
    return replace(sent, json=None, form=None, raw=draw(raws), content_type=sent.body()[1])


def _cut_short(draw: st.DrawFn, sent: Sent) -> Sent:
    content, content_type = sent.body()
    return replace(
        sent, json=None, form=None, raw=content[: draw(st.integers(0, len(content)))], content_type=content_type
    )


def _another_type(draw: st.DrawFn, sent: Sent) -> Sent:
    return replace(sent, content_type=draw(st.sampled_from(CONTENT_TYPES)))


def _another_method(draw: st.DrawFn, sent: Sent) -> Sent:
    return replace(sent, method=draw(st.sampled_from(METHODS)))


def _another_path(draw: st.DrawFn, sent: Sent) -> Sent:
    return replace(sent, path=sent.path + draw(st.sampled_from(["/", "//", "/x", "%00", "%ff", ";a=b", "/../x"])))


SPOILERS = [
    _in_the_body,
    _in_the_body,
    _in_the_body,
    _in_the_query,
    _in_the_headers,
    _another_body,
    _cut_short,
    _another_type,
    _another_method,
    _another_path,
]


def _with_one_spoilt(draw: st.DrawFn, fields: Fields, replacements: st.SearchStrategy[Any]) -> Fields:
    """One field changed, gone, or new."""
    names = [*fields, "extra"]
    name = draw(st.sampled_from(names))
    if name in fields and draw(st.booleans()):
        return {other: value for other, value in fields.items() if other != name}
    return {**fields, name: draw(replacements)}


def _with_a_place_spoilt(draw: st.DrawFn, tree: Any) -> Any:
    """Somewhere in a JSON value, from its root to its leaves."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 9)):
        name = draw(st.sampled_from(sorted(tree)))
        if draw(st.booleans()) and isinstance(tree[name], dict):
            return {**tree, name: _with_a_place_spoilt(draw, tree[name])}
        return _with_one_spoilt(draw, tree, values)
    return draw(values)


def _multipart(form: Mapping[str, Any]) -> bytes:
    parts = []
    for name, value in form.items():
        plain = _utf8(name).replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"")
        filename = b'; filename="a.wav"' if isinstance(value, bytes) else b""
        head = b'Content-Disposition: form-data; name="' + plain + b'"' + filename
        content = value if isinstance(value, bytes) else _utf8(value)
        parts.append(b"--" + BOUNDARY.encode() + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + b"--" + BOUNDARY.encode() + b"--\r\n"


def _utf8(value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def _quoted(value: Any) -> str:
    return quote_plus(_utf8(value))


def _latin(value: Any) -> str:
    """As a server hands a header over: bytes as Latin-1, without line ends, which end a header."""
    return _utf8(value).decode("latin-1").replace("\r", "").replace("\n", "").strip(" ")
