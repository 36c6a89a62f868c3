"""What Prometheus is told."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from config.beat import Scheduler
from config.celery import app
from config.health import READINESS
from config.metrics import NOW
from tenants import metrics
from tenants.cleaning import keep_up
from tenants.context import acting_as, acting_as_platform
from tenants.models import CleanupRun, Operation
from tenants.punctuality import TOLD, cleanups
from tenants.tasks import sweep_sign_ins
from tests.api.abcpen.client import Abcpen
from tests.api.native.client import Native
from tests.cast import KEN, LIBRARY, SUSAN, audio, recording
from tests.servers import POSTGRES, REDIS
from voiceprints import backups, heartbeats, jobs, services
from voiceprints.encrypted_files import key_of_text, new_key
from voiceprints.errors import SpeakerNotFound
from voiceprints.models import DoomedRecording, Erasure, Job, StorageFinding

pytestmark = pytest.mark.django_db(transaction=True)

MONITORING = settings.BASE_DIR / "docs" / "monitoring"
COUNT = """
import sys
from pathlib import Path
from tenants import metrics
from tenants.context import acting_as
metrics.share(Path(sys.argv[1]), sys.argv[2])
for _ in range(int(sys.argv[3])):
    metrics.count_request("native", "verify", result="ok", reason="", seconds=0.1)
"""

COUNT_EVERYTHING = """
import sys
from pathlib import Path
from tenants import metrics
metrics.share(Path(sys.argv[1]), "web-0")
for number in range(12):
    for operation in sys.argv[2:]:
        for result in ("ok", "accepted", "rejected", "refused", "failed"):
            metrics.count_request(f"interface-{number}", operation, result=result, reason="Refused", seconds=1)
"""
COUNT_ON_A_FULL_DISK = """
import sys
from pathlib import Path
from tenants import metrics
folder = Path(sys.argv[1])
metrics.share(folder, "web-0")
try:
    with Path(folder, "full").open("wb", buffering=0) as content:
        while content.write(bytes(4096)):
            pass
except OSError:
    pass
for number in range(500):
    metrics.count_request("native", f"operation-{number}", result="ok", reason="", seconds=0.1)
"""
COUNT_WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from prometheus_client import generate_latest
from tenants import metrics
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
metrics.share(Path(sys.argv[1]), "web-0")
metrics.count_request("native", "verify", result="ok", reason="", seconds=0.1)
print(*(generate_latest(collector).decode() for collector in metrics.counted()))
"""


@pytest.fixture(autouse=True)
def counted_from_zero():
    for metric in (metrics.REQUESTS, metrics.REFUSALS, metrics.REQUEST_SECONDS):
        metric.clear()
    NOW.forget()
    READINESS.forget()


@pytest.fixture
def scheduled():
    Scheduler(app=app, lazy=False)


@contextmanager
def brought_up_to_date_now():
    """Whatever the age of the database of the tests; undone in the end."""
    with transaction.atomic():
        MigrationRecorder.Migration.objects.update(applied=timezone.now())
        yield
        transaction.set_rollback(True)


@contextmanager
def storage_failing(monkeypatch):
    def fail(storage, name):
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(FileSystemStorage, "delete", fail)
        yield


