"""What a tenant must have, worked out beside the database from the rules alone, while its people come and go.

Speakers are stored by the functions that services store them with; what was "measured" is made up, since to hear
thousands would take hours.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection

from api.native.models import KeptAnswer
from audio.results import Analysis, SpeechQuality
from tenants.actions import Action
from tenants.context import acting_as
from tenants.generations import keeping_models
from tenants.models import AccessToken, AuditEvent, ConsoleSession, Tenant
from tenants.services import issue_token
from tenants.trail import note
from voiceprints import erasure, gallery, recordings, retention, services
from voiceprints.models import Job, Speaker
from voiceprints.results import LibraryKey, WhenEnrolled
from voiceprints.retention import OwnPeriod
from voiceprints.targets import speaker_target

NEW_YEAR = datetime(2026, 1, 1, 9, tzinfo=UTC)
VECTOR = np.eye(1, 256, dtype=np.float32)[0]
FILE = b"fLaC"
HEARD = Analysis({"ge2e": VECTOR}, SpeechQuality(3.0, 2.5, 30.0, -20.0, 0.0, 0.0), FILE, "")
NEWCOMERS = 3
STAFF, GUESTS, VISITORS = "staff", "guests", "visitors"
LIBRARIES = (STAFF, GUESTS, VISITORS)
ENROLLED, ENROLLING, PROBE = Speaker.Status.ENROLLED, Speaker.Status.ENROLLING, Speaker.Status.PROBE
A_DAY, A_MONTH = timedelta(days=1), timedelta(days=30)

COUNTED = {
    Action.RECORDINGS_EXPIRED: "recordings",
    Action.PROBES_DELETED: "probes",
    Action.ENROLLMENTS_EXPIRED: "enrollments",
    Action.LIBRARY_DELETED: "speakers",
    Action.EXPORTS_EXPIRED: "exports",
    Action.JOBS_EXPIRED: "jobs",
}
"""What tells of several at once, and where it says how many."""
NAMED = {Action.SPEAKER_DELETED, Action.UTTERANCE_DELETED, Action.ERASURE_BEGUN, Action.ERASURE_DONE}

Deed = tuple[str, ...]
"""What the audit trail tells of a removal: the action, whom or which library it was, and by which rule."""


class Clock:
    """Of the processes, and of the audit trail's trigger in the database (`clock_of_database`)."""

    def __init__(self) -> None:
        self.now = NEW_YEAR

    def __call__(self) -> datetime:
        return self.now

    def turn_to(self, moment: datetime) -> None:
        self.now = moment
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('openvpr.year', %s, false)", [moment.isoformat()])


@dataclass
class Said:
    """An utterance, where its recording is, and when that was let go; at once if it was not to be kept."""

    at: datetime
    path: str
    size_bytes: int
    expired: datetime | None


@dataclass
class Person:
    name: str
    tag: str
    status: str
    came: datetime
    said: list[Said] = field(default_factory=list)


@dataclass
class Expected:
    """Of a tenant: people, rules, and what its audit trail has still to tell of."""

    days: int | None = None
    own: dict[str, int | None] = field(default_factory=dict)
    people: dict[tuple[str, str], Person] = field(default_factory=dict)
    exports: dict[str, datetime] = field(default_factory=dict)
    jobs: list[datetime] = field(default_factory=list)
    untold: Counter[Deed] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)

    def rule(self, tag: str) -> int | None:
        return self.own.get(tag, self.days)

    def tell(self, action: Action, *about: object, count: int = 1) -> None:
        self.untold[action, *map(str, about)] += count
        self.gone[action] += count

    def forget(self, chosen: list[Person]) -> None:
        for person in chosen:
            del self.people[person.tag, person.name]

    def night(self, now: datetime) -> None:
        """What every clean-up must do then."""
        month_ago = now - A_MONTH
        for person in self.people.values():
            days = self.rule(person.tag)
            over = [] if days is None else [s for s in person.said if s.path and s.at <= now - timedelta(days=days)]
            for said in over:
                said.path, said.size_bytes, said.expired = "", 0, now
                self.tell(Action.RECORDINGS_EXPIRED, person.tag, days)
        for status, action in ((PROBE, Action.PROBES_DELETED), (ENROLLING, Action.ENROLLMENTS_EXPIRED)):
            over = [p for p in self.people.values() if p.status == status and p.said[-1].at <= month_ago]
            for person in over:
                self.tell(action, person.tag)
            self.forget(over)
        for path in [path for path, made in self.exports.items() if made <= now - A_DAY]:
            del self.exports[path]
            self.tell(Action.EXPORTS_EXPIRED)
        long_over = [made for made in self.jobs if made <= month_ago]
        for made in long_over:
            self.jobs.remove(made)
            self.tell(Action.JOBS_EXPIRED)

    def rows(self) -> Counter[tuple[Any, ...]]:
        return Counter(
            (person.tag, person.name, person.status, said.at, said.path, said.size_bytes, said.expired)
            for person in self.people.values()
            for said in person.said
        )

    def paths(self) -> set[str]:
        return {said.path for person in self.people.values() for said in person.said if said.path}


