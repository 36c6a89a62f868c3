"""Letting go what was kept long enough: recordings, probes, and enrollments that nobody completed.

A recording whose period is over goes; what was measured in it and its embeddings stay, so nobody notices but who wants
to hear it, or to embed it with another model. The statement that lets recordings go reads the rules that are in force
at that moment and holds them: who is just changing one is passed over, and what was extended stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Func,
    Min,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Least
from django.utils import timezone

from tenants.actions import Action
from tenants.cleaning import Tally
from tenants.context import acting_as
from tenants.models import Tenant
from tenants.trail import note
from voiceprints import gallery, recordings
from voiceprints.models import Library, Utterance
from voiceprints.targets import library_target

RECORDINGS_AT_ONCE: Final = 500
SPEAKERS_AT_ONCE: Final = 100
RULE: Final = "CASE WHEN library.own_period THEN library.recordings_kept_days ELSE tenant.recordings_kept_days END"
OVER: Final = "<= %(now)s::timestamptz - make_interval(days => {rule})"

# Without a number of days nothing is ever over: the comparison comes to nothing.
RECORDINGS: Final = f"""
FROM voiceprints_utterance AS utterance
JOIN voiceprints_speaker AS speaker ON speaker.id = utterance.speaker_id
JOIN voiceprints_library AS library ON library.id = speaker.library_id
JOIN tenants_tenant AS tenant ON tenant.id = utterance.tenant_id
WHERE utterance.tenant_id = %(tenant)s AND utterance.recording <> '' AND utterance.created {OVER.format(rule=RULE)}
"""
NEXT_RECORDINGS: Final = """
SELECT created, id FROM voiceprints_utterance
WHERE tenant_id = %(tenant)s AND recording <> '' AND (created, id) > (%(created)s, %(id)s) AND created <= %(newest)s
ORDER BY created, id LIMIT %(most)s
"""
# Whoever changes what somebody said has the speaker locked, and nobody is waited for here: so nobody waits in a circle.
EXPIRE: Final = f"""
WITH due AS (
    SELECT utterance.id, utterance.recording, library.id AS library, {RULE} AS days {RECORDINGS}
    AND (utterance.created, utterance.id) > (%(created)s, %(id)s)
    AND (utterance.created, utterance.id) <= (%(last_created)s, %(last_id)s)
    FOR NO KEY UPDATE OF utterance, speaker SKIP LOCKED FOR SHARE OF library, tenant SKIP LOCKED
)
UPDATE voiceprints_utterance AS utterance SET recording = '', size_bytes = 0, recording_expired = %(now)s
FROM due WHERE utterance.tenant_id = %(tenant)s AND utterance.id = due.id
RETURNING due.library, due.days, due.recording
"""  # noqa: S608 - words of ours

PROBES: Final = f"""
FROM voiceprints_speaker AS speaker JOIN tenants_tenant AS tenant ON tenant.id = speaker.tenant_id
WHERE speaker.tenant_id = %(tenant)s AND speaker.status = 'probe'
AND speaker.created {OVER.format(rule="tenant.probes_kept_days")}
"""
ENROLLMENTS: Final = f"""
FROM voiceprints_speaker AS speaker JOIN tenants_tenant AS tenant ON tenant.id = speaker.tenant_id
WHERE speaker.tenant_id = %(tenant)s AND speaker.status = 'enrolling' AND speaker.completed IS NULL
AND speaker.created {OVER.format(rule="tenant.enrollments_kept_days")} AND NOT EXISTS (
    SELECT FROM voiceprints_utterance AS said WHERE said.tenant_id = %(tenant)s AND said.speaker_id = speaker.id
    AND NOT said.created {OVER.format(rule="tenant.enrollments_kept_days")}
)
"""
CHOOSE: Final = """
SELECT speaker.id {due} ORDER BY speaker.id LIMIT %(most)s
FOR UPDATE OF speaker SKIP LOCKED FOR SHARE OF tenant SKIP LOCKED
"""
AGAIN: Final = "SELECT speaker.id {due} AND speaker.id = ANY(%(locked)s)"
COUNT: Final = "SELECT count(*) {due}"


@dataclass(frozen=True)
class Due:
    """How many are kept longer than the rules allow."""

    recordings: int
    probes: int
    enrollments: int


@dataclass(frozen=True)
class Place:
    """How far a run has looked at the recordings of a tenant, oldest first."""

    created: datetime
    id: int


BEGINNING: Final = Place(datetime.min.replace(tzinfo=UTC), 0)


@dataclass(frozen=True)
class Expired:
    """A recording that was let go, and how many days it was kept by the rule of its library."""

    library: int
    days: int
    recording: str


def expire_recordings(tally: Tally, now: datetime | None = None) -> None:
    """Let go every recording whose period is over, of all tenants, closed ones too."""
    moment = now or timezone.now()
    for tenant in Tenant.objects.order_by("pk"):
        place: Place | None = BEGINNING
        while place:
            with acting_as(tenant):
                place = _expire_next(tenant, place, moment, tally)


def expire_probes(tally: Tally, now: datetime | None = None) -> None:
    _expire_speakers(tally, PROBES, now or timezone.now(), "probes", Action.PROBES_DELETED)


def expire_enrollments(tally: Tally, now: datetime | None = None) -> None:
    """Speakers who never were enrolled completely, and of whom nothing came for so long."""
    _expire_speakers(tally, ENROLLMENTS, now or timezone.now(), "enrollments", Action.ENROLLMENTS_EXPIRED)


def due(tenant: Tenant, now: datetime | None = None) -> Due:
    """What the next run will find. Inside acting_as."""
    values = {"tenant": tenant.pk, "now": now or timezone.now()}
    return Due(*(_count(what, values) for what in (RECORDINGS, PROBES, ENROLLMENTS)))


def due_in(library: Library, now: datetime | None = None) -> int:
    """The recordings of one library among it. Inside acting_as."""
    values = {"tenant": library.tenant_id, "now": now or timezone.now(), "library": library.pk}
    return _count(f"{RECORDINGS} AND library.id = %(library)s", values)


def expiring_recordings(within: timedelta) -> QuerySet[Utterance]:
    """Of all tenants: what can still be heard and will go within that time, or is due already.

    Nothing younger than the shortest period is looked at, which the index knows.
    """
    soon = timezone.now() + within
    own, of_library = "speaker__library__own_period", "speaker__library__recordings_kept_days"
    shortest = Least(_shortest(Tenant.objects.all()), _shortest(Library.all_tenants.all()))
    old = Utterance.all_tenants.exclude(recording="").filter(created__lte=_that_long_before(soon, shortest))
    ruled = old.annotate(kept_days=Case(When(**{own: True}, then=of_library), default="tenant__recordings_kept_days"))
    return ruled.filter(created__lte=_that_long_before(soon, F("kept_days")))


def _shortest(ruled: QuerySet[Any]) -> Subquery:
    days = Func(F("recordings_kept_days"), function="MIN")
    return Subquery(ruled.order_by().annotate(days=days).values("days"))


def _that_long_before(moment: datetime, days: Any) -> Any:
    period = ExpressionWrapper(days * Value(timedelta(days=1)), output_field=DurationField())
    return ExpressionWrapper(Value(moment) - period, output_field=DateTimeField())


def _expire_next(tenant: Tenant, place: Place, now: datetime, tally: Tally) -> Place | None:
    """Look at the next few recordings, in the caller's transaction; None once all that may be due were looked at."""
    shortest = _shortest_period(tenant)
    if shortest is None:
        return None
    newest = now - timedelta(days=shortest)
    values = {"tenant": tenant.pk, "now": now, "newest": newest, "most": RECORDINGS_AT_ONCE, **asdict(place)}
    seen = rows(NEXT_RECORDINGS, values)
    if not seen:
        return None
    last = Place(*seen[-1])
    gone = [Expired(*row) for row in rows(EXPIRE, values | {"last_created": last.created, "last_id": last.id})]
    recordings.let_go(tenant, [one.recording for one in gone])
    _note_expired(tenant, gone)
    tally.add(recordings=len(gone))
    return last