def samples(client, **headers):
    """By name and labels."""
    NOW.forget()
    reply = client.get("/metrics", headers=headers)
    assert reply.status_code == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(reply.content.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_interface_operation_and_result(client, acme, acme_credential):
    native, abcpen = Native(client, acme), Abcpen(client, acme_credential)
    native.enroll(SUSAN, recording(SUSAN))
    native.post("verify", {"org_id": "acme", "tag_id": "staff", "external_id": "nobody", "audio": "AAAA"})
    abcpen.get("count", org_id="acme")
    native.get("speakers", headers={"Authorization": "Bearer wrong"})
    found = samples(client)
    assert found["openvpr_requests_total", "enroll", "native", "ok"] == 1
    assert found["openvpr_requests_total", "abcpen", "ok", "read"] == 1
    assert found["openvpr_requests_total", "native", "read", "refused"] == 1
    assert found["openvpr_refusals_total", "UnusableToken"] == 1
    assert found["openvpr_request_seconds_count", "enroll", "native"] == 1
    assert found["openvpr_request_seconds_bucket", "+Inf", "enroll", "native"] == 1


def test_scores_are_counted_by_model(client, acme):
    before = samples(client)
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    score = services.verify(acme, acme.libraries.all(), SUSAN, audio(SUSAN, 2)).score
    best = services.identify(acme, acme.libraries.all(), audio(SUSAN, 3)).candidates[0].score
    services.compare(acme, audio(SUSAN), audio(KEN))
    found = samples(client)

    def added(*name):
        return found[name] - before.get(name, 0)

    assert added("openvpr_score_sum", "ge2e", "verify") == pytest.approx(score)
    assert added("openvpr_score_sum", "ge2e", "identify") == pytest.approx(best)
    assert added("openvpr_score_count", "compare", "ge2e") == 1


def test_it_is_counted_how_measuring_ended(client, acme, monkeypatch):
    before = samples(client)
    services.hear(acme, audio(SUSAN))
    with pytest.raises(SpeakerNotFound):
        services.verify(acme, acme.libraries.all(), "nobody", audio(SUSAN))
    found = samples(client)
    name = "openvpr_analysis_seconds_count"
    assert found[name, "embed", "measured"] - before.get((name, "embed", "measured"), 0) == 1
    assert found[name, "embed", "given up"] - before.get((name, "embed", "given up"), 0) == 1


def test_what_there_is_now_is_told(client, acme):
    jobs.connection().flushall()
    heartbeats.say("embed")
    with acting_as(acme):
        acme.jobs.create(kind=Job.Kind.EXPORT)
    CleanupRun.objects.create(job="probes", finished="2026-01-01T00:00Z", counts={"probes": 7})
    with jobs._admitted(acme, "another", 1):
        found = samples(client)
    assert found["openvpr_part_up", "database"] == 1
    assert found["openvpr_queue_messages", "embed"] == 0
    assert found["openvpr_recordings_in_flight", "embed"] == 1
    assert 0 <= found["openvpr_recordings_oldest_seconds", "embed"] <= 5
    assert found["openvpr_processes_alive", "embed"] == 1
    assert found["openvpr_cleanup_removed", "probes", "probes"] == 7
    assert found["openvpr_tenants_near_quota",] == 0
    assert found["openvpr_jobs", "export", "queued"] == 1
    assert 0 <= found["openvpr_jobs_oldest_queued_seconds",] <= 60


def test_what_must_not_be_missed_is_told(client, acme, recordings_folder, monkeypatch):
    found = samples(client)
    assert found["openvpr_backup_timestamp_seconds",] == 0
    assert found["openvpr_deletion_waits_seconds", "file"] == found["openvpr_deletion_waits_seconds", "erasure"] == 0
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 3)])
    with acting_as(acme):
        lost = str(acme.utterances.earliest("pk").recording)
    (recordings_folder / lost).unlink()
    backups.back_up(io.BytesIO(), key_of_text(new_key()), lambda done, total: None)
    with storage_failing(monkeypatch):
        services.delete_speakers(acme, acme.libraries.all(), [SUSAN])
        begun = timezone.now() - timedelta(hours=7)
        with acting_as_platform():
            DoomedRecording.all_tenants.update(not_before=begun)
            Erasure.all_tenants.create(tenant_id=acme.pk, kind="person", salt="", digest="", state="removing")
            Erasure.all_tenants.update(created=begun)
    with acting_as_platform():
        StorageFinding.objects.create(kind="lost", path=lost, found=timezone.now(), seen=timezone.now())
    found = samples(client)
    assert found["openvpr_backup_timestamp_seconds",] == pytest.approx(timezone.now().timestamp(), abs=60)
    assert found["openvpr_backup_missing_recordings",] == 1
    assert found["openvpr_backup_recordings_bytes",] > 1000
    assert found["openvpr_deletion_waits_seconds", "file"] == pytest.approx(7 * 3600, abs=60)
    assert found["openvpr_deletion_waits_seconds", "erasure"] == pytest.approx(7 * 3600, abs=60)
    assert found["openvpr_deletion_waits_seconds", "tenant"] == 0
    assert found["openvpr_storage_findings", "lost"] == 1
    assert 0 < found["openvpr_disk_free_bytes", "home"] <= found["openvpr_disk_bytes", "home"]


