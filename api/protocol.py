"""What all rooms share: who is calling, how a failure becomes an answer, and one log line per request.

A room brings an authentication class, a table of answers, and a view set made of `DialectViewSet`. It has no other way
to answer a failure than its table, so whatever goes wrong is said in the words of its vendor.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar

from django.conf import settings
from django.db import Error as DatabaseFailed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from redis import RedisError
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.bodies import drain, refuse_unreadable_body
from audio.errors import AudioError
from tenants import metering, metrics
from tenants.models import AccessToken, Credential, Operation, Tenant, UsageDay
from tenants.origins import REQUEST_ID, SAID, ActorKind, coming_from, identified, unidentified
from tenants.rates import UNLIMITED, Allowances, count_request
from tenants.services import known_credential, note_use
from voiceprints.errors import AnalysisTimedOut, EngineFailed, EngineUnreachable, ModelUnusable, StorageFailed

logger = logging.getLogger("openvpr.api")

# Compared with in place of the secret of a key that does not exist.
NOBODYS_SECRET = "an unknown key takes as long as a wrong signature"  # noqa: S105
OUR_FAULT = (EngineFailed, EngineUnreachable, StorageFailed, DatabaseFailed)
MILLISECONDS = 1000
EVERY_METHOD = ["get", "head", "post", "put", "patch", "delete", "options", "trace"]
FIT_KEY_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Judged(Protocol):
    @property
    def accepted(self) -> bool: ...


Judgement = TypeVar("Judgement", bound=Judged)


class AccessRefused(Exception):
    """The request does not prove on whose behalf it comes. The subclasses are for vendors that tell them apart."""


class UnknownKey(AccessRefused):
    pass


class KeyDisabled(UnknownKey):
    """The request is rightly signed, with a key that is switched off or has expired."""


class WrongSignature(AccessRefused):
    pass


class OutsideTimeWindow(AccessRefused):
    pass


class TenantClosed(AccessRefused):
    """The request is rightly signed, for a tenant that is not active."""


class DialectClosed(TenantClosed):
    """The tenant is active and does not use this dialect."""


class UnknownPath(Exception):
    """Nothing is served here."""


def signing_credential(key_id: str, is_signed_with: Callable[[str], bool]) -> Credential:
    """The credential of `key_id`, once `is_signed_with` recognises its secret.

    Raises UnknownKey, WrongSignature, or KeyDisabled or TenantClosed, which only a rightful signer gets to know.

    An unknown key is compared as well, so that the time taken does not tell which keys exist.
    """
    known = known_credential(key_id) if FIT_KEY_ID.fullmatch(key_id) else None
    signed = is_signed_with(known.secret if known else NOBODYS_SECRET)
    if known is None or not (signed or known.usable):
        raise UnknownKey
    if not signed:
        raise WrongSignature
    if not known.usable:
        raise KeyDisabled
    if not known.tenant.active:
        raise TenantClosed
    note_use(known)
    return known


def refuse_closed_dialect(tenant: Tenant, dialect: str) -> None:
    if not tenant.speaks(dialect):
        raise DialectClosed


def known_kind(table: Mapping[type[BaseException], Any], error: BaseException) -> type[BaseException]:
    """The nearest class that has a line in the table. Every table has one for Exception: the unforeseen."""
    return next(kind for kind in type(error).__mro__ if kind in table)


def described(error: AudioError) -> str:
    """What was found against what is asked, such as "speech_seconds 0.8, required_seconds 1.2"."""
    return ", ".join(
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in error.numbers.items()
    )


def public_address(request: HttpRequest, path: str) -> str:
    """The address under which a client reaches `path` of ours, which begins with a slash."""
    return (settings.PUBLIC_URL or request.build_absolute_uri("/").removesuffix("/")) + path


class OneFormat(BaseContentNegotiation):
    """A dialect has one format, whatever the request says it would accept."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        offered = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == offered), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        only = next(iter(renderers))
        return only, only.media_type or ""


