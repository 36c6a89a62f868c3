"""Fields that take exactly what they say: DRF's own would turn numbers into texts and texts into numbers.

In a form and in a query everything is text, so there numbers and switches are read from their one spelling.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from voiceprints.results import AudioInput

# No control characters, and not what stands for bytes that were no UTF-8. A text of several lines may break them.
NAME = RegexValidator(r"\A[^\x00-\x1f\x7f-\x9f\ufffd]*\Z", "Control characters and broken UTF-8 are refused.")
LINES = RegexValidator(
    r"\A[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]*\Z",
    "Control characters other than tabs and line breaks, and broken UTF-8, are refused.",
)
IS_TEXT = "is_text"
INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
SWITCHES = {"true": True, "false": False}
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII)


KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number with a fraction",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
FILE = "a file"
"""Of a form."""


def unlike(wanted: str, sent: Any, *, in_text: bool = False) -> str:
    """What JSON calls the kind of value that was sent in place of the one `wanted`; a form or a query has no kinds."""
    return f"{wanted} is needed." if in_text else f"{wanted} is needed, and this is {KINDS.get(type(sent), FILE)}."


class Text(serializers.CharField):
    """One line, kept as it is."""

    fitting = NAME

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.validators.append(self.fitting)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise ValidationError(unlike("A string", data))
        return data


class Lines(Text):
    """Several lines."""

    fitting = LINES


class Integer(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if isinstance(data, str) and is_text(self) and INTEGER.fullmatch(data):
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            raise ValidationError(unlike("An integer", data, in_text=is_text(self)))
        return data


class Choice(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and data in self.choices:
            return data
        offered = ", ".join(map(str, self.choices))
        raise ValidationError(f"One of these is needed: {offered}.")


class Items(serializers.ListField):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, list):
            raise ValidationError(unlike("An array", data))
        return super().to_internal_value(data)


class Switch(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, bool):
            return data
        if not (isinstance(data, str) and is_text(self) and data in SWITCHES):
            raise ValidationError(unlike("true or false", data, in_text=is_text(self)))
        return SWITCHES[data]


class Moment(serializers.DateTimeField):
    """RFC 3339, with its offset."""

    default_error_messages = {"invalid": "A date and time of RFC 3339 with its offset, such as 2026-01-31T08:00:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        if not (isinstance(value, str) and MOMENT.fullmatch(value)):
            self.fail("invalid")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")


class Recording(serializers.Field[Any, Any, Any, Any]):
    """A recording in any container: base64 in JSON, a file in a form. It becomes an AudioInput without options."""

    default_error_messages = {
        "file": "Send the recording as a file.",
        "base64": "Send the recording in base64 (RFC 4648, with padding).",
        "empty": "The recording is empty.",
    }

    def to_internal_value(self, data: Any) -> AudioInput:
        if is_text(self):
            return self._uploaded(data)
        if not isinstance(data, str):
            self.fail("base64")
        try:
            content = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            self.fail("base64")
        if not content:
            self.fail("empty")
        return AudioInput(lambda: content, len(content))

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError

    def _uploaded(self, upload: Any) -> AudioInput:
        if not isinstance(upload, UploadedFile):
            self.fail("file")
        if not upload.size:
            self.fail("empty")
        return AudioInput(upload.read, upload.size)


def is_text(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Whether the field is read from a form or a query."""
    return bool(field.context.get(IS_TEXT))
