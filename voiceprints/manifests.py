"""The list of speakers in a bulk import: CSV with a header, or one JSON object per line, as docs/bulk.md says.

A line that cannot be meant keeps its number and its reason, so that one bad line costs nothing but itself.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.names import shows_nothing, turns_around
from tenants.spreadsheets import as_it_was
from voiceprints.archives import fit_name
from voiceprints.consents import Given, may_be_when
from voiceprints.errors import ArchiveRefused, ManifestRefused, RowRefused, printable
from voiceprints.results import LibraryKey

MANIFEST_BYTES = 32 * 1024 * 1024
MOST_ROWS = 100_000
MOST_RECORDINGS = 20
LONGEST_INFO = 4096
LONGEST = {
    "org_id": 64,
    "tag_id": 64,
    "external_id": 128,
    "info": LONGEST_INFO,
    "name": 256,
    "reference": 200,
    "version": 64,
    "source": 64,
    "consent_reference": 200,
    "consent_version": 64,
    "consent_source": 64,
    "consent_given": 64,
}
# Between several recordings in one CSV cell; no usual file name holds it.
SEPARATOR = "|"
FIRST_LINE = re.compile(r"[^\r\n]*")
LACKING = "missing"
UNDATED = "no date and time with its offset"
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Characters of a failed line, all its cells together; they are kept as long as its job.
LONGEST_KEPT = 8192


@dataclass(frozen=True)
class Column:
    """`meaning`: for whoever writes a list."""

    name: str
    meaning: Any
    required: bool = False


CONSENT = "consent_reference"
COLUMNS = (
    Column("external_id", _("your name for the speaker"), required=True),
    Column("audio", _("the names of its recordings; in CSV with | between them, in JSON a list"), required=True),
    Column("org_id", _("the organisation of the library; empty means the form's")),
    Column("tag_id", _("the tag of the library; empty means the form's")),
    Column("info", _("text kept with the speaker")),
    Column(CONSENT, _("where the speaker's consent is found, such as the number of a form")),
    Column("consent_version", _("of what was consented to")),
    Column("consent_source", _("how it was given")),
    Column("consent_given", _("when it was given: year-month-day, in UTC, or a time with its offset")),
)
FIELDS = frozenset(column.name for column in COLUMNS)
KNOWN = ", ".join(column.name for column in COLUMNS)
# What a list of failed lines says beside; in one that is imported again it is passed over.
REPORTED = ("line", "problem")
EXAMPLE = """external_id,audio,org_id,tag_id,info,consent_reference,consent_version,consent_source,consent_given
susan,susan/1.wav|susan/2.wav,acme,staff,Reception,form 17,2,paper,
ken,ken.mp3,,,,,,,
"""


Fields = dict[str, Any]
"""What a line says, as it says it."""


@dataclass(frozen=True)
class Row:
    """`number`: the line's, from 1, not counting the header. `info` None: not said."""

    number: int
    key: LibraryKey
    external_id: str
    info: str | None
    recordings: tuple[str, ...]
    consent: Given | None = None
    fields: Fields = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class BadRow:
    number: int
    key: LibraryKey
    external_id: str
    problem: RowRefused
    fields: Fields = field(default_factory=dict, compare=False, repr=False)


def columns(*, consent_asked_for: bool) -> list[Column]:
    """As they are to be filled in where nobody is enrolled without a consent, or may be."""
    asked = {CONSENT} if consent_asked_for else set()
    return [replace(column, required=column.required or column.name in asked) for column in COLUMNS]


def is_csv(name: str) -> bool:
    """Whether a list of that name is one, and not JSON lines."""
    return name.lower().endswith(".csv")