class DialectViewSet(ViewSet):
    """Operations of one dialect. `self.tenant` is whoever signed the request."""

    dialect: ClassVar[str]
    answers: Mapping[type[BaseException], Any]
    content_negotiation_class = OneFormat
    # Several dialects delete with GET, so HEAD is nothing that may reach an operation unasked.
    http_method_names = ["get", "post"]
    # For rooms that take their body by raw_body or json_object; Django's forms need a length.
    accepts_chunks: ClassVar[bool] = False
    # For rooms whose vendor's clients send the vendor's Host, whatever the address they call; config/hosts.py reads it.
    any_host: ClassVar[bool] = False
    # Our word for each action, by which it is counted; what has none is not counted.
    operations: ClassVar[Mapping[str, Operation]] = {}

    tenant: Tenant
    request_id: str
    allowances: Allowances = UNLIMITED
    accepted: bool | None = None
    failure: Exception | None = None

    def refusal(self, answer: Any, error: Exception) -> Response:
        """The line of the table as a reply in the dialect's form."""
        raise NotImplementedError

    @property
    def largest_body_bytes(self) -> int:
        return settings.MAX_UPLOAD_BYTES

    def outcome(self, response: HttpResponseBase) -> str:
        """The dialect's code, for the log."""
        return str(response.status_code)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        began = time.monotonic()
        source = unidentified(request, self.dialect)
        self.request_id = source.request_id
        with coming_from(source):
            response = super().dispatch(request, *args, **kwargs)
        drain(request)
        response[REQUEST_ID] = self.request_id
        patch_rate_limit(response, self.allowances)
        milliseconds = (time.monotonic() - began) * MILLISECONDS
        result, reason = self._result, type(self.failure).__name__ if self.failure else ""
        outcome = self.outcome(response)
        told = self._told(outcome, result=result, reason=reason, milliseconds=milliseconds)
        self._log(told, outcome)
        self._trace(told)
        self._count(result=result, reason=reason, milliseconds=milliseconds)
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = (request.method or "").upper()
        if method not in self.allowed_methods:
            raise MethodNotAllowed(method)
        # Whatever charset a client claims, the dialects speak UTF-8.
        request._request.encoding = "utf-8"
        super().initial(request, *args, **kwargs)
        # None where an address itself is the right to come in.
        if request.user is not None:
            identify(request.auth)
            self._admit(request.user)  # type: ignore[arg-type]
        refuse_unreadable_body(
            request._request, limit_bytes=self.largest_body_bytes, accepts_chunks=self.accepts_chunks
        )

    def _allowed_methods(self) -> list[str]:
        """What `Allow` names: no OPTIONS, which Django would answer."""
        return sorted(method.upper() for method in self.action_map if method in self.http_method_names)

    def _admit(self, tenant: Tenant) -> None:
        """Whoever has proved who they are may still be closed here, or ask too often."""
        self.tenant = tenant
        refuse_closed_dialect(tenant, self.dialect)
        try:
            self.allowances = count_request(tenant, of_the_day=self.counts_for_the_day)
        except RedisError as error:
            raise EngineUnreachable(type(error).__name__) from error
        self.allowances.refuse_exceeded()

    @property
    def counts_for_the_day(self) -> bool:
        """Whether it is one of the requests that the tenant may make in a day."""
        return True

    @property
    def counted_as(self) -> Operation | None:
        """What was asked for, where the action alone does not say; None for what is not counted."""
        return self.operations.get(self.action)

    def judged(self, judgement: Judgement) -> Judgement:
        """The same; that somebody was accepted or rejected is counted."""
        self.accepted = judgement.accepted
        return judgement

    def handle_exception(self, exc: Exception) -> Response:
        self.failure = exc
        kind = known_kind(self.answers, exc)
        if kind is Exception:
            logger.error("unforeseen failure", exc_info=exc)
        elif isinstance(exc, ModelUnusable):
            logger.error("our failure: %s", exc)
        elif isinstance(exc, OUR_FAULT):
            logger.warning("our failure", exc_info=exc)
        return self.refusal(self.answers[kind], exc)

    def _told(self, outcome: str, *, result: str, reason: str, milliseconds: float) -> dict[str, Any]:
        """What is written down of a request, and nothing that was said in it."""
        code, *details = outcome.split(" ")
        return {
            "request_id": self.request_id,
            "tenant": str(getattr(self, "tenant", None) or "-"),
            "interface": self.dialect,
            "operation": self.action or "-",
            "outcome": code,
            **dict(detail.partition("=")[::2] for detail in details),
            "result": result,
            "reason": reason,
            "milliseconds": round(milliseconds),
        }

    def _log(self, told: dict[str, Any], outcome: str) -> None:
        said = (told["request_id"], told["tenant"], told["operation"], outcome, told["milliseconds"])
        logger.info("%s tenant=%s operation=%s outcome=%s ms=%d", *said, extra={SAID: told})

    def _trace(self, told: dict[str, Any]) -> None:
        span = trace.get_current_span()
        span.update_name(f"{told['interface']} {told['operation']}")
        span.set_attributes({f"openvpr.{name}": value for name, value in told.items()})
        if told["result"] == UsageDay.Outcome.FAILED:
            span.set_status(StatusCode.ERROR, told["reason"])

    def _count(self, *, result: UsageDay.Outcome, reason: str, milliseconds: float) -> None:
        tenant, operation = getattr(self, "tenant", None), self.counted_as
        seconds = milliseconds / MILLISECONDS
        metrics.count_request(self.dialect, operation, result=result, reason=reason, seconds=seconds)
        if tenant is not None and operation is not None:
            metering.count(
                tenant, operation, dialect=self.dialect, outcome=result, reason=reason, milliseconds=milliseconds
            )

    @property
    def _result(self) -> UsageDay.Outcome:
        return self._failed_outcome(self.failure) if self.failure else self._judged_outcome()

    def _failed_outcome(self, failure: Exception) -> UsageDay.Outcome:
        is_ours = isinstance(failure, (*OUR_FAULT, AnalysisTimedOut)) or known_kind(self.answers, failure) is Exception
        return UsageDay.Outcome.FAILED if is_ours else UsageDay.Outcome.REFUSED

    def _judged_outcome(self) -> UsageDay.Outcome:
        if self.accepted is None:
            return UsageDay.Outcome.OK
        return UsageDay.Outcome.ACCEPTED if self.accepted else UsageDay.Outcome.REJECTED


