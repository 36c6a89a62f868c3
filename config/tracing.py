"""What is traced where OPENVPR_TRACES_TO names a collector: requests with their queries, and the tasks of workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPMethod, HTTPStatus
from importlib import import_module
from typing import Any, Final

from celery import Task, signals
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from tenants.tracing import TRACEPARENT, carried, spanned

logger = logging.getLogger(__name__)

COLLECTING: Final = "config.collecting"
ASKED_ALL_THE_TIME: Final = ("/health/", "/metrics")
"""By monitors, every few seconds."""
BROKEN: Final = "openvpr.broken"
LONGEST_STATEMENT: Final = 4096
"""Many rows at once have a placeholder each."""

_under_way: dict[str, ExitStack] = {}
"""The spans of tasks, by the ids of those."""
_ending = ExitStack()
"""What has begun to send."""


class TracingMiddleware:
    """A span for each request, named by the pattern of its address, which holds nothing that a client wrote."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(ASKED_ALL_THE_TIME):
            return self._answer(request)
        method = _method_of(request)
        with (
            spanned(method, SpanKind.SERVER, caller=request.headers) as span,
            connection.execute_wrapper(traced_query),
        ):
            response = self._answer(request)
            span.set_attributes({"http.request.method": method, "http.response.status_code": response.status_code})
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and not _is_told_as_broken(span):
                span.set_status(StatusCode.ERROR, request.META.get(BROKEN))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Of a page, whatever is answered; interfaces tell of their own."""
        request.META[BROKEN] = type(exception).__name__

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        """The address is known now."""
        if request.resolver_match is not None:
            route = f"/{request.resolver_match.route}"
            span = trace.get_current_span()
            span.update_name(f"{_method_of(request)} {route}")
            span.set_attribute("http.route", route)


def _is_told_as_broken(span: Span) -> bool:
    status = getattr(span, "status", None)
    return status is not None and status.status_code is StatusCode.ERROR


def _method_of(request: HttpRequest) -> str:
    """As the conventions of OpenTelemetry have it where a client made one up."""
    method = request.method or ""
    return method if method in HTTPMethod.__members__ else "_OTHER"


def traced_query(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """The statement with its placeholders; the values are `params`."""
    statement = str(sql)[:LONGEST_STATEMENT]
    verb, *_ = statement.split(maxsplit=1) or [""]
    with spanned(f"postgresql {verb}", SpanKind.CLIENT) as span:
        span.set_attributes({"db.system.name": "postgresql", "db.query.text": statement})
        return execute(sql, params, many, context)


def begin(process: str) -> None:
    """Of this process, of whose spans `process` is to be the source, and of those it forks."""
    if not settings.TRACES_TO:
        return
    try:
        collecting = import_module(COLLECTING)
        collecting.begin(process)
    except Exception as error:  # noqa: BLE001 - the SDK, and what its variables load into it, raise whatever they like
        logger.error("no traces are sent: %s: %s", type(error).__name__, error)  # noqa: TRY400 - the line says it all
        return
    _ending.callback(collecting.end)
    signals.before_task_publish.connect(tell_of_what_it_is_a_part)
    signals.task_prerun.connect(begin_task)
    signals.task_failure.connect(tell_what_broke)
    signals.task_postrun.connect(end_task)


def end() -> None:
    """Send what has not been sent yet."""
    _ending.close()


def tell_of_what_it_is_a_part(headers: dict[str, Any], **_: Any) -> None:
    headers.update(carried())


def begin_task(task_id: str, task: Task[Any, Any], **_: Any) -> None:
    said = {TRACEPARENT: getattr(task.request, TRACEPARENT, None) or ""}
    _under_way[task_id] = ExitStack()
    span = _under_way[task_id].enter_context(spanned(task.name, SpanKind.CONSUMER, caller=said))
    span.set_attribute("openvpr.request_id", getattr(task.request, "request_id", None) or "")


def tell_what_broke(exception: BaseException, **_: Any) -> None:
    trace.get_current_span().set_status(StatusCode.ERROR, type(exception).__name__)


def end_task(task_id: str, **_: Any) -> None:
    _under_way.pop(task_id, ExitStack()).close()
