"""A year passes, day by day: people come and go, rules change, and the clean-up jobs run every night.

What must be there at the end is worked out beside it, from the rules alone and without the database. Speakers are
stored by the functions that services store them with; what was "measured" is made up, since to hear thousands would
take hours.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import models
from django.db.models import Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone

from api.native.models import KeptAnswer
from api.native.tasks import sweep_answers
from audio.results import Analysis, SpeechQuality
from tenants import sealing
from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform
from tenants.generations import keeping_models
from tenants.models import AuditEvent, CleanupRun, ConsoleSession, Tenant
from tenants.services import issue_token
from tenants.tasks import seal_trail, sweep_sign_ins
from tenants.trail import note
from voiceprints import gallery, recordings, retention, services, tasks
from voiceprints.models import Job, Library, Speaker
from voiceprints.results import LibraryKey, WhenEnrolled
from voiceprints.retention import OwnPeriod
from voiceprints.targets import speaker_target

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

DAYS = 365
NEW_YEAR = datetime(2026, 1, 1, 9, tzinfo=UTC)
NEWCOMERS_A_DAY = 1
VECTOR = np.eye(1, 256, dtype=np.float32)[0]
QUALITY = SpeechQuality(3.0, 2.5, 30.0, -20.0, 0.0, 0.0)
HEARD = Analysis({"ge2e": VECTOR}, QUALITY, b"fLaC", "")
WAYS_TO_GO = ("recordings", "probes", "enrollments", "deleted")
STAFF, GUESTS = "staff", "guests"
ENROLLED, ENROLLING, PROBE = Speaker.Status.ENROLLED, Speaker.Status.ENROLLING, Speaker.Status.PROBE
NIGHTLY = (tasks.expire_recordings, tasks.expire_probes, tasks.expire_enrollments, tasks.sweep_recordings)
WEEKLY = (tasks.sweep_jobs, sweep_answers, sweep_sign_ins, seal_trail)


@dataclass
class Clock:
    now: datetime = NEW_YEAR

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Person:
    tag: str
    status: str
    came: datetime
    said: dict[str, datetime] = field(default_factory=dict)
    """The recordings that are kept, and when they were made."""
    utterances: int = 0
    last: datetime = NEW_YEAR


@dataclass
class Expected:
    """What a tenant must have: people by name, the rules, and how much went in which way."""

    days: int | None = None
    own: dict[str, int | None] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WAYS_TO_GO, 0))

    def rule(self, tag: str) -> int | None:
        return self.own.get(tag, self.days) if tag in self.own else self.days

    def night(self, now: datetime) -> None:
        month_ago = now - timedelta(days=30)
        for name, person in list(self.people.items()):
            days = self.rule(person.tag)
            if days is not None:
                over = [path for path, made in person.said.items() if made <= now - timedelta(days=days)]
                for path in over:
                    del person.said[path]
                self.gone["recordings"] += len(over)
            if person.status == PROBE and person.came <= month_ago:
                self.gone["probes"] += 1
                del self.people[name]
            elif person.status == ENROLLING and person.last <= month_ago:
                self.gone["enrollments"] += 1
                del self.people[name]

    @property
    def paths(self) -> set[str]:
        return {path for person in self.people.values() for path in person.said}


@dataclass
class World:
    tenant: Tenant
    clock: Clock
    expected: Expected = field(default_factory=Expected)

    def key(self, tag: str) -> LibraryKey:
        return LibraryKey(self.tenant.slug, tag)

    def say(self, name: str, tag: str, status: str) -> None:
        """One more utterance of somebody, new or not."""
        key = self.key(tag)
        with acting_as(self.tenant):
            path = recordings.new_path(key.org_id) if retention.keeps_recordings(self.tenant, key) else ""
            recordings.plan(self.tenant, [path] if path else [])
        if path:
            recordings.write([path], [b"fLaC"])
        now = self.clock.now
        newcomer = Speaker(external_id=name, status=status)
        required = 1 if status == ENROLLED else 1000
        with keeping_models(self.tenant):
            speaker, earlier = gallery.admit(self.tenant, key, newcomer, WhenEnrolled.ADD, create_library=True)
            gallery.add_utterances(self.tenant, speaker, earlier, [(HEARD, path)], required)
            note(self.tenant, Action.ENROLLED, speaker_target(speaker))
        person = self.expected.people.setdefault(name, Person(tag, status, now))
        person.utterances, person.last = person.utterances + 1, now
        assert bool(path) == (self.expected.rule(tag) != 0)
        if path:
            person.said[path] = now

    def delete(self, name: str) -> None:
        services.delete_speaker(self.tenant, self.tenant.libraries.all(), name)
        del self.expected.people[name]
        self.expected.gone["deleted"] += 1

    def move(self, name: str, tag: str) -> None:
        with acting_as(self.tenant):
            speaker = self.tenant.speakers.named(name).get()
        services.move_speakers(self.tenant, [speaker.pk], self.key(tag))
        self.expected.people[name].tag = tag

    def keep(self, days: int | None) -> None:
        retention.change(self.tenant, recordings=days)
        self.expected.days = days

    def keep_in(self, tag: str, own: OwnPeriod | None) -> None:
        with acting_as(self.tenant):
            library: Library = self.tenant.libraries.get(tag_id=tag)
        retention.change_library(self.tenant, library.pk, own)
        if own:
            self.expected.own[tag] = own.days
        else:
            del self.expected.own[tag]

    def anybody(self, dice: random.Random, status: str, tag: str = "") -> str:
        chosen = [
            name for name, person in self.expected.people.items() if person.status == status and tag in {"", person.tag}
        ]
        return dice.choice(chosen)


def changes_of_rules(acme: World, globex: World):
    """By day of the year: shorter, longer, for ever, not at all, and back."""
    return {
        0: [lambda: acme.keep(90), lambda: globex.keep(None)],
        60: [lambda: acme.keep_in(GUESTS, OwnPeriod(7))],
        100: [lambda: globex.keep(200)],
        120: [lambda: acme.keep(30)],
        150: [lambda: acme.keep(None)],
        170: [lambda: acme.move(acme.anybody(random.Random(1), ENROLLED, GUESTS), STAFF)],
        200: [lambda: acme.keep_in(GUESTS, None), lambda: acme.keep_in(STAFF, OwnPeriod(None))],
        240: [lambda: acme.keep(0)],
        270: [lambda: acme.keep_in(STAFF, OwnPeriod(120))],
        280: [lambda: acme.keep(60), lambda: globex.keep_in(STAFF, OwnPeriod(10))],
        330: [lambda: globex.keep(400)],
    }


def a_day(world: World, day: int, dice: random.Random) -> None:
    for number in range(NEWCOMERS_A_DAY):
        world.say(f"{day}-{number}", dice.choice([STAFF, GUESTS]), ENROLLED)
    if day % 5 == 0:
        world.say(f"probe-{day}", STAFF, PROBE)
    if day % 7 == 0:
        world.say(f"never-{day}", GUESTS, ENROLLING)
    if day % 21 == 14:
        # Who goes on with an enrollment that was begun a week ago is not forgotten for a month from now.
        world.say(f"never-{day - 7}", GUESTS, ENROLLING)
    if day % 6 == 3:
        world.delete(world.anybody(dice, ENROLLED))
    if day % 11 == 5:
        name = world.anybody(dice, ENROLLED)
        world.say(name, world.expected.people[name].tag, ENROLLED)


def leave_behind(tenant: Tenant, token, day: int) -> None:
    """What requests, jobs and browsers leave."""
    now = timezone.now()
    with acting_as(tenant):
        KeptAnswer.all_tenants.create(tenant=tenant, token=token, key=str(day), expires=now + timedelta(hours=24))
        job = tenant.jobs.create(kind=Job.Kind.IMPORT, state=Job.State.SUCCEEDED, finished=now)
        tenant.job_rows.create(job=job, number=1, outcome="enrolled")
    ConsoleSession.objects.create(session_key=f"{tenant.slug}{day}", expire_date=now + timedelta(hours=12))


def told(tenant: Tenant, action: Action, what: str) -> int:
    with acting_as(tenant):
        events = AuditEvent.all_tenants.filter(tenant_id=tenant.pk, action=action)
        number = Cast(KeyTextTransform(what, "details"), models.IntegerField())
        return events.aggregate(sum=Sum(number, default=0))["sum"]


def test_after_a_year_there_is_what_the_rules_allow_and_the_trail_tells_of_the_rest(
    acme, globex, monkeypatch, recordings_folder
):
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", clock)
    dice = random.Random(2026)
    worlds = [World(acme, clock), World(globex, clock)]
    tokens = {tenant.pk: issue_token(tenant, scopes=["read"])[0] for tenant in (acme, globex)}
    rules = changes_of_rules(*worlds)
    for day in range(DAYS):
        clock.now = NEW_YEAR + timedelta(days=day)
        for change in rules.get(day, []):
            change()
        for world in worlds:
            a_day(world, day, dice)
            leave_behind(world.tenant, tokens[world.tenant.pk], day)
        clock.now += timedelta(hours=12)
        for job in (*NIGHTLY, *WEEKLY) if day % 7 == 0 or day == DAYS - 1 else NIGHTLY:
            job()
        for world in worlds:
            world.expected.night(clock.now)

    files = {str(path.relative_to(recordings_folder)) for path in recordings_folder.rglob("*") if path.is_file()}
    assert files == worlds[0].expected.paths | worlds[1].expected.paths
    for world in worlds:
        has_what_the_rules_allow(world)
        tells_of_the_rest(world)
    assert all(sealing.verify(chain).intact for chain in sealing.chains())
    assert sorted(ConsoleSession.objects.values_list("session_key", flat=True)) == ["acme364", "globex364"]
    assert not CleanupRun.objects.exclude(problem="").exists()


def has_what_the_rules_allow(world: World) -> None:
    tenant, expected = world.tenant, world.expected
    with acting_as(tenant):
        rows = tenant.utterances.order_by()
        assert set(rows.exclude(recording="").values_list("recording", flat=True)) == expected.paths
        assert dict(tenant.speakers.values_list("external_id", "library__tag_id")) == {
            name: person.tag for name, person in expected.people.items()
        }
        utterances = sum(person.utterances for person in expected.people.values())
        assert rows.count() == tenant.utterance_embeddings.count() == utterances
        assert rows.filter(recording="", recording_expired=None).count() == 0
        assert rows.exclude(recording="").exclude(recording_expired=None).count() == 0
        enrolled = sum(person.status == ENROLLED for person in expected.people.values())
        assert tenant.voiceprints.count() == enrolled
        assert not tenant.doomed_recordings.exists()
        assert sorted(tenant.kept_answers.values_list("key", flat=True)) == ["364"]
        assert tenant.jobs.count() == tenant.job_rows.count() == 30


def tells_of_the_rest(world: World) -> None:
    tenant, gone = world.tenant, world.expected.gone
    assert min(gone.values()) > 10
    assert told(tenant, Action.RECORDINGS_EXPIRED, "recordings") == gone["recordings"]
    assert told(tenant, Action.PROBES_DELETED, "probes") == gone["probes"]
    assert told(tenant, Action.ENROLLMENTS_EXPIRED, "enrollments") == gone["enrollments"]
    with acting_as_platform():
        deleted = AuditEvent.all_tenants.filter(tenant_id=tenant.pk, action=Action.SPEAKER_DELETED)
        assert deleted.count() == gone["deleted"]
