"""Bodies in, representations out: strict JSON or a form, and what the client accepts in return."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from api.bodies import Malformed
from api.protocol import OneFormat
from voiceprints.errors import LONGEST_NAME_SHOWN, printable

PROBLEM_JSON = "application/problem+json"
LANGUAGE = "en"
"""Of whatever is said, whoever asks."""
WHOLE = "non_field_errors"


class JsonParser(BaseParser):
    """RFC 8259 to the letter: UTF-8, no NaN, each name once, no halves of characters. Raises Malformed."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            text = stream.read().decode("utf-8-sig")
            value = json.loads(text, object_pairs_hook=_each_name_once, parse_constant=_refused)
            # A lone surrogate can be written in JSON, but nobody could store it or be told of it.
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeDecodeError as error:
            raise Malformed(f"the body is not UTF-8, from byte {error.start} on") from None
        except UnicodeEncodeError:
            raise Malformed("the body has half a character in a string: a surrogate without the other") from None
        except json.JSONDecodeError as error:
            raise Malformed(f"the body is no JSON, at line {error.lineno}, column {error.colno}") from None
        except RecursionError:
            raise Malformed("the body has arrays or objects nested too deeply") from None
        except ValueError:
            raise Malformed("the body has a number with too many digits") from None
        return value


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise Malformed(f"the body has the name {printable(twice)[:LONGEST_NAME_SHOWN]!r} twice in one object")
    return members


def _refused(constant: str) -> Any:
    raise Malformed(f"the body has {constant}, which is no number of JSON")


def stand_in(media_type: str) -> type[JSONRenderer]:
    """Offers `media_type` in the negotiation for what is not rendered; problems with it are in JSON all the same."""
    return type("StandIn", (JSONRenderer,), {"media_type": media_type})


class Negotiation(OneFormat):
    """By Content-Type on the way in; by Accept on the way out, where problems are welcome wherever JSON is."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        only = next(iter(renderers))
        offered = only.media_type or ""
        header = request.headers.get("Accept", "").strip() or "*/*"
        if not _accepted(header) & {"*/*", f"{offered.partition('/')[0]}/*", offered}:
            raise NotAcceptable
        return only, offered


def _accepted(header: str) -> set[str]:
    """The media ranges that are not refused by q=0."""
    ranges = [part.split(";") for part in header.split(",") if part.strip()]
    return {kind.strip().lower() for kind, *parameters in ranges if not any(map(_is_zero, parameters))}


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip().lower() == "q" and value.strip().rstrip("0").rstrip(".") in {"", "0"}


def flattened(detail: Any, pointer: str = "") -> list[tuple[str, Any]]:
    """(JSON pointer, message) for each message in the nested errors of a serializer."""
    if isinstance(detail, Mapping):
        steps = [("" if name == WHOLE else f"/{_pointer_token(name)}", inner) for name, inner in detail.items()]
        return [found for step, inner in steps for found in flattened(inner, pointer + step)]
    return [(pointer, message) for message in detail]


def _pointer_token(name: object) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")