def read_rows(content: bytes, name: str, *, default: LibraryKey, once: bool) -> list[Row | BadRow]:
    """Every line of the manifest. `name` tells CSV from JSON lines; `default` is the library of lines that name none.

    `once`: a second line about the same speaker is a bad one. Raises ManifestRefused.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestRefused("it is not UTF-8; save it as CSV UTF-8" if is_csv(name) else "it is not UTF-8") from None
    lines = _csv_lines(text) if is_csv(name) else _json_lines(text)
    rows: list[Row | BadRow] = []
    for number, (fields, problem) in enumerate(lines, 1):
        if number > MOST_ROWS:
            raise ManifestRefused(f"more than {MOST_ROWS} lines", line=number)
        if problem:
            rows.append(BadRow(number, _key_said(fields, default), "", problem, fields))
        else:
            rows.append(_row(number, fields, default))
    if not rows:
        raise ManifestRefused("it is empty")
    return list(_each_once(rows)) if once else rows


def kept(fields: Fields) -> dict[str, list[str]] | None:
    """Of what a line says, what its next attempt may say: texts that a database takes. None: that is too much."""
    texts = _texts(fields)
    return texts if sum(len(cell(*one)) for one in texts.items()) <= LONGEST_KEPT else None


def quotable(fields: Fields) -> list[str]:
    """Of what a line says, all that may be kept of it or quoted if it fails."""
    return [*fields.keys() - FIELDS - {*REPORTED}, *(text for texts in _texts(fields).values() for text in texts)]


def _texts(fields: Fields) -> dict[str, list[str]]:
    said = {name: fields[name] for name in FIELDS & fields.keys()}
    listed = {name: value if isinstance(value, list) else [value] for name, value in said.items()}
    return {name: [_text(value) for value in values if _is_plain(value)] for name, values in listed.items()}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("\0", "?").encode(errors="replace").decode()


def cell(name: str, texts: Iterable[str]) -> str:
    """What was kept of one field, as CSV says it."""
    return (SEPARATOR if name == "audio" else ",").join(texts)


def _csv_lines(text: str) -> Iterator[tuple[Fields, RowRefused | None]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _refuse_unfit_header(header)
        for values in reader:
            if any(values):
                yield _csv_fields(header, [as_it_was(value) for value in values])
    except csv.Error as error:
        raise ManifestRefused(printable(str(error)), line=reader.line_num) from None


def _delimiter(text: str) -> str:
    """Spreadsheets put semicolons between columns where the comma is the decimal sign."""
    header = FIRST_LINE.match(text)[0]  # type: ignore[index]  # it may be empty, and is always there
    return ";" if ";" in header and "," not in header else ","


def _refuse_unfit_header(header: list[str]) -> None:
    if unknown := set(header) - FIELDS - set(REPORTED):
        raise ManifestRefused(f"unknown column {printable(min(unknown))[:64]!r}; known are {KNOWN}", line=1)
    if len(set(header)) != len(header) or not {"external_id", "audio"} <= set(header):
        raise ManifestRefused("the header must name external_id and audio, each column once", line=1)


def _csv_fields(header: list[str], values: list[str]) -> tuple[Fields, RowRefused | None]:
    """Cells beyond the last column are listed under it."""
    fields: Fields = dict(zip(header, values, strict=False))
    if len(values) != len(header):
        beyond = {header[-1]: values[len(header) - 1 :]} if len(values) > len(header) else {}
        return fields | beyond, RowRefused(f"{len(values)} cells under {len(header)} columns", field="line")
    fields["audio"] = [name.strip() for name in fields["audio"].split(SEPARATOR) if name.strip()]
    # An empty cell says nothing; so a default library can stand for it.
    return {name: value for name, value in fields.items() if value}, None


def _json_lines(text: str) -> Iterator[tuple[Fields, RowRefused | None]]:
    for line in text.split("\n"):
        if line.strip():
            fields = json_fields(line)
            yield ({}, fields) if isinstance(fields, RowRefused) else (fields, None)


def json_fields(line: str) -> dict[str, Any] | RowRefused:
    try:
        fields = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError):
        return RowRefused("no JSON, or a name twice", field="line")
    if not isinstance(fields, dict):
        return RowRefused("no JSON object", field="line")
    return fields


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name twice")
    return fields


def _row(number: int, fields: Fields, default: LibraryKey) -> Row | BadRow:
    try:
        return _good_row(number, fields, default)
    except RowRefused as problem:
        return BadRow(number, _key_said(fields, default), _shown(fields, "external_id"), problem, fields)


def _good_row(number: int, fields: dict[str, Any], default: LibraryKey) -> Row:
    """Raises RowRefused."""
    if unknown := set(fields) - FIELDS - set(REPORTED):
        raise RowRefused(f"no such field as {printable(min(unknown))[:64]!r}; known are {KNOWN}", field="line")
    return Row(
        number,
        LibraryKey(
            _seen(required, fields, "org_id", default.org_id), _seen(fit_text, fields, "tag_id", default.tag_id)
        ),
        _seen(required, fields, "external_id", ""),
        fit_text(fields, "info", "") if "info" in fields else None,
        _recordings(fields.get("audio")),
        _consent(fields),
        fields,
    )


def _consent(fields: Fields) -> Given | None:
    said = {name: fit_text(fields, f"consent_{name}", "") for name in ("reference", "version", "source", "given")}
    if not any(said.values()):
        return None
    _seen(required, fields, CONSENT, "")
    given = _given(said["given"]) if said["given"] else None
    return Given(said["reference"], said["version"], said["source"], given)


def _given(text: str) -> datetime:
    """A day alone is one of UTC."""
    unfit = "no day as 2026-03-31, nor a time with its offset"
    return consented(f"{text}T00:00:00+00:00" if DAY.fullmatch(text) else text, "consent_given", unfit)


def consented(text: Any, field: str, unfit: str = UNDATED) -> datetime:
    """When a consent was given, in UTC. Raises RowRefused, with `unfit` for what is no time."""
    given = _moment(text, field, unfit)
    if not may_be_when(given):
        raise RowRefused("a date after 1900, and none to come", field=field)
    return given


def moment(text: Any, field: str) -> datetime:
    """In UTC, and not to come. Raises RowRefused, also for one that in UTC falls out of the calendar."""
    return min(_moment(text, field, UNDATED), timezone.now())


def _moment(text: Any, field: str, reason: str) -> datetime:
    unfit = RowRefused(reason, field=field)
    try:
        said = datetime.fromisoformat(text)
        in_utc = said.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise unfit from None
    if said.tzinfo is None:
        raise unfit
    return in_utc


def _seen(read: Callable[[dict[str, Any], str, str], str], fields: dict[str, Any], name: str, default: str) -> str:
    """Raises RowRefused as `read` does, and for a name that nobody could see."""
    text = read(fields, name, default)
    if text and shows_nothing(text):
        raise RowRefused("it shows nothing", field=name)
    if turns_around(text):
        raise RowRefused("it holds characters that turn others around", field=name)
    return text


def required(fields: dict[str, Any], name: str, default: str) -> str:
    text = fit_text(fields, name, default)
    if not text.strip():
        raise RowRefused(LACKING, field=name)
    return text


def fit_text(fields: dict[str, Any], name: str, default: str) -> str:
    """Raises RowRefused for what is no text, too long, or holds what no database takes."""
    text = fields.get(name, default)
    if not isinstance(text, str):
        raise RowRefused("no text", field=name)
    if len(text) > LONGEST[name]:
        raise RowRefused(f"longer than {LONGEST[name]} characters", field=name)
    readable = text if name != "info" else text.replace("\n", "").replace("\r", "").replace("\t", "")
    if printable(readable) != readable:
        raise RowRefused("it holds control characters or halves of characters", field=name)
    return text


def _recordings(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise RowRefused("the name of a recording, or a list of them", field="audio")
    if len(names) > MOST_RECORDINGS:
        raise RowRefused(f"more than {MOST_RECORDINGS} recordings", field="audio")
    try:
        return tuple(fit_name(name) for name in names)
    except ArchiveRefused:
        raise RowRefused("a name that leads elsewhere", field="audio") from None


def _each_once(rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    seen: dict[tuple[LibraryKey, str], int] = {}
    for row in rows:
        earlier = seen.setdefault((row.key, row.external_id), row.number) if isinstance(row, Row) else row.number
        if earlier == row.number:
            yield row
        else:
            problem = RowRefused(f"line {earlier} is about the same speaker", field="external_id")
            yield BadRow(row.number, row.key, row.external_id, problem, row.fields)


def _key_said(fields: Fields, default: LibraryKey) -> LibraryKey:
    return LibraryKey(_shown(fields, "org_id") or default.org_id, _shown(fields, "tag_id") or default.tag_id)


def _shown(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return printable(value)[: LONGEST[name]] if isinstance(value, str) else ""