def patch_rate_limit(response: HttpResponseBase, allowances: Allowances) -> None:
    """The fields of draft-ietf-httpapi-ratelimit-headers."""
    if allowances.each:
        policies = [f'"{one.window}";q={one.limit};w={one.window_seconds}' for one in allowances.each]
        left = [f'"{one.window}";r={one.remaining};t={one.seconds_left}' for one in allowances.each]
        response["RateLimit-Policy"], response["RateLimit"] = ", ".join(policies), ", ".join(left)


class Nowhere(DialectViewSet):
    """Paths of a dialect where nothing is served. No more is asked of a request there, whatever its method."""

    authentication_classes = []
    http_method_names = EVERY_METHOD

    @classmethod
    def as_refusal(cls) -> Callable[..., HttpResponseBase]:
        return cls.as_view(dict.fromkeys(EVERY_METHOD, "refuse"))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.refuse(request, **kwargs)

    def refuse(self, request: Request, **kwargs: Any) -> NoReturn:
        raise UnknownPath


def identify(opener: Any) -> None:
    """For the audit trail: by which key pair or token the request came in, None where it needs neither."""
    if isinstance(opener, Credential):
        identified(ActorKind.CREDENTIAL, opener.pk, opener.key_id)
    elif isinstance(opener, AccessToken):
        identified(ActorKind.TOKEN, opener.pk, opener.label)
