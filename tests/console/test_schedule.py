"""When the platform does what it does by itself, and what came of it: pages of platform staff."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from tenants import punctuality
from tenants.actions import Action
from tenants.cleaning import clean
from tenants.cleanup_admin import TASKS
from tenants.context import acting_as_platform
from tenants.models import AuditEvent, CleanupRun
from tenants.schedules import times_in_words

pytestmark = pytest.mark.django_db

LIST = "/console/django_celery_beat/periodictask/"
INTERVALS = "/console/django_celery_beat/intervalschedule/"
CRONTABS = "/console/django_celery_beat/crontabschedule/"
EVERY_NIGHT = {
    "minute": "5",
    "hour": "3",
    "day_of_week": "*",
    "day_of_month": "*",
    "month_of_year": "*",
    "timezone": settings.TIME_ZONE,
}


@pytest.fixture
def task():
    hourly = CrontabSchedule.objects.create(minute="7")
    return PeriodicTask.objects.create(name="expire-recordings", task="voiceprints.expire_recordings", crontab=hourly)


def address(task):
    return f"{LIST}{task.pk}/change/"


def test_staff_change_when_a_task_runs_and_the_trail_tells(client_of, task):
    daily = IntervalSchedule.objects.create(every=1, period="days")
    sent = {"enabled": "on", "interval": daily.pk, "crontab": ""}
    client_of("staff").post(address(task), sent, headers={"accept-language": "zh-CN"})
    task.refresh_from_db()
    assert (task.interval, task.crontab) == (daily, None)
    with acting_as_platform():
        told = AuditEvent.all_tenants.get(action=Action.SCHEDULE_CHANGED)
    assert (told.object_name, told.details["changes"]["when"][1]) == ("expire-recordings", "every day")


def test_every_task_of_the_platform_is_called_by_what_it_does(client_of, task):
    client = client_of("staff")
    assert set(TASKS) == set(settings.CELERY_BEAT_SCHEDULE)
    for page in (address(task), address(task).replace("change", "history"), LIST):
        said = client.get(page, headers={"accept-language": "zh-CN"}).content.decode()
        assert "删除到期的录音" in said
        assert "(m/h/dM/MY/d)" not in said


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (IntervalSchedule(every=3600, period="seconds"), "every hour"),
        (IntervalSchedule(every=300, period="seconds"), "every 5 minutes"),
        (IntervalSchedule(every=90, period="seconds"), "every 90 seconds"),
        (IntervalSchedule(every=2, period="days"), "every 2 days"),
        (CrontabSchedule(minute="7"), "every hour at minute 7"),
        (CrontabSchedule(minute="5", hour="3"), "every day at 03:05"),
        (CrontabSchedule(minute="37", hour="2", day_of_week="sunday"), "every Sunday at 02:37"),
        (CrontabSchedule(minute="37", hour="2", day_of_week="1"), "every Monday at 02:37"),
        (CrontabSchedule(minute="0", hour="8,20"), "0 8,20 * * *"),
        (CrontabSchedule(minute="0", hour="8", day_of_month="1"), "0 8 1 * *"),
        (CrontabSchedule(minute="7", timezone="Asia/Shanghai"), "every hour at minute 7 (Asia/Shanghai)"),
    ],
)
def test_times_are_told_in_words_as_far_as_there_are_short_ones(times, words):
    assert times_in_words(times) == words


def test_a_task_has_one_kind_of_schedule(client_of, task):
    daily = IntervalSchedule.objects.create(every=1, period="days")
    page = client_of("staff").post(address(task), {"enabled": "on", "interval": daily.pk, "crontab": task.crontab_id})
    assert "not both" in page.content.decode()
    page = page.client.post(address(task), {"enabled": "on", "interval": "", "crontab": ""})
    assert "Choose an interval or times of the day." in page.content.decode()
    assert "not both" not in page.content.decode()


@pytest.mark.parametrize(
    ("every", "period"), [(1, "microseconds"), (367, "days"), (99_999_999, "days"), (2_147_483_647, "days")]
)
def test_an_interval_is_neither_too_short_nor_too_long(every, period, client_of):
    page = client_of("staff").post(f"{INTERVALS}add/", {"every": every, "period": period})
    assert "An interval lasts from one second to a year." in page.content.decode()
    assert not IntervalSchedule.objects.exists()


@pytest.mark.parametrize(("every", "period"), [(1, "seconds"), (366, "days")])
def test_an_interval_may_be_short_and_long(every, period, client_of):
    client_of("staff").post(f"{INTERVALS}add/", {"every": every, "period": period})
    assert IntervalSchedule.objects.filter(every=every, period=period).exists()


@pytest.mark.parametrize(
    ("page", "sent", "kind", "said"),
    [
        (INTERVALS, {"every": 2, "period": "days"}, "interval", "every 2 days"),
        (CRONTABS, EVERY_NIGHT, "crontab", "every day at 03:05"),
    ],
)
def test_the_trail_tells_of_times_that_staff_add_to_choose_from(page, sent, kind, said, client_of):
    client = client_of("staff")
    client.post(f"{page}add/", sent, headers={"accept-language": "zh-CN"})
    with acting_as_platform():
        told = AuditEvent.all_tenants.get(action=Action.TIMES_ADDED)
    assert (told.object_kind, told.object_name, told.actor_name) == (kind, said, "root")
    assert "times to choose from added" in client.get(f"{page}{told.object_number}/history/").content.decode()


@pytest.mark.parametrize(("page", "sent"), [(INTERVALS, {"every": 0, "period": "days"}), (CRONTABS, {"minute": "61"})])
def test_times_that_are_refused_are_not_in_the_trail(page, sent, client_of):
    client_of("staff").post(f"{page}add/", sent)
    with acting_as_platform():
        assert not AuditEvent.all_tenants.filter(action=Action.TIMES_ADDED).exists()


@pytest.mark.parametrize(("model", "page"), [(IntervalSchedule, INTERVALS), (CrontabSchedule, CRONTABS)])
def test_times_to_choose_from_are_neither_changed_nor_removed(model, page, client_of):
    there = model.objects.create(**({"every": 2, "period": "days"} if model is IntervalSchedule else {"minute": "7"}))
    client = client_of("staff")
    for deed in ("change", "delete"):
        assert client.post(f"{page}{there.pk}/{deed}/", {"post": "yes", "every": 3, "minute": "8"}).status_code == 403
    assert model.objects.filter(pk=there.pk, **{"every": 2} if model is IntervalSchedule else {"minute": "7"}).exists()


@pytest.mark.parametrize(("day", "month", "comes"), [("31", "2", False), ("30", "2", False), ("29", "2", True)])
def test_a_day_that_never_comes_is_refused(day, month, comes, client_of):
    times = {"minute": "0", "hour": "0", "day_of_week": "*", "day_of_month": day, "month_of_year": month}
    page = client_of("staff").post(f"{CRONTABS}add/", times | {"timezone": "UTC"}, follow=True)
    assert ("There is no such day." in page.content.decode()) is not comes
    assert CrontabSchedule.objects.filter(day_of_month=day).exists() is comes


@pytest.mark.parametrize("every", [99_999_999, 2_147_483_647])
def test_a_task_that_never_comes_is_late_and_costs_no_page(every, client_of, task):
    task.interval, task.crontab = IntervalSchedule.objects.create(every=every, period="days"), None
    task.save()
    began = timezone.now() - timedelta(days=3)
    CleanupRun.objects.create(job=punctuality.TOLD[task.name], started=began)
    client = client_of("staff")
    assert client.get(address(task)).status_code == 200
    assert client.get("/console/").status_code == 200
    (found,) = [one for one in punctuality.cleanups() if one.job == punctuality.TOLD[task.name]]
    assert timedelta(days=3) <= found.late <= timezone.now() - began


@pytest.mark.parametrize(("every", "period"), [(1, "microseconds"), (99_999_999, "days"), (2_147_483_647, "days")])
def test_a_task_takes_no_interval_too_short_or_too_long_that_is_there_already(every, period, client_of, task):
    there = IntervalSchedule.objects.create(every=every, period=period)
    page = client_of("staff").post(address(task), {"enabled": "on", "interval": there.pk, "crontab": ""})
    assert "An interval lasts from one second to a year." in page.content.decode()
    task.refresh_from_db()
    assert task.interval is None


def test_a_task_takes_no_day_that_never_comes_and_is_there_already(client_of, task):
    there = CrontabSchedule.objects.create(minute="0", hour="0", day_of_month="31", month_of_year="2")
    page = client_of("staff").post(address(task), {"enabled": "on", "interval": "", "crontab": there.pk})
    assert "There is no such day." in page.content.decode()
    task.refresh_from_db()
    assert task.crontab != there


def test_a_day_that_never_comes_costs_no_page(client_of, task):
    task.crontab = CrontabSchedule.objects.create(minute="0", hour="0", day_of_month="31", month_of_year="2")
    task.save()
    CleanupRun.objects.create(job=punctuality.TOLD[task.name], started=timezone.now() - timedelta(days=3))
    assert client_of("staff").get("/console/").status_code == 200
    (found,) = [one for one in punctuality.cleanups() if one.job == punctuality.TOLD[task.name]]
    assert found.is_overdue


def test_what_a_task_does_cannot_be_changed(client_of, task):
    sent = {"enabled": "on", "crontab": task.crontab_id, "interval": "", "task": "evil", "name": "evil", "kwargs": "[]"}
    client_of("staff").post(address(task), sent)
    task.refresh_from_db()
    assert (task.name, task.task) == ("expire-recordings", "voiceprints.expire_recordings")


def test_a_task_is_switched_off_and_not_removed(client_of, task):
    client = client_of("staff")
    client.post(address(task), {"crontab": task.crontab_id, "interval": ""})
    assert client.post(address(task).replace("change", "delete"), {"post": "yes"}).status_code == 403
    task.refresh_from_db()
    assert not task.enabled


@pytest.mark.parametrize("who", ["owner", "operator", "auditor", "viewer", "globex"])
def test_nobody_else_sees_or_changes_the_schedule(client_of, task, who):
    client = client_of(who)
    assert client.get(address(task)).status_code == 403
    assert client.post(address(task), {"interval": ""}).status_code == 403
    assert client.get("/console/tenants/cleanuprun/").status_code == 403


def test_staff_see_what_clean_ups_removed_and_which_failed(client_of):
    clean("recordings", lambda tally: tally.add(recordings=17))
    with pytest.raises(ZeroDivisionError):
        clean("jobs", lambda tally: 1 / 0)
    page = client_of("staff").get("/console/tenants/cleanuprun/").content.decode()
    assert "recordings: 17" in page
    assert "recordings whose time is over" in page
    assert {"expire-recordings", "sweep-jobs"} <= set(re.findall(r"\b[a-z]+-[a-z]+\b", page))
    assert "failed" in page


def test_a_broken_run_names_its_error(client_of):
    with pytest.raises(ZeroDivisionError):
        clean("jobs", lambda tally: 1 / 0)
    run = CleanupRun.objects.get()
    page = client_of("staff").get(f"/console/tenants/cleanuprun/{run.pk}/change/").content.decode()
    assert "ZeroDivisionError" in page
    assert "jobs long over" in page
    assert "(&#x27;failed" not in page


BROKEN = {"number": 5, "until": 7, "said": "missing", "places": 1}


def test_staff_alone_see_whose_audit_trail_is_broken_and_where(client_of, globex):
    clean("audit", lambda tally: [tally.find(chain=chain, **BROKEN) for chain in ("globex", "platform")])
    run = CleanupRun.objects.get()
    pages = ("/console/tenants/cleanuprun/", f"/console/tenants/cleanuprun/{run.pk}/change/")
    staff = client_of("staff")
    for address in pages:
        page = staff.get(address).content.decode()
        for whose in ("globex", "platform"):
            assert f"Audit trail of {whose}, events 5 to 7: missing" in page
    for who in ("owner", "operator", "auditor", "viewer", "globex"):
        client = client_of(who)
        assert [client.get(address).status_code for address in pages] == [403, 403]
