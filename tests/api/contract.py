"""What every dialect must do, said once in our own words. A dialect supplies a `Speaking` client and its words for no.

A test module of a dialect subclasses `Contract` and `Outages` and overrides `us` and `them`: clients of two tenants,
both talking about a library of the same name. `lacks` names the operations that the vendor does not have.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from urllib.parse import unquote

import numpy as np
import pytest
from django.conf import settings
from django.core.signals import request_started
from django.db import connection

from config.logs import JsonLines
from tenants import metering, rates
from tenants.context import acting_as
from tenants.models import BUNDLED_MODEL, AuditEvent, Consistency, Credential, Tenant
from tenants.postgresql import watching
from tenants.postgresql.watching import WatchedConnection
from tests.cast import KEN, SUSAN, recording, silence, wav
from tests.servers import POSTGRES, REDIS, through_the_queue
from tests.shared_data import expectations, shared
from voiceprints import generations, installed, jobs
from voiceprints.consents import set_rules
from voiceprints.models import Utterance
from voiceprints.opting_out import opt_out

# Whose voice the bundled model takes for nearest to SUSAN's.
STRANGER = "callum"
TOO_SHORT = wav(bytes(2 * 800))
NOISE = wav(np.random.default_rng(1).integers(-3000, 3000, 4 * 16_000, np.int16).tobytes())
UNUSABLE = {
    "short": TOO_SHORT,
    "silent": silence().read(),
    "noise": NOISE,
    "text": b"text",
    "page": b"<!doctype html><title>Not found</title>" * 100,
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/secret\n#EXT-X-ENDLIST\n",
    "header alone": wav(b""),
    "nothing but zeros": bytes(100_000),
}


@dataclass(frozen=True)
class Told:
    """An answer in our words: `outcome` is "done" or the reason, `value` what was asked for."""

    outcome: str
    value: Any = None

    @property
    def done(self) -> bool:
        return self.outcome == "done"


DONE, NOT_FOUND, UNUSABLE_AUDIO, REFUSED, EXISTS = "done", "not found", "unusable audio", "refused", "exists"
# Nothing is wrong with the request: try again later.
UNAVAILABLE = "unavailable"


class Speaking(Protocol):
    """A dialect's client, in our words."""

    def enroll(self, name: str, *utterances: bytes) -> Told: ...

    def verify(self, name: str, probe: bytes) -> Told:
        """value: whether the voice is accepted, by the decision of the server or by that of the vendor's clients."""
        ...

    def best(self, probe: bytes) -> Told:
        """value: the closest speaker, None when the library has none. By verification where a dialect has no 1:N."""
        ...

    def listed(self) -> Told:
        """value: the names, oldest first."""
        ...

    def counted(self) -> Told: ...

    def delete(self, name: str) -> Told: ...

    def badly_signed(self) -> Told:
        """Any operation, with a signature that is not the key's."""
        ...

    def outdated(self) -> Told:
        """Any operation, rightly signed at a time that is too long ago."""
        ...


class Promises:
    """What both suites below know of a dialect."""

    lacks: frozenset[str] = frozenset()
    utterances_to_enroll = 1
    enrolling_twice = EXISTS

    @pytest.fixture
    def us(self) -> Speaking:
        raise NotImplementedError

    @pytest.fixture
    def them(self) -> Speaking:
        raise NotImplementedError

    @pytest.fixture
    def enrolled(self, us: Speaking) -> Speaking:
        for voice in [SUSAN, KEN]:
            assert us.enroll(voice, *self.utterances(voice)).done
        return us

    def utterances(self, voice: str) -> list[bytes]:
        return [recording(voice, 1 + number) for number in range(self.utterances_to_enroll)]

    # How many utterances there are when the last of a contradiction was refused.
    kept_of_a_contradiction = 0

    def contradict(self, speaking: Speaking) -> Told:
        """Enroll a speaker, of whose utterances the last is somebody else's."""
        return speaking.enroll(SUSAN, recording(SUSAN, 1), recording(SUSAN, 2), recording(KEN))

    def needs(self, *operations: str) -> None:
        lacking = self.lacks & set(operations)
        if lacking:
            pytest.skip(f"the vendor has no {', '.join(sorted(lacking))}")

    def recognised(self, speaking: Speaking, voice: str) -> Told:
        """Any operation that has a recording measured and stores nothing."""
        if "verify" in self.lacks:
            return speaking.best(recording(voice, 4))
        return speaking.verify(voice, recording(voice, 4))


