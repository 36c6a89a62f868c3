"""A web server that stands in for those that publish models, and misbehaves as told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Downloads:
    """`files` by path, without the slash. While `silent` is cleared nothing is answered.

    Once, the connection ends `cut_after` bytes, or stands still `stall_after` bytes.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    status: int = 200
    cut_after: int | None = None
    stall_after: int | None = None
    closing: threading.Event = field(default_factory=threading.Event)
    silent: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each request."""


@contextmanager
def serving_downloads() -> Iterator[Downloads]:
    downloads = Downloads()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"downloads": downloads}))
    downloads.silent.set()
    downloads.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield downloads
    finally:
        downloads.silent.set()
        downloads.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    downloads: Downloads

    def do_GET(self) -> None:
        told, path = self.downloads, self.path.lstrip("/")
        told.asked.append((path, self.headers.get("Range", "")))
        told.silent.wait()
        if path in told.redirects:
            self._answer(302, b"", {"Location": told.redirects[path]})
        elif path not in told.files or told.status != 200:
            self.send_error(told.status if told.status != 200 else 404)
        else:
            self._send(told.files[path])

    def _send(self, content: bytes) -> None:
        etag = f'"{hash(content)}"'
        begin = self._begin(etag)
        span = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}
        self._answer(206 if begin else 200, content[begin:], {"ETag": etag, **span, **self.downloads.headers})

    def _begin(self, etag: str) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked and self.headers.get("If-Range") == etag else 0

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if stall_after := self.downloads.stall_after:
            self.downloads.stall_after = None
            self.wfile.write(content[:stall_after])
            self.downloads.closing.wait()
            return
        self.wfile.write(content[: self.downloads.cut_after])
        self.downloads.cut_after = None

    def log_message(self, *_: object) -> None:
        pass
