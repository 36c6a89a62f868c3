"""The web application for gunicorn or any other WSGI server."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from gunicorn.http.errors import ParseException

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Parameters with a star in their name may hold another charset, or one that does not exist, in which Django reads them.
CHARSET = re.compile(r";\s*(?:charset|[^=;\s]*\*[^=;\s]*)\s*=[^;]*", re.IGNORECASE)


def speaking_utf8(serve: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Forget the charset a request claims: Django fails outright on names such as rot13, and we read UTF-8 alone."""

    def served(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
        return serve(environ, start_response)

    return served


class Body:
    """The body of a request, whose broken framing is what it is: a client that ended too early."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int | None = None) -> bytes:
        try:
            content: bytes = self._stream.read() if size is None else self._stream.read(size)
        except ParseException as error:
            raise BrokenBody(type(error).__name__) from None
        return content

    def readline(self, size: int | None = None) -> bytes:
        try:
            line: bytes = self._stream.readline() if size is None else self._stream.readline(size)
        except ParseException as error:
            raise BrokenBody(type(error).__name__) from None
        return line


class BrokenBody(OSError):
    """Chunks that are none."""


def reading_bodies(serve: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """gunicorn's errors of framing are no OSError, which is what applications expect of a connection that breaks."""

    def served(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"] = Body(environ["wsgi.input"])
        return serve(environ, start_response)

    return served


def answering_heads(serve: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """An answer to HEAD has no body; gunicorn would drop one as well, and complain in the log each time."""

    def served(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = serve(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return answer
        if hasattr(answer, "close"):
            answer.close()
        return []

    return served


try:
    application = answering_heads(reading_bodies(speaking_utf8(get_wsgi_application())))
except ImproperlyConfigured as error:
    sys.exit(f"openvpr: {error}")
