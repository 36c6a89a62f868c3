"""What a command or a job does is ascribed to it, and to whoever began it."""

from __future__ import annotations

import uuid

import pytest
from django.core.management import call_command, get_commands, load_command_class

from tenants import auditing
from tenants.context import acting_as
from tenants.management.base import AttributedCommand, account
from tenants.origins import ActorKind, Origin, coming_from, origin
from tests.cast import LIBRARY, SUSAN, audio
from tests.servers import through_the_queue
from voiceprints import bulk, services
from voiceprints.models import Job
from voiceprints.work import Run

OURS = ("tenants", "voiceprints", "api.")
CHANGES_NOTHING = {"demo", "usage", "abcpen_signature", "speakin_signature", "sample_wav", "migrate"}
SOMEBODY = Origin(ActorKind.TOKEN, 7, "robot", "native", "192.0.2.7", "request-1")


def newest(tenant):
    with acting_as(tenant):
        return auditing.events_of(tenant).latest("number")


@pytest.mark.django_db
def test_a_command_is_named_with_the_account_that_ran_it(acme, acme_credential):
    call_command("credential", "disable", "acme", acme_credential.key_id)
    event = newest(acme)
    assert (event.action, event.actor_kind, event.actor_name) == ("credential.disabled", "command", account())
    assert event.interface == "manage.py credential"


def test_every_command_that_changes_something_is_attributed():
    ours = {name: app for name, app in get_commands().items() if str(app).startswith(OURS)}
    found = {name for name, app in ours.items() if not isinstance(load_command_class(app, name), AttributedCommand)}
    assert found == CHANGES_NOTHING


@pytest.mark.django_db(transaction=True)
def test_what_a_job_did_is_told_of_whoever_submitted_it(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    with coming_from(SOMEBODY):
        job = bulk.begin_export(acme, LIBRARY)
    event = newest(acme)
    assert (event.action, event.outcome, event.job) == ("job.ended", "done", job.pk)
    assert (event.actor_kind, event.actor_name, event.address) == ("token", "robot", "192.0.2.7")


@pytest.mark.django_db(transaction=True)
def test_the_threads_of_a_job_know_who_submitted_it(acme):
    run, seen = Run(acme, Job(pk=1, tenant=acme), uuid.uuid4()), []
    with through_the_queue(), coming_from(SOMEBODY):
        run.each(range(3), lambda _: seen.append(origin()))
    assert seen == [SOMEBODY] * 3