def test_a_clean_up_that_does_not_succeed_is_overdue_by_its_schedule(client, scheduled):
    """Switched off, or dying each time: a run without an end is none."""
    PeriodicTask.objects.filter(name="sweep-jobs").update(enabled=False)
    long_ago = timezone.now() - timedelta(days=3)
    for job in ("jobs", "audit", "storage", "files"):
        CleanupRun.objects.create(job=job, started=long_ago, finished=long_ago)
    for problem, finished in (("OSError", timezone.now()), ("", None)):
        CleanupRun.objects.create(job="audit", finished=finished, problem=problem)
    CleanupRun.objects.create(job="files", finished=timezone.now())
    with brought_up_to_date_now():
        found = samples(client)
    assert found["openvpr_cleanup_overdue_seconds", "jobs"] == pytest.approx(3 * 86400 - 60, abs=60)
    assert 86400 < found["openvpr_cleanup_overdue_seconds", "audit"] <= 3 * 86400
    assert found["openvpr_cleanup_overdue_seconds", "files"] == 0
    assert found["openvpr_cleanup_last_success_timestamp_seconds", "audit"] == pytest.approx(long_ago.timestamp())
    assert found["openvpr_cleanup_overdue_seconds", "probes"] == 0, "none was due since the platform was installed"


def test_each_task_of_the_schedule_tells_when_it_last_succeeded_and_how_late_it_is(client, scheduled, acme):
    for name in settings.CELERY_BEAT_SCHEDULE:
        call_command("cleanup", "run", name)
    CleanupRun.objects.update(started=timezone.now() - timedelta(days=30), finished=timezone.now() - timedelta(days=30))
    found = samples(client)
    assert set(TOLD) == set(settings.CELERY_BEAT_SCHEDULE)
    for job in TOLD.values():
        assert found["openvpr_cleanup_last_success_timestamp_seconds", str(job)] < timezone.now().timestamp()
        assert found["openvpr_cleanup_overdue_seconds", str(job)] > 20 * 86400


def test_of_what_runs_all_the_time_the_last_success_and_the_last_failure_are_told(client, scheduled):
    for _ in range(3):
        keep_up("seals", lambda: None)
        with pytest.raises(ZeroDivisionError):
            keep_up("seals", lambda: 1 / 0)
    assert CleanupRun.objects.count() == 2
    rows = set(CleanupRun.objects.values_list("pk", flat=True))
    keep_up("seals", lambda: None)
    assert set(CleanupRun.objects.values_list("pk", flat=True)) == rows
    with pytest.raises(ZeroDivisionError):
        keep_up("seals", lambda: 1 / 0)
    found = samples(client)
    assert found["openvpr_cleanup_failed", "seals"] == 1
    assert found["openvpr_cleanup_last_success_timestamp_seconds", "seals"] > 0
    keep_up("seals", lambda: None)
    assert samples(client)["openvpr_cleanup_failed", "seals"] == 0


def test_nothing_is_late_that_was_not_due_since_the_platform_was_brought_up_to_date(scheduled):
    with brought_up_to_date_now():
        first = MigrationRecorder.Migration.objects.order_by("pk").first()
        MigrationRecorder.Migration.objects.filter(pk=first.pk).update(applied=timezone.now() - timedelta(days=365))
        assert [cleanup.job for cleanup in cleanups() if cleanup.is_overdue] == []


def test_a_task_that_was_killed_each_time_is_late_however_new_the_last_migration_is(scheduled):
    for days in (3, 2, 1):
        CleanupRun.objects.create(job="files", started=timezone.now() - timedelta(days=days))
    with brought_up_to_date_now():
        assert [cleanup.job for cleanup in cleanups() if cleanup.is_overdue] == ["files"]


def test_what_fails_all_the_time_is_late_however_often_it_was_tried(scheduled):
    with transaction.atomic():
        MigrationRecorder.Migration.objects.update(applied=timezone.now() - timedelta(days=3))
        with pytest.raises(ZeroDivisionError):
            keep_up("seals", lambda: 1 / 0)
        assert next(cleanup for cleanup in cleanups() if cleanup.job == "seals").late > timedelta(days=2)
        transaction.set_rollback(True)


def test_a_rare_task_is_not_late_because_its_last_success_was_long_ago(scheduled, settings):
    settings.CLEANUPS_KEPT_DAYS = 1
    last, before = (timezone.now() - timedelta(days=days) for days in (6, 13))
    for ended in (before, last):
        CleanupRun.objects.create(job="storage", started=ended, finished=ended, counts={"strays": 1})
    CleanupRun.objects.create(job="storage", started=last, finished=last, problem="OSError")
    sweep_sign_ins()
    (kept,) = CleanupRun.objects.filter(job="storage")
    assert (kept.finished, kept.problem) == (last, "")


