"""What every view set of our own API is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, load_handler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import escape_uri_path
from django.utils.http import parse_etags
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import sent_form
from api.native import serializers
from api.native.auth import BearerAuthentication, InsufficientScope, refuse_without
from api.native.errors import ANSWERS, Problem
from api.native.idempotency import Keeper, Replay, keeper_of
from api.native.job_serializers import JobReply
from api.native.operations import Operation, checked
from api.native.schema import NativeSchema
from api.native.wire import LANGUAGE, PROBLEM_JSON, JsonParser, Negotiation
from api.protocol import EVERY_METHOD, DialectViewSet, Nowhere, public_address
from tenants import models
from tenants.context import acting_as
from tenants.refused import note_refused
from voiceprints.models import Job
from voiceprints.paging import Page

RESPOND_ASYNC = "respond-async"


class NativeViewSet(DialectViewSet):
    """Operations described by `@operation`. `self.query` holds the parameters, read."""

    dialect = "native"
    answers = ANSWERS
    authentication_classes = [BearerAuthentication]
    content_negotiation_class = Negotiation
    parser_classes = [JsonParser, MultiPartParser]
    renderer_classes = [JSONRenderer]
    http_method_names = EVERY_METHOD
    schema = NativeSchema()

    query: dict[str, Any]
    keeper: Keeper | None = None
    replayed = False

    @property
    def operation(self) -> Operation:
        described: Operation = getattr(self, self.action).operation
        return described

    @property
    def counted_as(self) -> models.Operation | None:
        """What is only answered again was counted the first time."""
        return None if self.replayed else super().counted_as

    @property
    def default_response_headers(self) -> dict[str, str]:
        """None: what an answer says, it says where it is made."""
        return {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Messages for programs do not depend on the language somebody's HTTP library asks for.
        with translation.override(LANGUAGE):
            try:
                response = super().dispatch(request, *args, **kwargs)
            finally:
                if self.keeper:
                    self.keeper.let_go()
        response["Content-Language"] = LANGUAGE
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.operation.scope:
            self._refuse_without(self.operation.scope, request)
        self.query = checked(self.operation.query, request.query_params, in_query=True)
        request._request.upload_handlers = self.upload_handlers()
        if request.method == "POST" and self.operation.scope:
            self.keeper = keeper_of(request, self.tenant, request.auth)  # type: ignore[arg-type]

    def _refuse_without(self, scope: str, request: Request) -> None:
        try:
            refuse_without(scope, request.auth)  # type: ignore[arg-type]
        except InsufficientScope:
            note_refused(self.tenant, request._request, needed=scope)
            raise

    def upload_handlers(self) -> list[FileUploadHandler]:
        """Where the files of a form go."""
        return [load_handler(handler, self.request._request) for handler in settings.FILE_UPLOAD_HANDLERS]

    def body(self, request: Request) -> dict[str, Any]:
        """What the operation takes, read. Raises ValidationError."""
        assert self.operation.body is not None  # noqa: S101
        is_form = request.content_type.lower().startswith("multipart/")
        return checked(self.operation.body, sent_form(request) if is_form else request.data)

    def reply(self, value: Any = None, *, etag: str = "", **headers: str) -> Response:
        """`value` as the operation's representation; with an `etag`, nothing to a client that has it already."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if etag:
            sent |= {"ETag": quoted(etag), "Cache-Control": "private, no-cache"}
        if etag and is_known(self.request, etag):
            return Response(status=304, headers=sent)
        rendered = None if self.operation.reply is None else self.operation.reply(value).data
        return Response(rendered, status=self.operation.status, headers={"Cache-Control": "no-store"} | sent)

    def page(self, page: Page[Any]) -> Response:
        """One page of a listing; RFC 8288 names the next."""
        value = serializers.paged(page, self.operation.query, self.query)
        cursor = value["next_cursor"]
        return self.reply(value, **({"Link": self._link(cursor)} if cursor else {}))

    def _link(self, cursor: str) -> str:
        parameters = self.request.query_params.copy()
        parameters["cursor"] = cursor
        return f'<{public_address(self.request._request, self.request.path)}?{parameters.urlencode()}>; rel="next"'

    @property
    def prefers_job(self) -> bool:
        """RFC 7240: whether the client would rather not wait."""
        preferences = self.request.headers.get("Prefer", "").lower().split(",")
        return RESPOND_ASYNC in {preference.partition(";")[0].strip() for preference in preferences}

    def begin(self, begin: Callable[..., Any], **arguments: Any) -> Response:
        """Begin a job, and tell where it is found."""
        return self.answer(begin, self.begun, by=str(self.request.auth), **arguments)

    def begun(self, job: Job) -> Response:
        headers = {"Location": reverse("native-job", args=[job.pk]), "Cache-Control": "no-store"}
        if self.prefers_job:
            headers["Preference-Applied"] = RESPOND_ASYNC
        return Response(JobReply(job).data, status=202, headers=headers)

    def answer(self, do: Callable[..., Any], render: Callable[[Any], Response], **arguments: Any) -> Response:
        """What comes of a service is answered, and the answer kept, in the transaction that stores it."""
        answers: list[Response] = []
        if self.keeper:
            self.keeper.hear_out()
        do(self.tenant, **arguments, also=lambda done: answers.append(self.kept(render(done))))
        return answers[-1]

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """One transaction for what is done and for keeping its answer."""
        if self.keeper:
            self.keeper.hear_out()
        with acting_as(self.tenant):
            yield

    def kept(self, answer: Response) -> Response:
        """Kept for a client that may ask again, in the transaction of the caller."""
        if self.keeper:
            self.keeper.keep(answer)
        return answer

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, Replay):
            self.replayed = True
            return exc.answer  # type: ignore[return-value]
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> Any:
        if self.keeper and isinstance(response, Response):
            self.keeper.settle(response)
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]

    def expected_versions(self, request: Request) -> frozenset[str] | None:
        """Those that If-Match names; None when any will do. A weak one never matches."""
        header = request.headers.get("If-Match")
        if header is None or header.strip() == "*":
            return None
        return frozenset(tag.strip('"') for tag in parse_etags(header) if tag.startswith('"'))

    def refusal(self, answer: Problem, error: Exception) -> Response:
        path = escape_uri_path(self.request.path)
        members = answer.as_members(error) | {"instance": path, "request_id": self.request_id}
        headers = {"Cache-Control": "no-store", **answer.headers(error)}
        if answer.status == 405:
            headers["Allow"] = ", ".join(self.allowed_methods)
        response = Response(
            members,
            status=answer.status,
            headers=headers,
            content_type=PROBLEM_JSON,
        )
        response.problem = answer.name  # type: ignore[attr-defined]
        return response

    def outcome(self, response: HttpResponseBase) -> str:
        return getattr(response, "problem", "") or super().outcome(response)


class NothingHereViewSet(Nowhere, NativeViewSet):
    schema = None  # type: ignore[assignment]


def quoted(version: str) -> str:
    return f'"{version}"'


def is_known(request: Request, version: str) -> bool:
    """Whether a reading client said that it has this version."""
    header = request.headers.get("If-None-Match", "") if request.method in {"GET", "HEAD"} else ""
    known = [tag.removeprefix("W/") for tag in parse_etags(header)] if header else []
    return bool({"*", quoted(version)} & set(known))
