"""Downloading a model's file: resumable, and never taken for complete before it is.

What has arrived lies as a `.part` beside what is known of the answer it belongs to (size and ETag), so that a later
attempt goes on where this one ended, or begins anew when the file on the server is another.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from audio.errors import ModelError

CONNECT_SECONDS: Final = 15.0
SILENT_SECONDS: Final = 60.0
MOST_REDIRECTS: Final = 5
# The largest network that anybody publishes has a fifth of it.
MOST_BYTES: Final = 2 << 30

Progress = Callable[[int, int | None], object]
"""Called with the bytes that have arrived so far, and those of the whole file where the server says so."""


class FetchFailed(ModelError):
    """The file could not be had from the server."""


@dataclass(frozen=True)
class Origin:
    """Which file on the server the bytes belong to, as far as the server says."""

    url: str
    etag: str = ""
    total: int | None = None


def fetch(url: str, target: Path, progress: Progress = lambda done, total: None) -> None:
    """Have the file at `url` as `target`, whose folder exists. Raises FetchFailed, which says what to do."""
    part, origin = _unfinished(target)
    timeout = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
    try:
        hooks = {"request": [_refuse_downgrade]}
        with httpx.Client(timeout=timeout, max_redirects=MOST_REDIRECTS, event_hooks=hooks) as client:
            _fetch(client, url, part, origin, progress)
        part.replace(target)
        origin.unlink()
    except httpx.TooManyRedirects:
        raise FetchFailed(f"{url} redirects more than {MOST_REDIRECTS} times") from None
    except httpx.TimeoutException:
        raise FetchFailed(f"{_host(url)} does not answer; what has arrived is kept, so fetch again to go on") from None
    except httpx.TransportError as error:
        raise FetchFailed(_unreachable(url, error, arrived=_size(part))) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise FetchFailed(f"{url}: {error}") from None
    except OSError as error:
        raise FetchFailed(_unwritable(target, error)) from None


def resumable_bytes(url: str, target: Path) -> int:
    """How many have arrived that the next fetch goes on with."""
    part, origin = _unfinished(target)
    return _size(part) if _known(origin, url, part) else 0


def _unfinished(target: Path) -> tuple[Path, Path]:
    return target.with_suffix(".part"), target.with_suffix(".origin")


def _fetch(client: httpx.Client, url: str, part: Path, origin: Path, progress: Progress) -> None:
    known = _known(origin, url, part)
    if known and known.total == _size(part):
        return
    request = client.build_request("GET", url, headers=_headers(known, _size(part)))
    response = client.send(request, stream=True, follow_redirects=True)
    try:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise FetchFailed(f"{_host(url)} has another file now than when the download began; fetch again")
        _refuse(response, url)
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if resumed and not response.headers.get("content-range", "").startswith(f"bytes {_size(part)}-"):
            raise FetchFailed(f"{_host(url)} sends another part of the file than asked for")
        total = _total(response, _size(part) if resumed else 0)
        origin.write_text(json.dumps(asdict(Origin(url, response.headers.get("etag", ""), total))))
        _write(response, part, total, progress, resumed=resumed)
    finally:
        response.close()
    if total is not None and _size(part) != total:
        raise FetchFailed(f"only {_size(part)} of {total} bytes of {url} arrived; fetch again to go on")


def _write(response: httpx.Response, part: Path, total: int | None, progress: Progress, *, resumed: bool) -> None:
    if total is not None and total > MOST_BYTES:
        raise FetchFailed(f"{response.url} has {total} bytes, more than the {MOST_BYTES} it may")
    done = _size(part) if resumed else 0
    with open(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "r+b") as file:
        file.truncate(done)
        file.seek(done)
        progress(done, total)
        for chunk in response.iter_raw():
            file.write(chunk)
            done += len(chunk)
            if done > (most := MOST_BYTES if total is None else total):
                raise FetchFailed(f"{response.url} sends more than the {most} bytes it may")
            progress(done, total)


def _known(origin: Path, url: str, part: Path) -> Origin | None:
    """What the part belongs to, if it can be gone on with: only a server's ETag says that a file is the same."""
    try:
        known = Origin(**json.loads(origin.read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    usable = (
        known.url == url
        and known.etag
        and isinstance(known.etag, str)
        and not known.etag.startswith("W/")
        and _size(part)
    )
    return known if usable else None


def _headers(known: Origin | None, arrived: int) -> dict[str, str]:
    plain = {"Accept-Encoding": "identity", "User-Agent": "OpenVPR"}
    return plain | ({"Range": f"bytes={arrived}-", "If-Range": known.etag} if known else {})


def _refuse_downgrade(request: httpx.Request) -> None:
    """A redirect may lead from http to https, never back."""
    previous = request.extensions.get("openvpr-scheme")
    if previous == "https" and request.url.scheme == "http":
        raise FetchFailed(f"refused to go on to {request.url} without encryption")
    request.extensions["openvpr-scheme"] = request.url.scheme


def _refuse(response: httpx.Response, url: str) -> None:
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise FetchFailed(f"there is no {url} (404); another address or mirror may have it: OPENVPR_MODEL_MIRROR")
    if response.status_code not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise FetchFailed(f"{url} answers {response.status_code} {response.reason_phrase}")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        raise FetchFailed(f"{url} is a web page and no model; a sign-in or a proxy may be in the way")


def _total(response: httpx.Response, begins_at: int) -> int | None:
    length = response.headers.get("content-length", "")
    return begins_at + int(length) if length.isdecimal() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _unreachable(url: str, error: httpx.TransportError, *, arrived: int) -> str:
    if arrived:
        return f"the connection to {_host(url)} broke after {arrived} bytes, which are kept; fetch again to go on"
    return (
        f"{_host(url)} cannot be reached ({error}); without a network, bring the file from elsewhere for `manage.py "
        "models add FILE`, or set OPENVPR_MODEL_MIRROR"
    )


def _unwritable(target: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk of {target.parent} is full; make room and fetch again to go on"
    return f"{target.parent} cannot be written: {(error.strerror or str(error)).lower()}"