@pytest.mark.parametrize("server", [REDIS, POSTGRES], ids=["redis", "postgres"])
def test_what_is_away_is_left_out_and_the_rest_told(client, server):
    with server.down():
        READINESS.forget()
        found = samples(client)
    assert found["openvpr_part_up", "redis" if server is REDIS else "database"] == 0
    assert (("openvpr_queue_messages", "embed") in found) is (server is POSTGRES)
    assert (("openvpr_tenants_near_quota",) in found) is (server is REDIS)


def test_no_tenant_is_named(client, acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    Native(client, acme).get("speakers")
    said = client.get("/metrics").content.decode()
    assert not {"acme", SUSAN, "staff"} & set(re.findall(r"[a-z]+", said))


def test_with_a_token_it_is_told_to_whoever_has_it(client, settings):
    settings.METRICS_TOKEN = "such-a-token"
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 404
    assert (
        client.get("/metrics", headers={"Authorization": "Bearer such-a-token"}, REMOTE_ADDR="192.0.2.1").status_code
        == 200
    )


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.7", "2001:db8::1", ""])
def test_without_a_token_it_is_told_to_this_machine_alone(client, address):
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 404
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"])
def test_a_proxy_on_this_machine_is_not_this_machine(client, header):
    assert client.get("/metrics", headers={header: "192.0.2.1"}).status_code == 404


def test_processes_count_together_and_whoever_comes_in_anothers_place_goes_on(client, tmp_path, monkeypatch):
    folder = tmp_path / "metrics"
    monkeypatch.setenv(metrics.FOLDER_VARIABLE, str(folder))
    for name, times in [("web-0", 3), ("web-1", 4), ("web-0", 5)]:
        subprocess.run([sys.executable, "-c", COUNT, str(folder), name, str(times)], check=True, cwd=settings.BASE_DIR)
    assert samples(client)["openvpr_requests_total", "native", "ok", "verify"] == 12
    assert {file.name for file in folder.iterdir()} == {
        f"{kind}_web-{place}.db" for kind in ("counter", "histogram") for place in (0, 1)
    }
    metrics.forget(folder, "web-*")
    assert not list(folder.iterdir())
    assert values.ValueClass is values.MutexValue


def test_what_is_counted_needs_no_room_on_the_disk_that_was_not_taken_before(tmp_path):
    command = [sys.executable, "-c", COUNT_EVERYTHING, str(tmp_path), *Operation.values]
    subprocess.run(command, check=True, cwd=settings.BASE_DIR)
    sizes = [(file.stat().st_size, 512 * file.stat().st_blocks) for file in tmp_path.iterdir()]
    assert [size for size, _ in sizes] == [metrics.SHARED_BYTES] * 2
    assert all(taken >= size for size, taken in sizes)


def test_whoever_counts_on_a_full_disk_is_not_killed(client, tmp_path, monkeypatch):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("nobody may mount a file system here")
    try:
        command = [sys.executable, "-c", COUNT_ON_A_FULL_DISK, str(tmp_path)]
        subprocess.run(command, check=True, cwd=settings.BASE_DIR)
        monkeypatch.setenv(metrics.FOLDER_VARIABLE, str(tmp_path))
        assert samples(client)["openvpr_requests_total", "native", "ok", "operation-499"] == 1
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_process_for_which_there_is_no_room_counts_alone(tmp_path):
    said = subprocess.run(
        [sys.executable, "-c", COUNT_WITHOUT_ROOM, str(tmp_path)],
        check=True,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    ).stdout
    assert 'openvpr_requests_total{interface="native",operation="verify",result="ok"} 1.0' in said
    assert not list(tmp_path.iterdir()), "a file without content, which no other process can read"


def names_told(client):
    said = client.get("/metrics").content.decode()
    described = set(re.findall(r"^# TYPE (\S+) \S+$", said, re.MULTILINE))
    suffixes = ("", "_total", "_bucket", "_sum", "_count")
    return {name + suffix for name in described for suffix in suffixes}


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_the_rules_and_the_dashboard_ask_for_what_there_is(client, file):
    asked = set(re.findall(r"openvpr_[a-z_]+", (MONITORING / file).read_text()))
    assert asked
    assert asked <= names_told(client)


def test_every_panel_has_a_place_of_its_own():
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_the_rules_and_what_is_told(client):
    checked = subprocess.run(["promtool", "check", "rules", str(MONITORING / "alerts.yml")], capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    told = client.get("/metrics").content
    checked = subprocess.run(["promtool", "check", "metrics"], input=told, capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
