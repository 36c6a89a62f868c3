"""The description of the API in OpenAPI 3.1, made of what the operations say about themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailed
from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from rest_framework.exceptions import NotAcceptable, UnsupportedMediaType, ValidationError

from api.bodies import Malformed
from api.native.auth import InsufficientScope, NoToken, UnusableToken
from api.native.errors import ANSWERS, Problem
from api.native.fields import Recording, Text
from api.native.idempotency import KEY, REPLAYED, KeyInUse, KeyReused
from api.native.job_serializers import JobReply, Upload
from api.native.operations import Operation, Strict
from api.native.paging import CursorField
from api.native.wire import LANGUAGE, PROBLEM_JSON
from api.protocol import DialectClosed, TenantClosed, UnknownPath
from audio.errors import AudioError, TooLarge
from tenants.meanings import SCOPES
from tenants.models import Scope
from tenants.rates import DayExhausted, RateLimited
from voiceprints.errors import AnalysisTimedOut, EngineFailed, StorageFailed, TooBusy, TooManyAtOnce

JSON, FORM = "application/json", "multipart/form-data"
SCHEME = "bearer"

ALWAYS = (Malformed, SuspiciousOperation, NotAcceptable, TooLarge, ValidationError, DatabaseFailed, Exception)
WITH_TOKEN = (NoToken, UnusableToken, InsufficientScope, TenantClosed, DialectClosed, RateLimited, DayExhausted)
WITH_KEY = (KeyInUse, KeyReused)
WITH_BODY = (UnsupportedMediaType,)
WITH_AUDIO = (TooBusy, TooManyAtOnce, AnalysisTimedOut, EngineFailed, StorageFailed)

IF_MATCH = "Refuse (412) unless it still is in one of the versions whose ETags stand here."
IF_NONE_MATCH = "Answer 304 when it still is in one of the versions whose ETags stand here."
RECORDING = {"type": "string", "format": "byte", "contentEncoding": "base64", "minLength": 4}
FILE = {"type": "string", "format": "binary"}
CURSOR = {"type": "string", "format": "cursor"}
IDEMPOTENCY_KEY = (
    "Names the request, so that it is done once however often it is sent. A repetition within 24 hours (or as "
    "long as the installation keeps answers) gets the first answer, with `Idempotency-Replayed`. Answers of 429 and "
    "5xx are not kept."
)
PREFER = "`respond-async`: do not wait; the answer is a job, whose result is what would have been answered."
NOT_MODIFIED = "It is in a version that `If-None-Match` names."

HEADERS = {
    "X-Request-Id": "Names the request in the log: the one you sent, or one of ours.",
    "RateLimit-Policy": "How many requests (q) may come in how many seconds (w), for each limit. Absent without one.",
    "RateLimit": "How many requests (r) each limit leaves, until its window ends in so many seconds (t).",
    "ETag": "The version of what is answered.",
    "Location": "Where what was made is found.",
    "Preference-Applied": "respond-async.",
    REPLAYED: "true: this was answered before, to a request with the same key. Absent otherwise.",
    "Link": 'The next page (rel="next"). Absent on the last.',
    "Retry-After": "After how many seconds to try again.",
    "WWW-Authenticate": "What is wrong with the token (RFC 6750).",
    "Accept": "What is taken.",
    "Accept-Ranges": "bytes",
    "Content-Range": "Which bytes of how many these are.",
}
ON_EVERY_ANSWER = ("X-Request-Id",)
AS_JOB = ("Location", "Preference-Applied")
WITH_LIMIT = ("RateLimit", "RateLimit-Policy")
BY_STATUS = {
    401: ("WWW-Authenticate",),
    415: ("Accept",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Problem details of RFC 9457. The numbers behind a problem are members beside these.",
    "properties": {
        "type": {"type": "string", "description": "What went wrong: the one member to decide by."},
        "title": {"type": "string", "description": "The same for people."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What went wrong this time, for people."},
        "instance": {"type": "string", "description": "The path that was asked."},
        "request_id": {"type": "string", "description": "The X-Request-Id of this answer."},
        "errors": {
            "type": "array",
            "description": "Of `invalid-request`: every field of the body and parameter of the query that is wrong.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "Into the body (RFC 6901); empty for all of it."},
                    "parameter": {"type": "string", "description": "Of the query."},
                    "detail": {"type": "string"},
                },
                "required": ["detail"],
                "oneOf": [{"required": ["pointer"]}, {"required": ["parameter"]}],
            },
        },
    },
    "required": ["type", "title", "status", "instance", "request_id"],
}


class NativeSchema(AutoSchema):
    view: Any

    @property
    def described(self) -> Operation:
        operation: Operation = self.view.operation
        return operation

    def get_summary(self) -> str:
        return self.described.summary

    def get_description(self) -> str:  # type: ignore[override]
        said = inspect.getdoc(getattr(self.view, self.view.action)) or ""
        scope = self.described.scope
        return "\n\n".join(filter(None, [said, f"Needs a token with scope `{scope}`." if scope else ""]))

    def get_operation_id(self) -> str:
        words = [word for word in self.described.summary.lower().split() if word not in {"a", "an", "the"}]
        return "_".join(words)

    def get_tags(self) -> list[str]:
        return [self.view.tag]

    def get_auth(self) -> list[dict[str, Any]]:
        return [{SCHEME: []}] if self.described.scope else []

    def get_override_parameters(self) -> list[Any]:
        return [self.described.query] if self.described.query().fields else []

    def get_request_serializer(self) -> Any:
        return self.described.body

    def get_response_serializers(self) -> Any:
        answered = {self.described.status: self.described.reply}
        return answered | ({202: JobReply} if self.described.as_job else {})

    def _is_list_view(self, serializer: Any = None) -> bool:
        """A listing answers one page, not a list."""
        return False

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> dict[str, Any]:
        if isinstance(field, Recording):
            return {**RECORDING, **self._get_serializer_field_meta(field, direction)}
        if isinstance(field, Upload):
            return {**FILE, **self._get_serializer_field_meta(field, direction)}
        if isinstance(field, CursorField):
            return {**CURSOR, "format": field.format, **self._get_serializer_field_meta(field, direction)}
        schema: dict[str, Any] = super()._map_serializer_field(field, direction, bypass_extensions)
        schema.pop("x-spec-enum-id", None)
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        """One schema for a text that may be empty, where drf-spectacular makes two."""
        super()._insert_field_validators(field, schema)
        if isinstance(field, Text):
            schema.update(next(iter(schema.pop("oneOf", [])), {} if field.allow_blank else {"minLength": 1}))

    def _postprocess_serializer_schema(self, schema: Any, serializer: Any, direction: Any) -> Any:
        schema = super()._postprocess_serializer_schema(schema, serializer, direction)
        if isinstance(serializer, Strict):
            schema |= {"additionalProperties": False, **serializer.rules}
        return {name: value for name, value in schema.items() if name != "description" or type(serializer).__doc__}

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        operation: dict[str, Any] = super().get_operation(*args, **kwargs) or {}
        self._add_conditions(operation)
        self._add_repetition(operation)
        self._add_form(operation)
        self._add_file(operation)
        operation["responses"].update(self._problems())
        for status, response in operation["responses"].items():
            response["headers"] = {name: header(name) for name in self._headers(int(status))}
        return operation

    def _add_conditions(self, operation: dict[str, Any]) -> None:
        if not self.described.conditional:
            return
        name, said = ("If-None-Match", IF_NONE_MATCH) if self.method == "GET" else ("If-Match", IF_MATCH)
        parameter = {"in": "header", "name": name, "schema": {"type": "string"}, "description": said}
        operation.setdefault("parameters", []).append(parameter)
        if self.method == "GET":
            operation["responses"]["304"] = {"description": NOT_MODIFIED}

    def _add_repetition(self, operation: dict[str, Any]) -> None:
        if self.is_repeatable:
            key = {"type": "string", "pattern": "^[!-~]{1,255}$"}
            parameter = {"in": "header", "name": KEY, "schema": key, "description": IDEMPOTENCY_KEY}
            operation.setdefault("parameters", []).append(parameter)
        if self.described.as_job:
            preference = {"type": "string"}
            parameter = {"in": "header", "name": "Prefer", "schema": preference, "description": PREFER}
            operation.setdefault("parameters", []).append(parameter)

    @property
    def is_repeatable(self) -> bool:
        return self.method == "POST" and self.described.scope is not None

    def _add_form(self, operation: dict[str, Any]) -> None:
        """The same fields as parts of a form: recordings as files."""
        if self.described.body and self.described.body.rules:
            operation["requestBody"]["required"] = True
        content = operation.get("requestBody", {}).get("content", {})
        if {FORM, JSON} <= set(content):
            name = content[JSON]["schema"]["$ref"].rpartition("/")[2]
            component = next(one for key, one in self.registry._components.items() if key[0] == name)
            content[FORM]["schema"] = as_form(component.schema)

    def _add_file(self, operation: dict[str, Any]) -> None:
        if not self.described.file:
            return
        content = {self.described.file: {"schema": FILE}}
        operation["responses"]["200"] = {"description": "The file.", "content": content}
        if not self.described.in_parts:
            return
        range_of = {"in": "header", "name": "Range", "schema": {"type": "string"}, "description": "One range of bytes."}
        operation.setdefault("parameters", []).append(range_of)
        operation["responses"] |= {
            "206": {"description": "The bytes that `Range` asks for.", "content": content},
            "304": {"description": NOT_MODIFIED},
            "416": {"description": "`Range` begins after the end.", "content": {self.described.file: {}}},
        }

    def _problems(self) -> dict[str, Any]:
        kinds = [*ALWAYS, *self.described.refuses]
        kinds += WITH_TOKEN if self.described.scope else ()
        kinds += (UnknownPath,) if "{" in self.path else ()
        kinds += WITH_BODY if self.described.body else ()
        kinds += WITH_KEY if self.is_repeatable else ()
        kinds += WITH_AUDIO if AudioError in self.described.refuses else ()
        by_status: dict[int, dict[str, Problem]] = {}
        for problem in problems_of(kinds):
            by_status.setdefault(problem.status, {})[problem.type] = problem
        return {str(status): problem_response(list(found.values())) for status, found in sorted(by_status.items())}

    def _headers(self, status: int) -> list[str]:
        own = self.described.headers if status == self.described.status else ()
        limited = WITH_LIMIT if self.described.scope and status != 401 else ()
        own += AS_JOB if self.described.as_job and status == 202 else ()
        repeated = (REPLAYED,) if self.is_repeatable and status < 500 else ()
        return [*ON_EVERY_ANSWER, *limited, *BY_STATUS.get(status, ()), *own, *repeated]


def problems_of(kinds: Iterable[type[BaseException]]) -> list[Problem]:
    """With those of the kinds below each, except that Exception stands for itself."""
    return [
        problem
        for kind in kinds
        for known, problem in ANSWERS.items()
        if known is kind or (kind is not Exception and issubclass(known, kind))
    ]


def problem_response(problems: list[Problem]) -> dict[str, Any]:
    shape = {"type": {"enum": [problem.type for problem in problems]}, "status": {"const": problems[0].status}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "object", "properties": shape}]}
    said = "\n".join(f"- `{problem.type}`: {problem.title}." for problem in problems)
    return {"description": said, "content": {PROBLEM_JSON: {"schema": schema}}}


def header(name: str) -> dict[str, Any]:
    required = name in ON_EVERY_ANSWER or name in {"WWW-Authenticate", "Retry-After", "ETag", "Location"}
    return {"schema": {"type": "string"}, "description": HEADERS[name], "required": required}


def as_form(schema: dict[str, Any]) -> dict[str, Any]:
    form = deepcopy(schema)
    for field in form["properties"].values():
        recording = field.get("items", field)
        if recording.get("contentEncoding"):
            recording.clear()
            recording |= {"type": "string", "format": "binary"}
    return form


def scopes_in_words() -> str:
    """What each scope of a token opens here."""
    with translation.override(LANGUAGE):
        said = [f"- `{scope}`: {str(SCOPES[scope]).partition(': ')[2]}." for scope in SCOPES if scope != Scope.PATH]
    return "\n".join(["A token allows what its scopes say:", "", *said])


@cache
def description() -> dict[str, Any]:
    """The whole document."""
    document: dict[str, Any] = SchemaGenerator(urlconf="api.native.urls").get_schema(request=None, public=True)
    document["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
    document["components"]["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "description": scopes_in_words()}
    }
    return document
