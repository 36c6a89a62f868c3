"""The details of an event for people: every name and value, in the words of the reader's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.core.exceptions import FieldDoesNotExist
from django.utils.dateparse import parse_datetime
from django.utils.formats import localize
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.actions import Action
from tenants.models import Consistency, Role, Scope, Tenant
from tenants.names import visible
from tenants.origins import ActorKind
from tenants.sealing import Problem
from tenants.sentences import labelled, listed

NAMES: Final = {
    "action": gettext_lazy("action"),
    "actor": gettext_lazy("actor"),
    "added": gettext_lazy("added"),
    "answering": gettext_lazy("answering model"),
    "app_id": gettext_lazy("application id"),
    "before": gettext_lazy("before"),
    "by": gettext_lazy("by"),
    "bytes": gettext_lazy("bytes"),
    "calibration": gettext_lazy("calibration"),
    "changes": gettext_lazy("changes"),
    "consent": gettext_lazy("consent"),
    "created": gettext_lazy("created"),
    "credentials": gettext_lazy("credentials"),
    "days": gettext_lazy("days"),
    "digest": gettext_lazy("digest"),
    "email": gettext_lazy("e-mail address"),
    "embedded": gettext_lazy("embedded"),
    "embeddings": gettext_lazy("embeddings"),
    "enabled": gettext_lazy("enabled"),
    "enrolled": gettext_lazy("enrolled"),
    "enrollments": gettext_lazy("incomplete enrollments"),
    "erased_from": gettext_lazy("to be erased from"),
    "events": gettext_lazy("events"),
    "expires": gettext_lazy("expires"),
    "exports": gettext_lazy("exports"),
    "external_id": gettext_lazy("speaker"),
    "failed": gettext_lazy("failed"),
    "fallback": gettext_lazy("answers for those it does not know"),
    "fields": gettext_lazy("fields"),
    "files": gettext_lazy("files"),
    "first_name": gettext_lazy("first name"),
    "force": gettext_lazy("although in use"),
    "form": gettext_lazy("format"),
    "info": gettext_lazy("info"),
    "invitation": gettext_lazy("invitation"),
    "is_active": gettext_lazy("active"),
    "is_staff": gettext_lazy("staff"),
    "is_superuser": gettext_lazy("platform staff"),
    "job_lines": gettext_lazy("lines of jobs"),
    "job_lines_emptied": gettext_lazy("lines of jobs emptied"),
    "job_problems": gettext_lazy("problems of jobs"),
    "job_results": gettext_lazy("results of jobs"),
    "jobs": gettext_lazy("jobs"),
    "kept_answers": gettext_lazy("kept answers"),
    "kept_days": gettext_lazy("kept for days"),
    "label": gettext_lazy("label"),
    "last_name": gettext_lazy("last name"),
    "libraries": gettext_lazy("libraries"),
    "members": gettext_lazy("members"),
    "method": gettext_lazy("method"),
    "missing": gettext_lazy("missing"),
    "missing_recordings": gettext_lazy("recordings not found"),
    "must_enroll_again": gettext_lazy("must enroll again"),
    "name": gettext_lazy("name"),
    "needed": gettext_lazy("needed scope"),
    "object": gettext_lazy("object"),
    "of": gettext_lazy("recordings in all"),
    "own_calibration": gettext_lazy("own calibration"),
    "own_calibrations": gettext_lazy("own calibrations"),
    "own_period": gettext_lazy("rule of its own"),
    "password": gettext_lazy("password"),
    "probes": gettext_lazy("probes"),
    "recordings": gettext_lazy("recordings"),
    "removed": gettext_lazy("removed"),
    "replaced": gettext_lazy("replaced"),
    "role": gettext_lazy("role"),
    "rows": gettext_lazy("rows"),
    "scopes": gettext_lazy("scopes"),
    "sessions": gettext_lazy("sessions"),
    "since": gettext_lazy("since"),
    "size_bytes": gettext_lazy("bytes"),
    "speakers": gettext_lazy("speakers"),
    "status": gettext_lazy("status"),
    "successor": gettext_lazy("successor"),
    "taken_over": gettext_lazy("recordings taken over"),
    "tokens": gettext_lazy("access tokens"),
    "turn": gettext_lazy("turn"),
    "turns": gettext_lazy("turns in all"),
    "unchanged": gettext_lazy("unchanged"),
    "unfinished_utterances": gettext_lazy("utterances on their way in"),
    "until": gettext_lazy("until"),
    "up_to": gettext_lazy("up to event"),
    "uploads": gettext_lazy("uploads"),
    "username": gettext_lazy("user name"),
    "utterance": gettext_lazy("number of the recording"),
    "utterances": gettext_lazy("numbers of the recordings"),
    "version": gettext_lazy("version"),
    "voiceprints": gettext_lazy("voiceprints"),
    "wanted": gettext_lazy("filtered by"),
    "when": gettext_lazy("when"),
    "when_enrolled": gettext_lazy("when enrolled already"),
}

COUNTED: Final = {"utterances": gettext_lazy("recordings")}
"""Where they are counted and not named."""

CODES: Final = {
    "action": dict(Action.choices),
    "role": dict(Role.choices),
    "scopes": dict(Scope.choices),
    "needed": dict(Scope.choices),
    "consistency": dict(Consistency.choices),
    "status": {
        "enrolling": gettext_lazy("enrolling"),
        "enrolled": gettext_lazy("enrolled"),
        "probe": gettext_lazy("probe"),
    },
    "when_enrolled": {
        "refuse": gettext_lazy("refuse"),
        "add": gettext_lazy("add"),
        "replace": gettext_lazy("replace"),
    },
    "by": {"code": gettext_lazy("code")},
}
"""Values that stand for words, by the name under which they stand."""

OBJECTS: Final = {
    "address": gettext_lazy("address"),
    "credential": gettext_lazy("credential"),
    "crontab": gettext_lazy("times of the day"),
    "erasure": gettext_lazy("erasure"),
    "interval": gettext_lazy("interval"),
    "invitation": gettext_lazy("invitation"),
    "job": gettext_lazy("job"),
    "library": gettext_lazy("library"),
    "member": gettext_lazy("member"),
    "model": gettext_lazy("model"),
    "opt_out": gettext_lazy("opt-out"),
    "path": gettext_lazy("path"),
    "schedule": gettext_lazy("scheduled task"),
    "speaker": gettext_lazy("speaker"),
    "tenant": gettext_lazy("tenant"),
    "token": gettext_lazy("access token"),
    "user": gettext_lazy("user"),
}

KINDS: Final = {
    ("job", "enroll"): gettext_lazy("enrollment"),
    ("job", "import"): gettext_lazy("import"),
    ("job", "export"): gettext_lazy("export"),
    ("job", "reembed"): gettext_lazy("re-embedding"),
    ("erasure", "speaker"): gettext_lazy("speaker"),
    ("erasure", "person"): gettext_lazy("person in all libraries"),
    ("erasure", "tenant"): gettext_lazy("the whole tenant"),
}
"""Of objects that have no name but what they are."""

PROBLEMS: Final = {
    "missing": gettext_lazy("missing"),
    "does not hang on the one before": gettext_lazy("does not hang on the one before"),
    "altered": gettext_lazy("altered"),
    "missing, to which the chain had come": gettext_lazy("missing, to which the chain had come"),
    "missing, with which the chain ended": gettext_lazy("missing, with which the chain ended"),
    "not what was sealed": gettext_lazy("not what was sealed"),
    "was sealed and is missing": gettext_lazy("was sealed and is missing"),
    "carries a seal that is not ours": gettext_lazy("carries a seal that is not ours"),
    "the head of the chain is missing": gettext_lazy("the head of the chain is missing"),
    "added after the event that the chain ended with": gettext_lazy("added after the event that the chain ended with"),
    "not the one that the chain ended with": gettext_lazy("not the one that the chain ended with"),
}
"""What a verification says of an event (tenants/sealing.py)."""

PAIRS: Final = {"changes", "days"}
PAIR: Final = {"own_period"}
"""Under which names stand two values each, before and after."""

FIELDS, FOR_EVER = "fields", "days"
MOMENTS: Final = {"created", "erased_from", "expires", "since", "until"}
"""Under which names a moment stands; whatever somebody wrote may look like one."""


class Detail(NamedTuple):
    name: str
    value: str


def details_in_words(details: Mapping[str, Any]) -> list[Detail]:
    """In the order they were written; what lies inside of something is named after it."""
    return list(_flat(details, ""))


def actor_in_words(kind: str, number: int | None, name: str) -> str:
    """People by their names alone; a credential or an access token is named as such, and by number without a label."""
    if kind == ActorKind.USER and name:
        return name
    label = str(ActorKind(kind).label) if kind in ActorKind.values else kind
    return f"{label} {name}" if name else _numbered(label, number)


def problem_in_words(said: str) -> str:
    """Also one that another version found."""
    return str(PROBLEMS.get(said, said))


def place_in_words(problem: Problem) -> str:
    words = _("events %(number)s to %(until)s") if problem.until else _("event %(number)s")
    return words % vars(problem)


def object_in_words(kind: str, number: int | None, name: str) -> str:
    """By its name, as far as it has one."""
    if (kind, name) in KINDS:
        # Of an erasure the number is not one of libraries, nor of speakers.
        words = _("No. %(number)s · %(kind)s") if kind == "erasure" else "%(kind)s %(number)s"
        return words % {"kind": KINDS[kind, name], "number": number}
    return name or _numbered(str(OBJECTS.get(kind, kind)), number)


def _numbered(label: str, number: int | None) -> str:
    return label if number is None else f"{label} #{number}"


def _flat(details: Mapping[str, Any], outer: str) -> Iterator[Detail]:
    for name, value in details.items():
        inner = str(COUNTED[name]) if outer == "removed" and name in COUNTED else _name(name)
        said = " · ".join(filter(None, [outer and _name(outer), inner]))
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif isinstance(value, list) and (name in PAIR or outer in PAIRS):
            yield Detail(said, " → ".join(_value(name, one, outer) for one in value))
        else:
            yield Detail(said, _value(name, value, outer))


def _name(name: str) -> str:
    if name in NAMES:
        return str(NAMES[name])
    try:
        return str(Tenant._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    except FieldDoesNotExist:
        return name


def _value(name: str, value: Any, outer: str = "") -> str:
    if value is None:
        return _("for ever") if FOR_EVER in (name, outer) else "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return listed(labelled(_name(inner), _value(inner, one)) for inner, one in value.items())
    if isinstance(value, list):
        return listed(_value(name, one) for one in value) or "—"
    if isinstance(value, str):
        return _text(name, value)
    return str(value)


def _text(name: str, value: str) -> str:
    if name == FIELDS:
        return _name(value)
    return _moment(value) if name in MOMENTS else visible(str(CODES.get(name, {}).get(value, value))) or "—"


def _moment(value: str) -> str:
    """As it was written where it is none, or lies beyond the end of time here."""
    try:
        moment = parse_datetime(value)
        return str(localize(localtime(moment))) if moment and is_aware(moment) else value
    except (ValueError, OverflowError):
        return value