@dataclass
class World:
    tenant: Tenant
    clock: Clock
    expected: Expected = field(default_factory=Expected)
    enrolled: int = 0
    told_up_to: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.tenant.slug)
        self.token: AccessToken = issue_token(self.tenant, scopes=["read"])[0]

    def key(self, tag: str) -> LibraryKey:
        return LibraryKey(self.tenant.slug, tag)

    def a_day(self, day: int) -> None:
        for number in range(NEWCOMERS):
            self.say(f"{day}-{number}", self.dice.choice(LIBRARIES), ENROLLED)
        for every, first, deed in (
            (3, 0, lambda: self.say(f"probe-{day}", STAFF, PROBE)),
            (3, 0, lambda: self.delete(self.anybody())),
            (4, 1, lambda: self.say_more(self.anybody())),
            (7, 0, lambda: self.say(f"never-{day}", GUESTS, ENROLLING)),
            (7, 2, lambda: self.delete_utterance(self.anybody())),
            # Who goes on with an enrollment that was begun a week ago is not forgotten for a month from now.
            (21, 14, lambda: self.say_more_of(f"never-{day - 7}", GUESTS)),
            (10, 9, lambda: self.move(self.anybody())),
            (30, 20, lambda: self.say_everywhere(f"everywhere-{day}")),
            (30, 25, lambda: self.erase(f"everywhere-{day - 5}")),
        ):
            if day % every == first:
                deed()
        self.leave_behind(day)

    def anybody(self) -> Person:
        """Who is enrolled, and is not to be erased soon."""
        enrolled = [person for person in self.expected.people.values() if person.status == ENROLLED]
        return self.dice.choice([person for person in enrolled if not person.name.startswith("everywhere")])

    def say_more(self, person: Person) -> None:
        self.say(person.name, person.tag, person.status)

    def say_more_of(self, name: str, tag: str) -> None:
        if (tag, name) in self.expected.people:
            self.say_more(self.expected.people[tag, name])

    def say_everywhere(self, name: str) -> None:
        for tag in LIBRARIES:
            self.say(name, tag, ENROLLED)

    def say(self, name: str, tag: str, status: str) -> None:
        """One more utterance of somebody, new or not."""
        key = self.key(tag)
        with acting_as(self.tenant):
            path = recordings.new_path(key.org_id) if retention.keeps_recordings(self.tenant, key) else ""
            recordings.plan(self.tenant, [path] if path else [])
        if path:
            recordings.write([path], [FILE])
        newcomer = Speaker(external_id=name, status=status)
        required = 1 if status == ENROLLED else 1000
        with keeping_models(self.tenant):
            speaker, earlier = gallery.admit(self.tenant, key, newcomer, WhenEnrolled.ADD, create_library=True)
            gallery.add_utterances(self.tenant, speaker, earlier, [(HEARD, path)], required)
            note(self.tenant, Action.ENROLLED, speaker_target(speaker))
        self.enrolled += 1
        assert bool(path) == (self.expected.rule(tag) != 0)
        now = self.clock.now
        person = self.expected.people.setdefault((tag, name), Person(name, tag, status, now))
        person.said.append(Said(now, path, len(FILE), None) if path else Said(now, "", 0, now))

    def delete(self, person: Person) -> None:
        services.delete_speaker(self.tenant, self.libraries(person.tag), person.name)
        self.expected.forget([person])
        self.expected.tell(Action.SPEAKER_DELETED, person.name)

    def delete_utterance(self, person: Person) -> None:
        with acting_as(self.tenant):
            speaker = self.tenant.speakers.get(library__tag_id=person.tag, external_id=person.name)
            first = speaker.utterances.order_by("pk").first()
        services.delete_utterance(self.tenant, first.pk)
        del person.said[0]
        self.expected.tell(Action.UTTERANCE_DELETED, person.name)
        if not person.said:
            # Nobody is left to be recognised by; the name goes, too.
            self.delete(person)

    def erase(self, name: str) -> None:
        erasure.erase_person(self.tenant, name)
        chosen = [person for person in self.expected.people.values() if person.name == name]
        assert len(chosen) == len(LIBRARIES)
        self.expected.forget(chosen)
        # Nothing says that the file of an export is without them.
        self.expected.exports.clear()
        for action in (Action.ERASURE_BEGUN, Action.ERASURE_DONE):
            self.expected.tell(action, erasure.Kind.PERSON)

    def delete_library(self, tag: str) -> None:
        services.delete_library(self.tenant, self.key(tag))
        chosen = [person for person in self.expected.people.values() if person.tag == tag]
        assert len(chosen) > 100
        self.expected.forget(chosen)
        self.expected.tell(Action.LIBRARY_DELETED, tag, count=len(chosen))

    def move(self, person: Person) -> None:
        tag = self.dice.choice(sorted({*LIBRARIES} - {person.tag}))
        with acting_as(self.tenant):
            speaker = self.tenant.speakers.get(library__tag_id=person.tag, external_id=person.name)
        services.move_speakers(self.tenant, [speaker.pk], self.key(tag))
        self.expected.forget([person])
        person.tag = tag
        self.expected.people[tag, person.name] = person

    def keep(self, days: int | None) -> None:
        retention.change(self.tenant, recordings=days)
        self.expected.days = days

    def keep_in(self, tag: str, own: OwnPeriod | None) -> None:
        with acting_as(self.tenant):
            library = self.libraries(tag).get()
        retention.change_library(self.tenant, library.pk, own)
        self.expected.own.pop(tag, None)
        if own:
            self.expected.own[tag] = own.days

    def libraries(self, tag: str) -> Any:
        return self.tenant.libraries.filter(tag_id=tag)

    def leave_behind(self, day: int) -> None:
        """What requests, jobs and browsers leave."""
        tenant, now = self.tenant, self.clock.now
        export = recordings.new_path("jobs")
        recordings.write([export], [FILE])
        with acting_as(tenant):
            about: dict[str, Any] = {"tenant": tenant, "token": self.token, "key": str(day)}
            KeptAnswer.all_tenants.create(**about, expires=now + A_DAY)
            over = {"state": Job.State.SUCCEEDED, "finished": now, "expires": now + A_DAY}
            job = tenant.jobs.create(kind=Job.Kind.EXPORT, output=export, **over)
            tenant.job_rows.create(job=job, number=1, outcome="enrolled")
        self.expected.exports[export] = now
        self.expected.jobs.append(now)
        ConsoleSession.objects.create(session_key=f"{tenant.slug}{day}", expire_date=now + timedelta(hours=12))

    def newly_told(self) -> Counter[Deed]:
        """The removals of which the tenant's audit trail tells since this was asked last."""
        with acting_as(self.tenant):
            events = AuditEvent.all_tenants.filter(tenant_id=self.tenant.pk, number__gt=self.told_up_to)
            found = list(events.order_by("number"))
        told: Counter[Deed] = Counter()
        for event in found:
            for deed, count in _removals(event):
                told[deed] += count
            self.told_up_to = event.number
        return told

    def files(self) -> set[str]:
        return self.expected.paths() | self.expected.exports.keys()


def _removals(event: AuditEvent) -> Iterator[tuple[Deed, int]]:
    action, details = event.action, event.details
    if action in COUNTED:
        where = [event.tag_id] if event.tag_id else []
        rule = [str(details["kept_days"])] if "kept_days" in details else []
        yield (action, *where, *rule), details.get(COUNTED[action], 0)
    elif action in NAMED:
        yield (action, event.object_name), 1
