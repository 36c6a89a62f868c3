"""What an operation takes, answers and refuses: said once, where it is written, for the view and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

View = TypeVar("View", bound=Callable[..., Any])
UNKNOWN = "There is no such field."
TWICE = "Given more than once."
NO_CONTENT = 204


class Strict(serializers.Serializer[Any]):
    """Nothing but its own fields: a misspelt one must not pass for one left out."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: ["A JSON object is needed."]})
        wrong = {name: [UNKNOWN] for name in data if name not in self.fields} | self._repeated(data)
        if wrong:
            raise ValidationError(wrong)
        return super().to_internal_value(data)

    def _repeated(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        """Fields of a form or query that were given more often than they can be taken."""
        if not isinstance(data, QueryDict):
            return {}
        once = [name for name, field in self.fields.items() if not isinstance(field, serializers.ListField)]
        return {name: [TWICE] for name in once if len(data.getlist(name)) > 1}


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
    form = serializer(data=data)
    try:
        form.is_valid(raise_exception=True)
    except ValidationError as error:
        error.in_query = in_query  # type: ignore[attr-defined]
        raise
    read: dict[str, Any] = form.validated_data
    return read
