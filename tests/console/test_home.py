"""What the console's home page says of usage, of queues, and of what needs attention."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from api.protocol import AccessRefused, DialectClosed, TenantClosed
from audio.download import DownloadError
from audio.errors import KINDS, AudioError
from config import welcome
from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform
from tenants.models import CleanupRun, Tenant
from tenants.services import issue_credential, issue_token, rotate_credential, set_policy
from tenants.trail import note
from tests.cast import LIBRARY, audio
from tests.console.people import enrolled
from tests.servers import REDIS
from tests.usage import used
from voiceprints import retention, services, wording
from voiceprints.decisions import calibration_in_force
from voiceprints.errors import QuotaExhausted, VoiceprintError
from voiceprints.models import Job, JobRow, Speaker, StorageFinding
from voiceprints.retention import OwnPeriod
from voiceprints.tenant_sums import Kept
from voiceprints.usage_reasons import REASONS

pytestmark = pytest.mark.django_db


def overview(client, **query):
    return client.get("/console/", query_params=query).context["overview"]


def csv_of(client, query: str = "") -> list[str]:
    """The tenants of its lines."""
    content = client.get(f"/console/usage.csv{query}").getvalue().decode()
    return [line["tenant"] for line in csv.DictReader(io.StringIO(content))]


def noticed(client) -> set[str]:
    return {notice.name for notice in overview(client).notices}


@pytest.fixture
def failed_job(acme) -> Job:
    now = timezone.now()
    with acting_as(acme):
        return acme.jobs.create(
            kind=Job.Kind.REEMBED, state=Job.State.FAILED, finished=now, parameters={"model": acme.model}
        )


def test_home_tells_how_much_was_asked_for_on_each_day(client_of, acme, globex):
    used(acme, "enroll", count=3)
    used(acme, "verify", outcome="accepted", count=3)
    used(acme, "verify", outcome="rejected", days_ago=6)
    used(acme, "identify", outcome="refused", reason="NotEnoughSpeech", count=5)
    used(globex, "enroll", count=100)
    found = overview(client_of("owner"), days="7")
    answered, verdicts, times = found.charts
    assert [list(one.values) for one in answered.series] == [[0] * 6 + [3], [1, *[0] * 5, 3], [0] * 7]
    assert [list(one.values) for one in verdicts.series] == [[0] * 6 + [3], [1, *[0] * 6]]
    assert times.series[0].values[1:6] == [None] * 5
    assert found.acceptance_percent == 75
    assert found.usage.reasons == [("NotEnoughSpeech", 5)]
    everybody = overview(client_of("staff"), days="7")
    assert everybody.charts[0].series[0].values[-1] == 103


def test_platform_staff_are_told_which_figures_are_of_closed_tenants(client_of, acme, globex):
    enrolled(globex, "gary")
    used(globex, "verify", outcome="accepted")
    staff = client_of("staff")
    words = "1 tenant is closed; what it keeps is counted here."
    assert words not in staff.get("/console/").content.decode()
    Tenant.objects.filter(pk=globex.pk).update(active=False)
    page = staff.get("/console/")
    assert words in page.content.decode()
    assert "/console/tenants/tenant/?active__exact=0" in page.content.decode()
    assert page.context["overview"].sums.enrolled == 1
    assert [(tenant.slug, tenant.closed) for tenant in page.context["overview"].tenants] == [("globex", True)]
    assert words not in client_of("owner").get("/console/").content.decode()


def test_platform_staff_see_in_which_tenant_the_newest_speakers_are(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    with acting_as(acme):
        acme.libraries.filter(pk=speaker.library_id).update(name="Workshop")
    pages = [client_of(who).get("/console/").content.decode() for who in ("staff", "owner")]
    assert ["Acme · acme / staff · Workshop" in page for page in pages] == [True, False]
    assert ["acme / staff · Workshop" in page for page in pages] == [True, True]


def test_nobody_is_asked_to_look_at_what_a_closed_tenant_left_undone(client_of, acme, failed_job):
    staff, ends = client_of("staff"), timezone.now() + timedelta(days=3)
    with acting_as(acme):
        issue_token(acme, scopes=["read"], label="soon", expires=ends)
    due = {"failed_jobs", "expiring_tokens"}
    assert due <= noticed(staff)
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    assert not due & noticed(staff)


def test_who_manages_access_is_told_of_quotas_near_their_end(client_of, acme, acme_rows):
    assert "near_quota" not in noticed(client_of("owner"))
    acme.max_speakers = 1
    acme.save()
    clients = {who: client_of(who) for who in ("operator", "globex", "staff")}
    assert {who: "near_quota" in noticed(client) for who, client in clients.items()} == {
        "operator": False,
        "globex": False,
        "staff": True,
    }
    (told,) = [notice for notice in overview(clients["staff"]).notices if notice.name == "near_quota"]
    assert (told.words, told.address) == ("1 tenant has nearly used up a quota.", "/console/quotas/")


def test_an_owner_is_told_of_a_quota_that_is_exceeded(client_of, acme, acme_rows):
    acme.max_speakers = 0
    acme.save()
    clients = {who: client_of(who) for who in ("owner", "operator", "globex", "staff")}
    told = {who: noticed(client) & {"exceeded_quota", "near_quota"} for who, client in clients.items()}
    assert told == {"owner": {"exceeded_quota"}, "operator": set(), "globex": set(), "staff": {"exceeded_quota"}}


def test_whoever_may_enter_is_told_of_imports_with_failed_lines(client_of, acme, acme_rows):
    assert "failed_lines" in noticed(client_of("viewer"))
    assert "failed_lines" not in noticed(client_of("globex"))
    with acting_as(acme):
        acme.jobs.update(finished=timezone.now() - timedelta(days=8))
    assert "failed_lines" not in noticed(client_of("owner"))


def test_a_member_of_another_tenant_sees_nothing_of_it(client_of, acme, acme_rows, failed_job):
    used(acme, "verify", outcome="refused", reason="SpeakerNotFound")
    theirs = client_of("globex")
    found = overview(theirs)
    assert (found.sums, found.notices) == (Kept(), [])
    assert (found.usage.counts, found.usage.latencies) == ({}, {})
    page = theirs.get("/console/").content.decode()
    assert "SpeakerNotFound" not in page
    assert "acme" not in theirs.get("/console/usage.csv").getvalue().decode()


def test_platform_staff_see_every_tenant_or_the_one_they_choose(client_of, acme, globex, acme_rows):
    used(acme, "enroll", count=3)
    used(globex, "enroll", count=100)
    staff = client_of("staff")
    every = overview(staff)
    assert (every.libraries, every.sums.enrolled, every.sums.recordings) == (1, 1, 2)
    told = [(one.slug, one.requests, one.libraries, one.kept.enrolled, one.kept.recordings) for one in every.tenants]
    assert told == [("globex", 100, 0, 0, 0), ("acme", 3, 1, 1, 2)]
    assert [one.kept.stored_bytes for one in every.tenants] == [0, every.sums.stored_bytes]

    chosen = overview(staff, tenant="globex")
    assert (chosen.libraries, chosen.sums) == (0, Kept())
    assert sum(chosen.usage.counts.values()) == 100
    assert set(csv_of(staff, "?tenant=globex")) == {"globex"}
    assert staff.get("/console/?tenant=nobody").status_code == 404


def test_home_tells_of_what_is_there_and_of_nothing_that_went(client_of, acme, acme_rows):
    enrolled(acme, "bob", "ken", utterances=2)
    services.enroll(acme, LIBRARY, "ken", [audio("ken")], required_utterances=2)
    services.enroll(acme, LIBRARY, "probe", [audio("wei")], probe=True)
    services.delete_speaker(acme, acme.libraries.all(), "bob")
    with acting_as(acme):
        sums = acme.utterances.aggregate(seconds=Sum("duration_seconds"), stored=Sum("size_bytes"))
        people = Counter(acme.speakers.values_list("status", flat=True))
        said = acme.utterances.count()
    assert people == {"enrolled": 1, "enrolling": 1, "probe": 1}
    for who in ("viewer", "staff"):
        kept = overview(client_of(who)).sums
        assert (kept.enrolled, kept.enrolling, kept.recordings, kept.stored_bytes) == (1, 1, said, sums["stored"])
        assert kept.audio_seconds == pytest.approx(sums["seconds"], abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 seconds of audio"),
        (1, "1 second of audio"),
        (59.4, "59 seconds of audio"),
        (59.6, "1 minute of audio"),
        (3569, "59 minutes of audio"),
        (3570, "1.0 hours of audio"),
        (4_500_000, "1,250.0 hours of audio"),
    ],
)
def test_little_audio_is_told_in_small_units(seconds, said):
    assert wording.audio(seconds) == said


def test_home_says_as_of_when_it_is(client_of, acme):
    page = client_of("owner").get("/console/").content.decode()
    assert re.search(r"As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+\. Requests of the last 5 seconds may not be", page)


@pytest.mark.parametrize("page", ["", "usage.csv"])
def test_a_member_chooses_no_other_tenant(page, client_of, acme_rows):
    assert client_of("owner").get(f"/console/{page}?tenant=acme").status_code == 200
    assert client_of("globex").get(f"/console/{page}?tenant=acme").status_code == 404


@pytest.mark.parametrize(("asked", "shown"), [("7", 7), ("90", 90), ("", 30), ("8", 30), ("²", 30)])
def test_a_reader_chooses_among_periods(asked, shown, client_of):
    assert overview(client_of("viewer"), days=asked).days == shown


def test_home_tells_how_much_room_the_recordings_take(client_of, acme, acme_rows, recordings_folder):
    on_disk = sum(file.stat().st_size for file in recordings_folder.rglob("*.flac"))
    assert overview(client_of("owner")).sums.stored_bytes == on_disk > 0


def test_an_enrollment_that_does_not_go_on_is_noticed_after_a_day(client_of, acme, acme_rows):
    owner = client_of("owner")
    with acting_as(acme):
        acme.speakers.update(status=Speaker.Status.ENROLLING)
    assert "unfinished" not in noticed(owner)
    with acting_as(acme):
        acme.speakers.update(created=timezone.now() - timedelta(days=2))
    assert "unfinished" in noticed(owner)


def test_a_failed_job_is_noticed_for_a_week(client_of, acme, failed_job):
    owner = client_of("owner")
    assert "failed_jobs" in noticed(owner)
    with acting_as(acme):
        acme.jobs.update(finished=timezone.now() - timedelta(days=8))
    assert "failed_jobs" not in noticed(owner)


def test_a_recording_that_could_not_be_embedded_is_noticed_while_its_model_is_kept_up(
    client_of, acme, acme_rows, failed_job
):
    owner = client_of("owner")
    with acting_as(acme):
        acme.job_rows.create(job=failed_job, number=acme_rows.utterance.pk, outcome=JobRow.Outcome.FAILED)
    assert "unusable" not in noticed(owner), "it was embedded after all"
    with acting_as(acme):
        acme.utterance_embeddings.filter(utterance=acme_rows.utterance).delete()
    assert "unusable" in noticed(owner)
    with acting_as(acme):
        acme.jobs.update(parameters={"model": "dropped"})
    assert "unusable" not in noticed(owner)
    acme.other_models = ["dropped"]
    acme.save()
    assert "unusable" in noticed(owner)


def test_recordings_that_go_soon_are_noticed(client_of, acme, acme_rows):
    owner = client_of("owner")
    assert "expiring_recordings" not in noticed(owner)
    retention.change(acme, recordings=8)
    assert "expiring_recordings" not in noticed(owner)
    retention.change_library(acme, acme_rows.library.pk, OwnPeriod(6))
    assert {"expiring_recordings", "failed_lines"} == noticed(client_of("viewer"))
    assert noticed(client_of("globex")) == set()


@pytest.mark.parametrize(
    ("hours_ago", "used", "warned"), [(0, True, False), (11, True, False), (13, True, True), (23, False, False)]
)
def test_the_old_key_of_a_rotation_is_noticed_once_it_is_used_late(hours_ago, used, warned, client_of, acme):
    old = issue_credential(acme, label="till")
    new = rotate_credential(old, overlap=timedelta(hours=24))
    rotated = timezone.now() - timedelta(hours=hours_ago)
    with acting_as(acme):
        last_used = timezone.now() if used else rotated
        created, ends = rotated - timedelta(days=100), rotated + timedelta(hours=24)
        acme.credentials.filter(pk=old.pk).update(created=created, expires=ends, last_used=last_used)
        acme.credentials.filter(pk=new.pk).update(created=rotated)
    issue_credential(acme, label="till")
    assert ("expiring_credentials" in noticed(client_of("owner"))) is warned


def test_access_that_ends_soon_is_noticed_by_whoever_manages_it(client_of, acme, acme_rows):
    soon = timezone.now() + timedelta(days=3)
    with acting_as(acme):
        acme.credentials.update(expires=soon, created=soon - timedelta(days=7), last_used=timezone.now())
        acme.access_tokens.update(expires=soon)
    assert {"expiring_credentials", "expiring_tokens"} <= noticed(client_of("owner"))
    assert noticed(client_of("viewer")) == {"failed_lines"}


def test_a_model_that_nobody_calibrated_is_noticed(client_of, acme, tiny):
    assert "uncalibrated" not in noticed(client_of("owner"))
    acme.model = tiny
    acme.save()
    assert "uncalibrated" in noticed(client_of("viewer"))


def test_platform_staff_see_what_waits_and_members_do_not(client_of):
    assert b'id="queues"' in client_of("staff").get("/console/").content
    assert b'id="queues"' not in client_of("owner").get("/console/").content


@pytest.mark.django_db(transaction=True)
def test_home_is_there_while_redis_is_not(client_of):
    staff = client_of("staff")
    with REDIS.down():
        assert b"Redis does not answer" in staff.get("/console/").content


def test_usage_is_downloaded_as_csv(client_of, acme, globex):
    day = used(acme, "enroll", count=3, days_ago=6)
    used(globex, "enroll", count=3, days_ago=6)
    used(acme, "enroll", days_ago=20)
    reply = client_of("viewer").get("/console/usage.csv?days=7")
    assert "usage-acme-" in reply["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(reply.getvalue().decode())))
    assert [(line["tenant"], line["day"], line["count"]) for line in lines] == [("acme", day.isoformat(), "3")]
    everybody = client_of("staff").get("/console/usage.csv?days=7").getvalue().decode()
    assert "globex" in everybody


@pytest.mark.django_db(transaction=True)
def test_home_asks_for_little(client_of, acme, acme_rows):
    owner = client_of("owner")
    owner.get("/console/")
    used(acme, "enroll")
    enrolled(acme, "bob", "ken")
    with CaptureQueriesContext(connection) as asked:
        owner.get("/console/")
    said = [query["sql"] for query in asked if query["sql"] not in {"BEGIN", "COMMIT"}]
    assert len(said) <= 12, said


def test_a_probe_is_nobody_who_was_enrolled(client_of, acme):
    enrolled(acme, "alice")
    services.enroll(acme, LIBRARY, "kept to be compared", [audio("ken")], probe=True)
    assert [speaker.external_id for speaker in overview(client_of("owner")).newest] == ["alice"]


def test_home_quotes_the_error_rates_that_the_start_prints(client_of, acme):
    owner = client_of("owner")
    shown = overview(owner)
    (line,) = (line for line in welcome._model_lines("ge2e") if "false rejects" in line)
    quoted = shown.calibration.quoted
    assert quoted == calibration_in_force("ge2e").quoted
    for figure in (quoted.eer, quoted.frr):
        assert f"{figure:.1%}" in line
        for path in ("/console/", "/console/models/acme/"):
            assert f"{100 * figure:.1f} %" in owner.get(path).content.decode()


def test_models_quotes_them_whatever_the_tenant_wants(client_of, acme):
    set_policy(acme, false_accept_rate=0.001)
    page = client_of("owner").get("/console/models/acme/").content.decode()
    assert "rejects 7.2 % where 1 % of strangers get in" in page
    assert "of speakers that it was not calibrated on" in page


def test_a_probe_is_no_speaker_of_its_library(client_of, acme):
    enrolled(acme, "alice")
    services.enroll(acme, LIBRARY, "kept to be compared", [audio("ken")], probe=True)
    libraries = client_of("owner").get("/console/voiceprints/library/").context["cl"].result_list
    assert sum(library.speaker_count for library in libraries) == 1


def test_the_list_says_in_the_readers_language_that_somebody_is_a_probe(client_of, acme):
    services.enroll(acme, LIBRARY, "kept to be compared", [audio("ken")], probe=True)
    page = client_of("owner").get("/console/voiceprints/speaker/", headers={"Accept-Language": "zh-hans"})
    (badge,) = re.findall(r'class="[^"]*field-status_badge.*?</td>', page.content.decode(), re.DOTALL)
    assert "待比对" in badge


@pytest.mark.parametrize(
    ("language", "words"), [("en", "too little speech in the recording"), ("zh-CN", "录音中语音太少")]
)
def test_home_says_in_words_why_requests_were_refused(language, words, client_of, acme):
    used(acme, outcome="refused", reason="NotEnoughSpeech")
    used(acme, outcome="failed", reason="OfALaterVersion")
    page = client_of("viewer").get("/console/", headers={"accept-language": language}).content.decode()
    assert f'title="NotEnoughSpeech">{words}' in page
    assert ">OfALaterVersion" in page


def test_whatever_a_dialect_answers_has_words():
    tables = [import_module(f"api.{dialect}.errors").ANSWERS for dialect in settings.DIALECTS]
    answered = {error for table in tables for error in table if not issubclass(error, AccessRefused)}
    answered |= {TenantClosed, DialectClosed, *KINDS.values()}
    # Of these only others that derive from them are ever raised.
    kinds = {Exception, AudioError, DownloadError, VoiceprintError, QuotaExhausted, DatabaseFailed}
    assert {error.__name__ for error in answered - kinds} - set(REASONS) == set()


@pytest.mark.parametrize(("who", "told"), [("auditor", "Ask platform staff"), ("staff", "manage.py calibrate")])
def test_only_who_can_run_a_command_is_told_to(who, told, client_of, acme, tiny):
    acme.model = tiny
    acme.save(update_fields=["model"])
    page = client_of(who).get("/console/", {"tenant": "acme"} if who == "staff" else {}).content.decode()
    assert told in page
    assert ("manage.py" in page) == (who == "staff")
    assert ("in the folder of the installation" in page) == (who == "staff")


# --- What concerns the platform --------------------------------------------------------------------------------------


@pytest.fixture
def trouble(acme):
    """All of it at once."""
    enrolled(acme, "alice")
    begun, now = timezone.now() - timedelta(days=9), timezone.now()
    every_minute = IntervalSchedule.objects.create(every=1, period="minutes")
    PeriodicTask.objects.create(name="sweep-jobs", task="voiceprints.sweep_jobs", interval=every_minute, enabled=False)
    CleanupRun.objects.create(job="jobs", started=begun, finished=begun)
    PeriodicTask.objects.create(name="sweep-recordings", task="voiceprints.sweep_recordings", interval=every_minute)
    CleanupRun.objects.create(job="files", finished=now)
    CleanupRun.objects.create(job="files", finished=now, problem="OSError")
    with acting_as_platform():
        for kind in ("lost", "stray", "foreign"):
            StorageFinding.objects.create(kind=kind, path=kind, found=now, seen=now)


PLATFORM_NOTICES = {"no_backup", "lost_recordings", "failed_cleanups", "overdue_cleanups", "files_without_rows"}


def test_platform_staff_are_told_what_is_wrong_with_the_platform_in_few_queries(client_of, trouble):
    staff = client_of("staff")
    staff.get("/console/")
    with CaptureQueriesContext(connection) as queries:
        assert noticed(staff) >= PLATFORM_NOTICES
    assert len(asked := [one["sql"] for one in queries if "FROM" in one["sql"]]) <= 12, asked
    addresses = {notice.name: notice.address for notice in overview(staff).notices}
    assert addresses.pop("no_backup") == ""
    assert {staff.get(address).status_code for address in addresses.values()} == {200}
    counts = {notice.name: notice.words for notice in overview(staff).notices}
    assert counts["overdue_cleanups"].startswith("1 clean-up has not")
    assert counts["failed_cleanups"].startswith("1 clean-up ended")
    assert counts["files_without_rows"].startswith("2 files")


def test_of_the_platform_nobody_else_is_told_nor_on_the_page_of_one_tenant(client_of, trouble):
    assert not noticed(client_of("owner")) & PLATFORM_NOTICES
    assert not {notice.name for notice in overview(client_of("staff"), tenant="acme").notices} & PLATFORM_NOTICES


def test_a_backup_made_lately_is_enough(client_of, trouble):
    with acting_as_platform():
        note(None, Action.BACKUP_MADE, bytes=1, missing=0)
    assert "no_backup" not in noticed(client_of("staff"))


def test_whoever_backs_up_otherwise_is_not_told(client_of, trouble, settings):
    settings.BACKUP_WITHIN_DAYS = 0
    assert "no_backup" not in noticed(client_of("staff"))
