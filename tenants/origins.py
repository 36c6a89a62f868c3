"""Who does something, and how it came to us: set at the edges, read where something is written down."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants.addresses import address_of

REQUEST_ID = "X-Request-Id"
SAID = "said"
"""Of a log record: what stands in the line beside its message, where each line is an object."""
FIT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ActorKind(models.TextChoices):
    CREDENTIAL = "credential", _("credential")
    TOKEN = "token", _("access token")
    USER = "user", _("user")
    COMMAND = "command", _("command")
    LINK = "link", _("address that was given out")
    ANYBODY = "anybody", _("anybody")
    PLATFORM = "platform", _("platform")


@dataclass(frozen=True)
class Origin:
    """`interface`: a dialect, "console" or "command". `job`: the one that does it for whoever began it."""

    kind: str = ActorKind.PLATFORM
    number: int | None = None
    name: str = ""
    interface: str = ""
    address: str = ""
    request_id: str = ""
    job: int | None = None


BY_ITSELF = Origin()
"""What the platform does unasked, such as its sweeps."""

_origin: ContextVar[Origin] = ContextVar("origin", default=BY_ITSELF)


def origin() -> Origin:
    return _origin.get()


@contextmanager
def coming_from(source: Origin) -> Iterator[None]:
    """Whatever is done in here, is done by that origin."""
    token = _origin.set(source)
    try:
        yield
    finally:
        _origin.reset(token)


def identified(kind: ActorKind, number: int | None = None, name: str = "") -> None:
    """Who it is turned out: from here to the end of the surrounding `coming_from`."""
    _origin.set(replace(_origin.get(), kind=kind, number=number, name=name))


def unidentified(request: HttpRequest, interface: str) -> Origin:
    """A request, before anybody knows who sends it."""
    address, named = address_of(request), request_id(request)
    return Origin(ActorKind.ANYBODY, interface=interface, address=address, request_id=named)


def request_id(request: HttpRequest) -> str:
    """The caller's own, when it is fit for a log, so that both logs can be laid side by side."""
    given = request.headers.get(REQUEST_ID, "")
    return given if FIT_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def for_request(named: str) -> Origin:
    """What the platform does in another process, so that a request of this name can be answered."""
    return replace(BY_ITSELF, request_id=named)


def of_job(submitted: dict[str, Any], job: int) -> Origin:
    """Whoever submitted the job, by the job."""
    return replace(Origin(**submitted), job=job)
