"""What an operation takes, answers and refuses: said once, where it is written, for the view and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

from api.native.fields import IS_TEXT, unlike
from api.native.wire import WHOLE

View = TypeVar("View", bound=Callable[..., Any])
UNKNOWN = "There is no such field."
TWICE = "Given more than once."
NO_CONTENT = 204


class Strict(serializers.Serializer[Any]):
    """Nothing but its own fields: a misspelt one must not pass for one left out.

    `rules`: what its description says of several fields together.
    """

    rules: ClassVar[dict[str, Any]] = {}

    def run_validation(self, data: Any = empty) -> Any:
        if not isinstance(data, Mapping):
            raise ValidationError({WHOLE: [unlike("An object", data)]})
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        unknown = {name: [UNKNOWN] for name in data if name not in self.fields}
        if unknown:
            raise ValidationError(unknown)
        return super().to_internal_value(data)


class NoQuery(Strict):
    pass


@dataclass(frozen=True)
class Operation:
    """`scope`: what the token must allow, None where none is asked for. `refuses`: beyond what any may refuse."""

    summary: str
    scope: str | None
    body: type[Strict] | None = None
    query: type[Strict] = NoQuery
    reply: type[serializers.Serializer[Any]] | None = None
    status: int = 200
    refuses: tuple[type[Exception], ...] = ()
    headers: tuple[str, ...] = ()
    file: str = ""
    """The media type of the file that is answered in place of JSON."""
    in_parts: bool = True
    """A file of which `Range` may ask for some bytes."""
    as_job: bool = False
    """Becomes a job for whoever prefers that."""
    conditional: bool = False
    """Takes If-Match, or If-None-Match where it only reads."""


def operation(summary: str, scope: str | None, **more: Any) -> Callable[[View], View]:
    """The docstring of the view goes on where `summary` ends."""

    def described(view: View) -> View:
        view.operation = Operation(summary, scope, **more)  # type: ignore[attr-defined]
        return view

    return described


def checked(serializer: type[Strict], data: Any, *, in_query: bool = False) -> dict[str, Any]:
    """What was sent, read. Raises ValidationError."""
    is_text = isinstance(data, QueryDict)
    try:
        form = serializer(data=_once(serializer(), data) if is_text else data, context={IS_TEXT: is_text})
        form.is_valid(raise_exception=True)
    except ValidationError as error:
        error.in_query = in_query  # type: ignore[attr-defined]
        raise
    read: dict[str, Any] = form.validated_data
    return read


def _once(form: Strict, data: QueryDict) -> dict[str, Any]:
    """A form or query as JSON would have it: lists where they belong. DRF itself takes an empty text for none."""
    several = {name for name, field in form.fields.items() if isinstance(field, serializers.ListField)}
    twice = {name: [TWICE] for name, values in data.lists() if len(values) > 1 and name not in several}
    if twice:
        raise ValidationError(twice)
    return {name: values if name in several else values[-1] for name, values in data.lists() if values}