def _note_expired(tenant: Tenant, gone: Iterable[Expired]) -> None:
    counts = Counter((one.library, one.days) for one in gone)
    libraries = tenant.libraries.in_bulk({library for library, _ in counts})
    for (library, days), count in counts.items():
        note(tenant, Action.RECORDINGS_EXPIRED, library_target(libraries[library]), recordings=count, kept_days=days)


def _shortest_period(tenant: Tenant) -> int | None:
    """Of the tenant and its libraries: nothing younger need be looked at."""
    shortest = Min("recordings_kept_days")
    own = tenant.libraries.filter(own_period=True).aggregate(days=shortest)["days"]
    usual = Tenant.objects.filter(pk=tenant.pk).aggregate(days=shortest)["days"]
    return min((days for days in (own, usual) if days is not None), default=None)


def _expire_speakers(tally: Tally, due: str, now: datetime, what: str, action: Action) -> None:
    for tenant in Tenant.objects.order_by("pk"):
        found = SPEAKERS_AT_ONCE
        while found == SPEAKERS_AT_ONCE:
            with acting_as(tenant):
                values = {"tenant": tenant.pk, "now": now, "most": SPEAKERS_AT_ONCE}
                locked = rows(CHOOSE.format(due=due), values)
                found = len(locked)
                if found:
                    # Somebody may have said something between the look and the lock; from here on nobody can.
                    still = rows(AGAIN.format(due=due), values | {"locked": [pk for (pk,) in locked]})
                    _drop(tenant, [pk for (pk,) in still], action, what)
                    tally.add(**{what: len(still)})


def _drop(tenant: Tenant, doomed: Sequence[int], action: Action, what: str) -> None:
    people = tenant.speakers.filter(pk__in=doomed)
    counts = Counter(people.values_list("library", flat=True))
    libraries = tenant.libraries.in_bulk(counts)
    for library, count in counts.items():
        counted: dict[str, Any] = {what: count}
        note(tenant, action, library_target(libraries[library]), **counted)
    gallery.drop_speakers(tenant, people)


def _count(due: str, values: dict[str, Any]) -> int:
    ((count,),) = rows(COUNT.format(due=due), values)
    return int(count)


def rows(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