class Contract(Promises):
    """Each test is one promise."""

    @pytest.mark.parametrize("voice", [SUSAN, KEN])
    def test_an_enrolled_speaker_is_recognised(self, enrolled: Speaking, voice: str) -> None:
        self.needs("identify")
        assert enrolled.best(recording(voice, 4)) == Told(DONE, voice)

    @pytest.mark.parametrize("voice", [SUSAN, KEN])
    def test_an_enrolled_speaker_is_accepted_as_nobody_else(self, enrolled: Speaking, voice: str) -> None:
        self.needs("verify")
        verdicts = {name: enrolled.verify(name, recording(voice, 4)) for name in [SUSAN, KEN]}
        assert verdicts == {name: Told(DONE, name == voice) for name in [SUSAN, KEN]}

    def test_nobody_is_accepted_as_an_unknown_speaker(self, enrolled: Speaking) -> None:
        self.needs("verify")
        assert enrolled.verify("nobody", recording(SUSAN, 4)).outcome == NOT_FOUND

    def test_the_right_speaker_comes_first_also_where_an_earlier_model_gives_a_stranger_a_higher_cosine(
        self, us: Speaking, acme: Tenant, tiny: str
    ) -> None:
        self.needs("identify")
        assert us.enroll(STRANGER, *self.utterances(STRANGER)).done
        Tenant.objects.filter(pk=acme.pk).update(other_models=[tiny])
        assert us.enroll(SUSAN, *self.utterances(SUSAN)).done
        Tenant.objects.filter(pk=acme.pk).update(
            model=tiny, other_models=[BUNDLED_MODEL], fallback_model=BUNDLED_MODEL, previous_model=BUNDLED_MODEL
        )
        blur_voiceprint(acme, tiny)
        assert us.best(recording(SUSAN, 4)) == Told(DONE, SUSAN)

    def test_nobody_is_recognised_in_an_empty_library(self, us: Speaking) -> None:
        self.needs("identify")
        assert us.best(recording(SUSAN)).value is None

    def test_the_enrolled_are_listed(self, enrolled: Speaking) -> None:
        self.needs("list")
        assert sorted(enrolled.listed().value) == sorted([SUSAN, KEN])

    def test_the_enrolled_are_counted(self, enrolled: Speaking) -> None:
        self.needs("list")
        assert enrolled.counted() == Told(DONE, 2)

    def test_a_deleted_speaker_is_gone(self, enrolled: Speaking) -> None:
        self.needs("delete")
        assert enrolled.delete(SUSAN).done
        assert enrolled.listed() == Told(DONE, [KEN])
        assert self.recognised(enrolled, SUSAN).value in {None, KEN}

    def test_an_unknown_speaker_cannot_be_deleted(self, enrolled: Speaking) -> None:
        self.needs("delete")
        assert enrolled.delete("nobody").outcome == NOT_FOUND

    def test_enrolling_twice(self, enrolled: Speaking) -> None:
        assert enrolled.enroll(SUSAN, *self.utterances(SUSAN)).outcome == self.enrolling_twice

    def test_where_a_tenant_wants_it_a_voice_that_disagrees_with_the_earlier_ones_is_refused(
        self, us: Speaking, acme: Tenant
    ) -> None:
        self.needs("disagreement")
        acme.consistency = Consistency.REFUSE
        acme.save()
        assert not self.contradict(us).done
        with acting_as(acme):
            kept = Utterance.all_tenants.count()
        assert kept == self.kept_of_a_contradiction

    @pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
    def test_unusable_audio_enrolls_nobody(self, us: Speaking, content: bytes, recordings_folder: Any) -> None:
        assert us.enroll(SUSAN, *[content] * self.utterances_to_enroll).outcome == UNUSABLE_AUDIO
        assert not [path for path in recordings_folder.rglob("*") if path.is_file()]
        if "list" not in self.lacks:
            assert us.listed().value == []

    @pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
    def test_unusable_audio_is_nobody(self, enrolled: Speaking, content: bytes) -> None:
        found = enrolled.best(content) if "verify" in self.lacks else enrolled.verify(SUSAN, content)
        assert found.outcome == UNUSABLE_AUDIO

    def test_hostile_files_are_refused_or_read_and_never_fatal(self, us: Speaking) -> None:
        for number, content in enumerate(hostile()):
            told = us.enroll(f"hostile{number}", *[content] * self.utterances_to_enroll)
            assert told.outcome in {DONE, UNUSABLE_AUDIO}

    def test_a_bad_signature_is_refused(self, enrolled: Speaking) -> None:
        assert enrolled.badly_signed().outcome == REFUSED

    def test_a_signature_of_long_ago_is_refused(self, enrolled: Speaking) -> None:
        self.needs("dates")
        assert enrolled.outdated().outcome == REFUSED

    @pytest.mark.usefixtures("enrolled")
    def test_another_tenant_finds_nobody_of_ours(self, them: Speaking) -> None:
        self.needs("identify", "list")
        assert them.best(recording(SUSAN, 4)).value is None
        assert them.listed().value == []
        assert them.counted().value == 0

    @pytest.mark.usefixtures("enrolled")
    def test_another_tenant_cannot_verify_against_ours(self, them: Speaking) -> None:
        self.needs("verify")
        assert them.verify(SUSAN, recording(SUSAN, 4)).outcome == NOT_FOUND

    def test_another_tenant_cannot_delete_ours(self, enrolled: Speaking, them: Speaking) -> None:
        self.needs("delete")
        assert them.delete(SUSAN).outcome == NOT_FOUND
        assert enrolled.counted() == Told(DONE, 2)

    def test_enrollments_are_counted(self, enrolled: Speaking, acme: Tenant) -> None:
        assert ("enroll", "ok", "") in counted(acme)

    def test_it_is_counted_who_was_accepted(self, enrolled: Speaking, acme: Tenant) -> None:
        self.needs("verify", "verdicts")
        for name, voice in [(SUSAN, SUSAN), (SUSAN, KEN), ("nobody", SUSAN)]:
            enrolled.verify(name, recording(voice, 4))
        outcomes = {("accepted", ""), ("rejected", ""), ("refused", "SpeakerNotFound")}
        assert {("verify", *outcome) for outcome in outcomes} <= counted(acme)

    def test_it_is_counted_who_was_identified(self, enrolled: Speaking, acme: Tenant) -> None:
        self.needs("identify", "verdicts")
        enrolled.best(recording(SUSAN, 4))
        enrolled.best(TOO_SHORT)
        assert {("identify", "accepted", ""), ("identify", "refused", "TooShort")} <= counted(acme)

    def test_our_failures_are_counted_as_such(
        self, enrolled: Speaking, acme: Tenant, measuring_fails: Callable[[Exception], None]
    ) -> None:
        measuring_fails(ZeroDivisionError("a bug"))
        self.recognised(enrolled, SUSAN)
        assert ("failed", "ZeroDivisionError") in {(outcome, reason) for _, outcome, reason in counted(acme)}

    def test_an_unforeseen_failure_is_logged_with_its_traceback(
        self, enrolled: Speaking, measuring_fails: Callable[[Exception], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        measuring_fails(ZeroDivisionError("a bug"))
        assert not self.recognised(enrolled, SUSAN).done
        (record,) = [record for record in caplog.records if (record.name, record.levelname) == ("openvpr.api", "ERROR")]
        assert record.exc_info
        assert record.exc_info[0] is ZeroDivisionError

    def test_beyond_its_requests_per_minute_a_tenant_is_told_to_wait(self, enrolled: Speaking, acme: Tenant) -> None:
        Tenant.objects.filter(pk=acme.pk).update(requests_per_minute=1)
        outcomes = [self.recognised(enrolled, SUSAN).outcome for _ in range(3)]
        assert UNAVAILABLE in outcomes

    def test_beyond_its_requests_per_day_a_tenant_is_refused_and_no_other(
        self, enrolled: Speaking, them: Speaking, acme: Tenant
    ) -> None:
        rates._connection().flushall()
        Tenant.objects.filter(pk=acme.pk).update(requests_per_day=1)
        assert [self.recognised(enrolled, SUSAN).outcome for _ in range(3)][-1] == UNAVAILABLE
        assert them.enroll(SUSAN, *self.utterances(SUSAN)).done

    def test_beyond_its_speakers_a_tenant_enrolls_nobody_else(self, us: Speaking, them: Speaking, acme: Tenant) -> None:
        Tenant.objects.filter(pk=acme.pk).update(max_speakers=1)
        assert us.enroll(SUSAN, *self.utterances(SUSAN)).done
        assert us.enroll(KEN, *self.utterances(KEN)).outcome == UNAVAILABLE
        assert self.recognised(us, SUSAN).done
        assert them.enroll(KEN, *self.utterances(KEN)).done
        with acting_as(acme):
            assert acme.speakers.without_probes().count() == 1

    def test_a_tenant_without_room_enrolls_nobody(self, us: Speaking, acme: Tenant, recordings_folder: Any) -> None:
        Tenant.objects.filter(pk=acme.pk).update(max_storage_bytes=1000)
        assert us.enroll(SUSAN, *self.utterances(SUSAN)).outcome == UNAVAILABLE
        assert not [path for path in recordings_folder.rglob("*") if path.is_file()]

    def test_a_tenant_that_wants_consent_enrolls_nobody_without(
        self, us: Speaking, acme: Tenant, recordings_folder: Any
    ) -> None:
        set_rules(acme, required=True, elsewhere=[])
        assert not us.enroll(SUSAN, *self.utterances(SUSAN)).done
        with acting_as(acme):
            assert not acme.speakers.exists()
        assert not [path for path in recordings_folder.rglob("*") if path.is_file()]

    def test_consent_may_be_taken_elsewhere(self, us: Speaking, acme: Tenant) -> None:
        set_rules(acme, required=True, elsewhere=settings.DIALECTS)
        assert us.enroll(SUSAN, *self.utterances(SUSAN)).done

    def test_nobody_is_enrolled_under_a_name_that_opted_out(self, us: Speaking, acme: Tenant) -> None:
        """A vendor that makes the names itself never makes one twice."""
        assert us.enroll(SUSAN, *self.utterances(SUSAN)).done
        with acting_as(acme):
            (name,) = acme.speakers.values_list("external_id", flat=True)
        opt_out(acme, name)
        told = us.enroll(SUSAN, *self.utterances(SUSAN))
        with acting_as(acme):
            names = list(acme.speakers.values_list("external_id", flat=True))
        assert name not in names
        assert told.done == bool(names)

    def test_the_audit_trail_tells_who_enrolled_whom_and_from_where(self, enrolled: Speaking, acme: Tenant) -> None:
        with acting_as(acme):
            told = list(AuditEvent.all_tenants.filter(object_kind="speaker"))
        assert len(told) >= 2
        assert {event.actor_kind for event in told} <= {"credential", "token"}
        assert {event.interface for event in told} <= {*settings.DIALECTS}
        assert all(event.actor_number and event.address and event.request_id for event in told)

    def test_nothing_secret_and_nothing_biometric_is_logged_or_traced(
        self, traced: Any, us: Speaking, acme: Tenant, acme_credential: Credential, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with secrets_sent() as sent:
            us.enroll(SUSAN, *self.utterances(SUSAN))
            self.recognised(us, SUSAN)
            us.badly_signed()
            us.enroll(KEN, *[TOO_SHORT] * self.utterances_to_enroll)
        with acting_as(acme):
            cosines = [f"{number:.6f}" for one in acme.voiceprints.all() for number in one.embedding[:20]]
        lines = "\n".join(JsonLines().format(record) for record in caplog.records)
        assert '"milliseconds"' in lines
        spans = "\n".join(span.to_json() for span in traced())
        assert '"openvpr.milliseconds"' in spans
        # The patterns of addresses are ours.
        routes = " ".join(str((span.attributes or {}).get("http.route")) for span in traced())
        secrets = {*sent, acme_credential.secret, *cosines}
        said = [secret for secret in secrets if secret in lines or (secret in spans and secret not in routes)]
        assert said == []

    def test_a_line_of_the_log_tells_who_asked_what_and_how_it_ended(
        self, enrolled: Speaking, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        self.recognised(enrolled, SUSAN)
        lines = [json.loads(JsonLines().format(one)) for one in caplog.records if one.name == "openvpr.api"]
        assert lines
        for line in lines:
            assert (line["tenant"], line["level"]) == ("acme", "INFO")
            assert line["interface"] in settings.DIALECTS
            assert line["result"] in {"ok", "accepted"}
            assert line["request_id"]
            assert line["milliseconds"] >= 0

    def test_a_tenant_that_is_not_active_is_refused(self, enrolled: Speaking, acme: Tenant) -> None:
        Tenant.objects.filter(pk=acme.pk).update(active=False)
        assert self.recognised(enrolled, SUSAN).outcome == REFUSED

    def test_a_tenant_that_uses_other_dialects_is_refused(self, enrolled: Speaking, acme: Tenant) -> None:
        Tenant.objects.filter(pk=acme.pk).update(dialects=["another"])
        assert self.recognised(enrolled, SUSAN).outcome == REFUSED


@contextmanager
def secrets_sent() -> Iterator[set[str]]:
    """Whatever of the requests made in here could be a secret, a signature, or sound in base64."""
    sent: set[str] = set()

    def note(environ: dict[str, Any], **_: Any) -> None:
        texts = [environ["PATH_INFO"], environ["QUERY_STRING"], environ.get("HTTP_AUTHORIZATION", "")]
        sent.update(word for text in texts for word in re.findall(r"[A-Za-z0-9+/=_-]{16,}", unquote(text)))
        sent.update(part for word in list(sent) for part in word.split("/") if len(part) >= 16)

    request_started.connect(note)
    try:
        yield sent
    finally:
        request_started.disconnect(note)


def counted(tenant: Tenant) -> set[tuple[str, str, str]]:
    """(operation, outcome, reason) of what the tenant asked for since anybody looked, each with its time."""
    taken = metering.METER.taken()
    assert {use.tenant_id for use in taken} == {tenant.pk}
    assert all(tally.count == sum(tally.latency) for tally in taken.values())
    return {(use.operation, use.outcome, use.reason) for use in taken}


def blur_voiceprint(tenant: Tenant, model: str) -> None:
    """So that own recordings come to about 0.6 of what they did, which a model of well separated voices accepts."""
    with acting_as(tenant):
        voiceprint = tenant.voiceprints.get(model=model)
        said = np.asarray(voiceprint.embedding)
        another = np.random.default_rng(1).standard_normal(len(said))
        across = another - (another @ said) * said
        voiceprint.embedding = 0.65 * said + np.sqrt(1 - 0.65**2) * across / np.linalg.norm(across)
        voiceprint.save()


class Outages(Promises):
    """Whatever of ours is down, the client is told so in time, nothing is half-done, and it works again afterwards.

    These need real commits: mark the subclass with `django_db(transaction=True)`.
    """

    def test_over_capacity(self, enrolled: Speaking, acme: Tenant) -> None:
        Tenant.objects.filter(pk=acme.pk).update(max_concurrent_analyses=1)
        acme.refresh_from_db()
        with through_the_queue(), jobs._admitted(acme, "another", 1):
            assert self.recognised(enrolled, SUSAN).outcome == UNAVAILABLE

    def test_workers_down(self, enrolled: Speaking, settings: Any) -> None:
        settings.ANALYSIS_DEADLINE_SECONDS = 0.5
        with through_the_queue():
            assert self.recognised(enrolled, SUSAN).outcome == UNAVAILABLE

    def test_redis_down(self, enrolled: Speaking) -> None:
        with through_the_queue(), REDIS.down():
            assert self.recognised(enrolled, SUSAN).outcome == UNAVAILABLE
        assert self.recognised(enrolled, SUSAN).done

    def test_model_gone(self, enrolled: Speaking, acme: Tenant, tiny: str, caplog: Any) -> None:
        """Trying again mends nothing, so the log says in one line what does."""
        generations.begin(acme, tiny)
        generations.switch(acme, tiny)
        installed.store().remove(tiny)
        assert self.recognised(enrolled, SUSAN).outcome == UNAVAILABLE
        mends = "`manage.py models fetch tiny` installs it"
        of_the_worker, of_the_edge = [one for one in caplog.records if one.levelno > logging.WARNING]
        assert mends in of_the_worker.getMessage()
        assert mends in of_the_edge.getMessage()
        assert not of_the_worker.exc_info
        assert not of_the_edge.exc_info
        generations.roll_back(acme)
        assert self.recognised(enrolled, SUSAN).done

    def test_redis_down_for_a_tenant_whose_requests_are_counted(self, enrolled: Speaking, acme: Tenant) -> None:
        Tenant.objects.filter(pk=acme.pk).update(requests_per_second=1000)
        with REDIS.down():
            assert self.recognised(enrolled, SUSAN).outcome == UNAVAILABLE
        assert self.recognised(enrolled, SUSAN).done

    def test_database_down(self, enrolled: Speaking) -> None:
        with POSTGRES.down():
            assert self.recognised(enrolled, SUSAN).outcome == UNAVAILABLE
        connection.close()
        assert self.recognised(enrolled, SUSAN).done

    def test_database_frozen(self, enrolled: Speaking, monkeypatch: Any) -> None:
        monkeypatch.setattr(WatchedConnection, "watched", True)
        monkeypatch.setattr(watching, "ASKED_AFTER_SECONDS", 0.1)
        monkeypatch.setattr(watching, "ANSWERS_WITHIN_SECONDS", 0.1)
        connection.close()
        connection.ensure_connection()
        with POSTGRES.frozen():
            assert self.recognised(enrolled, SUSAN).outcome == UNAVAILABLE
        connection.close()
        assert self.recognised(enrolled, SUSAN).done


@cache
def hostile() -> list[bytes]:
    """Every hostile file that lies beside the project and is not empty, or else some lies of our own."""
    files = [shared(row["file"]).read_bytes() for row in expectations("hostile")]
    return [content for content in files if content] or [
        b"RIFF" + bytes(60),
        b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f",
        b"ID3\x04" + bytes(5000),
    ]
