"""manage.py cleanup: what the schedule would do, now and by hand."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from config.embedded import as_superuser
from tenants.locks import alone
from tenants.models import CleanupRun
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import services

pytestmark = pytest.mark.django_db(transaction=True)


def said(capsys, *words):
    call_command("cleanup", *words)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_clean_up_is_run_and_told_of(acme, recordings_folder, monkeypatch, capsys):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    with monkeypatch.context() as patched:
        patched.setattr("voiceprints.recordings.remove_file", lambda path: False)
        patched.setattr("voiceprints.recordings.TRIED_AGAIN_AFTER", timedelta(seconds=-1))
        services.delete_speakers(acme, acme.libraries.all(), [SUSAN])
    assert list(recordings_folder.rglob("*.flac"))
    (told,) = said(capsys, "run", "sweep-recordings")
    assert not list(recordings_folder.rglob("*.flac"))
    assert (told["last"]["removed"], told["last"]["problem"]) == ({"files": 1}, "")
    assert CleanupRun.objects.get().job == "files"


def test_each_task_of_the_schedule_is_listed_and_can_be_run(acme, capsys):
    assert [one["name"] for one in said(capsys, "list")] == list(settings.CELERY_BEAT_SCHEDULE)
    for name in settings.CELERY_BEAT_SCHEDULE:
        said(capsys, "run", name)
    last = {one["name"]: one["last"] for one in said(capsys, "list")}
    assert last["check-trail"]["finished"]


def test_one_that_fails_is_said_to(acme, monkeypatch):
    def fail(*_):
        raise OSError("no such disk")

    monkeypatch.setattr("voiceprints.strays.sweep", fail)
    with pytest.raises(CommandError, match="sweep-storage failed: OSError: no such disk"):
        call_command("cleanup", "run", "sweep-storage")
    assert CleanupRun.objects.get().problem == "OSError"


def test_a_broken_chain_is_named_with_the_place(acme, globex, capsys):
    with as_superuser(connection.settings_dict["NAME"]) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM tenants_auditevent WHERE tenant_id = %s AND number = 1", [globex.pk])
    with pytest.raises(CommandError, match=r"check-trail failed: TrailBroken: .*\nglobex: event 1: missing"):
        call_command("cleanup", "run", "check-trail")
    last = {one["name"]: one["last"] for one in said(capsys, "list")}["check-trail"]
    (found,) = last["found"]
    assert (last["problem"], found["chain"], found["number"]) == ("TrailBroken", "globex", 1)
    assert found["said"].startswith("missing")


def test_one_that_runs_already_is_not_run_beside(acme):
    def run():
        with pytest.raises(CommandError, match="sweep-jobs runs already"):
            call_command("cleanup", "run", "sweep-jobs")
        refused.append(True)
        connection.close()

    refused = []
    with alone("clean-up jobs"):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert refused
