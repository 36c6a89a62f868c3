"""The page Audit: who sees which chain, what the filters find, and what is exported."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import json
import re
import time
from datetime import timedelta
from functools import partial
from html import unescape
from urllib.parse import urlencode

import pytest
from celery import current_app
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu.exceptions import OperationalError

from bench.console_pages import MOST_QUERIES, TRANSACTION_CONTROL
from tenants import audit_words, auditing, refused, sealing, verifying
from tenants.actions import Action
from tenants.auditing import Search
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditCheck, AuditEvent, Role
from tenants.sealing import chain_of
from tenants.services import issue_token
from tenants.trail import Target, note
from tests.api.failures import failing
from tests.console.people import PASSWORD, enrolled, join, member, signed_in
from tests.servers import through_the_queue
from tests.tenants.test_sealing import tamper
from tests.threads import all_at_once
from voiceprints.backup_format import Contents
from voiceprints.history import history_of

pytestmark = pytest.mark.django_db


def page_of(client, **query):
    return client.get("/console/audit/", query).content.decode()


def newest(tenant) -> AuditEvent:
    with acting_as(tenant):
        return auditing.events_of(tenant).order_by("-number")[0]


def noted(tenant, count, **about):
    with acting_as(tenant):
        for number in range(count):
            note(tenant, Action.SPEAKER_CHANGED, Target("speaker", number + 1, f"name-{number}"), **about)


def test_the_page_tells_who_did_what_from_where(client_of, acme_rows):
    client = client_of("owner")
    client.post(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/change/", {"info": "x"}, REMOTE_ADDR="192.0.2.7")
    page = page_of(client)
    for said in ("speaker changed", "alice", "acme-owner", "192.0.2.7", "user · Console"):
        assert said in page


def test_details_are_told_in_the_readers_language_with_nothing_left_out(client_of, acme):
    with acting_as(acme):
        said = {"changes": {"active": [True, False]}, "own_period": [None, {"days": 30}], "fields": ["name", "info"]}
        note(acme, Action.TENANT_CHANGED, Target("token", 7), **said, unheard_of={"role": "viewer", "at": None})
    page = client_of("owner").get("/console/audit/", headers={"accept-language": "zh-CN"}).content.decode()
    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert told["变更 · 启用"] == "是 → 否"
    assert told["单独规则"] == "— → 天数：30"
    assert told["字段"] == "名称，备注"
    assert (told["unheard_of · 角色"], told["unheard_of · at"]) == ("查看者", "—")
    assert "访问令牌 #7" in page


def test_every_detail_that_a_service_notes_has_a_name():
    rooms = [path for room in ("tenants", "voiceprints") for path in (settings.BASE_DIR / room).rglob("*.py")]
    calls = [one for path in rooms for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
    named = [
        call for call in calls if isinstance(call.func, ast.Name) and call.func.id.startswith(("note", "_note_said"))
    ]
    said = {keyword.arg for call in named for keyword in call.keywords} - {None, "outcome"}
    assert {"utterance", "erased_from", "wanted", "turn"} <= said
    said |= {field.name for field in dataclasses.fields(Contents)}
    assert said - set(audit_words.NAMES) == set()


def test_a_deed_in_the_console_is_its_users(client_of, acme, acme_rows):
    client = client_of("operator")
    address = f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/"
    client.post(address, {"confirmed": "yes"}, headers={"X-Request-Id": "mine-1"})
    event = newest(acme)
    said = (event.action, event.actor_kind, event.actor_name, event.interface, event.request_id)
    assert said == ("speaker.deleted", "user", "acme-operator", "console", "mine-1")


def test_listening_is_told(client_of, acme, acme_rows):
    list(client_of("operator").get(f"/console/recordings/{acme_rows.utterance.pk}.flac"))
    event = newest(acme)
    assert (event.action, event.object_name) == ("recording.fetched", "alice")
    assert event.details == {"utterance": acme_rows.utterance.pk}


@pytest.mark.parametrize(
    ("password", "action", "outcome"), [(PASSWORD, "opened", "done"), ("wrong", "refused", "refused")]
)
def test_signing_in_is_told_to_each_tenant_of_the_user(password, action, outcome, acme):
    user = member(acme, Role.OWNER, "olga").user
    Client().post("/console/login/", {"username": "olga", "password": password}, REMOTE_ADDR="192.0.2.9")
    event = newest(acme)
    assert (event.action, event.outcome) == (f"session.{action}", outcome)
    assert (event.object_number, event.address) == (user.pk, "192.0.2.9")


def test_what_a_stranger_typed_as_a_name_is_not_kept(db):
    Client().post("/console/login/", {"username": "my secret", "password": "x"})
    with acting_as_platform():
        event = auditing.events_of(None).latest("number")
    assert event.action == "session.refused"
    assert "my secret" not in json.dumps(auditing.as_plain(event))


def test_an_account_that_is_made_or_changed_is_told_on_the_platform(db):
    user = get_user_model().objects.create_user("nina")
    user.set_password(PASSWORD)
    user.save()
    with acting_as_platform():
        made, changed = auditing.events_of(None).filter(object_name="nina").order_by("number")
    assert (made.action, changed.action, changed.details["fields"]) == ("user.created", "user.changed", ["password"])
    assert PASSWORD not in json.dumps(changed.details)


def test_an_account_that_is_deleted_leaves_its_tenants_with_an_event(client_of, acme, globex):
    nina = member(acme, Role.VIEWER, "nina").user
    join(nina, globex, Role.OPERATOR)
    client_of("staff").post(f"/console/auth/user/{nina.pk}/delete/", {"post": "yes"})
    for tenant, role in ((acme, "viewer"), (globex, "operator")):
        event = newest(tenant)
        assert (event.action, event.object_name, event.actor_name) == ("member.removed", "nina", "root")
        assert event.details == {"role": role}
    with acting_as_platform():
        assert auditing.events_of(None).latest("number").action == "user.deleted"


@pytest.mark.parametrize("which", ["credential", "accesstoken", "membership"])
def test_what_is_saved_as_it_was_is_no_event(which, client_of, acme, acme_rows):
    token, _ = issue_token(acme, scopes=["read"], label="till")
    with acting_as(acme):
        viewer = acme.memberships.get(role=Role.VIEWER)
    rows = {"credential": acme_rows.credential, "accesstoken": token, "membership": viewer}
    forms = {"credential": {"enabled": "on"}, "accesstoken": {"enabled": "on", "label": "till"}}
    before = newest(acme).number
    address = f"/console/tenants/{which}/{rows[which].pk}/change/"
    assert client_of("staff").post(address, forms.get(which, {"role": "viewer"})).status_code == 302
    assert newest(acme).number == before


def test_what_is_enabled_already_is_not_enabled_again(client_of, acme, acme_credential):
    client, chosen = client_of("owner"), {"action": "enable", "_selected_action": [acme_credential.pk]}
    before = newest(acme).number
    client.post("/console/tenants/credential/", chosen)
    assert newest(acme).number == before


def test_the_documentation_names_every_action():
    rows = [line for line in (settings.BASE_DIR / "docs" / "audit.md").read_text().splitlines() if line[:3] == "| `"]
    named = [re.findall(r"`([a-z_.]+)`", row) for row in rows]
    told = {prefix + name for row in named for name in row for prefix in ("", *row) if prefix[-1:] in ("", ".")}
    assert set(Action.values) <= told


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"name-0", "name-1", "name-2"}),
        ({"object": "name-1"}, {"name-1"}),
        ({"object": "nobody"}, set()),
        ({"action": "speaker.changed"}, {"name-0", "name-1", "name-2"}),
        ({"action": "speaker.deleted"}, set()),
        ({"actor": "nobody"}, set()),
        ({"since": "2000-01-01"}, {"name-0", "name-1", "name-2"}),
        ({"since": "2999-01-01"}, set()),
        ({"until": "2000-01-01"}, set()),
        ({"until": "2999-01-01"}, {"name-0", "name-1", "name-2"}),
        ({"since": "nonsense", "action": "nonsense", "before": "x"}, {"name-0", "name-1", "name-2"}),
    ],
)
def test_events_are_found_by_what_is_asked(query, found, client_of, acme):
    noted(acme, 3)
    page = page_of(client_of("auditor"), **query).partition("<tbody>")[2]
    assert {name for name in ("name-0", "name-1", "name-2") if name in page} == found


def test_a_page_begins_where_the_one_before_ended(client_of, acme):
    client = client_of("auditor")
    noted(acme, 120)
    rows, before = auditing_page(acme, None)
    again, _ = auditing_page(acme, before)
    assert rows[-1].number == again[0].number + 1
    assert f"before={before}" in page_of(client)


def auditing_page(tenant, before):
    with acting_as(tenant):
        return auditing.page_of_events(tenant, Search(), before=before, limit=50)


def test_the_page_asks_few_questions(client_of, acme):
    noted(acme, 60)
    client = client_of("owner")
    with CaptureQueriesContext(connection) as asked:
        client.get("/console/audit/")
    # A test's own transaction is one around the page's, which makes savepoints of those that the page opens.
    questions = [one["sql"] for one in asked.captured_queries if "SAVEPOINT" not in one["sql"]]
    assert len(questions) <= 12


def test_the_badge_tells_whether_the_chain_is_intact(client_of, acme):
    client = client_of("auditor")
    assert "not verified yet" in page_of(client)
    sealing.verify(acme.pk)
    assert "intact up to event" in page_of(client)


@pytest.mark.parametrize(("who", "query"), [("auditor", {}), ("staff", {"tenant": "acme"}), ("staff", {})])
def test_whoever_reads_a_chain_has_it_verified(who, query, client_of, acme):
    client = client_of(who)
    after = client.post(f"/console/audit/verify/?{urlencode(query)}", follow=True)
    assert "intact up to event" in after.content.decode()
    chain = acme if who == "auditor" or query else None
    assert verified_chains() == [chain_of(chain)]
    assert "verify/?tenant=acme" in after.content.decode() if chain else "verify/?" not in after.content.decode()


def verified_chains() -> list[int]:
    with acting_as_platform():
        return [check.pk for check in AuditCheck.all_tenants.all()]


def test_the_page_follows_a_verification_until_it_is_over(client_of, acme):
    client = client_of("auditor")
    with through_the_queue():
        begun = client.post("/console/audit/verify/", follow=True)
    assert "verifying=never" in begun.request["QUERY_STRING"]
    (progress,) = re.findall(r'data-progress="(.*?)"', begun.content.decode())
    assert "data-under-way" in client.get(unescape(progress)).content.decode()
    assert "Verify now" not in begun.content.decode()
    sealing.verify(acme.pk)
    assert "intact up to event" in client.get(unescape(progress)).content.decode()
    assert "data-progress" not in page_of(client, verifying="never")


def test_a_verification_that_never_comes_is_not_awaited_for_ever(client_of):
    client, now = client_of("auditor"), int(time.time())
    assert "data-progress" in page_of(client, verifying="never", asked=now)
    for asked in (now - 3600, now + 3600, "", "x"):
        assert "Verify now" in page_of(client, verifying="never", asked=asked)


def test_a_chain_is_verified_again_after_a_minute_only(client_of, acme, monkeypatch):
    client, now = client_of("auditor"), timezone.now()
    sealing.verify(acme.pk)
    first = last_check(acme)
    page = client.post("/console/audit/verify/", follow=True).content.decode()
    assert "verified less than a minute ago" in page
    assert last_check(acme).at == first.at
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(minutes=2))
    client.post("/console/audit/verify/")
    assert last_check(acme).at > first.at


def test_a_check_that_a_wrong_clock_dated_ahead_keeps_nobody_from_another():
    assert not verifying.is_recent(AuditCheck(at=timezone.now() + timedelta(days=365)))


def test_a_chain_that_was_verified_since_is_not_verified_again(acme):
    verifying.verify_after(acme.pk, verifying.NEVER)
    first = last_check(acme)
    verifying.verify_after(acme.pk, verifying.NEVER)
    assert last_check(acme).at == first.at
    verifying.verify_after(acme.pk, verifying.mark_of(first))
    assert last_check(acme).at > first.at


def last_check(tenant) -> AuditCheck:
    with acting_as(tenant):
        return auditing.last_check(tenant)


def test_a_queue_that_cannot_be_reached_is_said(client_of, monkeypatch):
    with through_the_queue():
        monkeypatch.setattr(current_app, "send_task", failing(OperationalError("connection refused")))
        page = client_of("owner").post("/console/audit/verify/", follow=True).content.decode()
    assert "The workers cannot be reached now." in page
    assert "Verify now" in page


@pytest.mark.django_db(transaction=True)
def test_a_broken_chain_is_shown_where_it_broke_with_links(client_of, acme):
    noted(acme, 12)
    chain = f"WHERE tenant_id = {acme.pk} AND number"
    gone = f"DELETE FROM tenants_auditevent {chain} IN (7, 9, 10)"
    tamper(f"UPDATE tenants_auditevent SET actor_name = 'x' {chain} = 5", gone)
    client = client_of("auditor")
    page = client.post("/console/audit/verify/", follow=True).content.decode()
    assert "broken at event 5" in page
    found = re.findall(r'href="([^"]*before=[^"]*)">(events? .*?)</a>: (.*?)</li>', page)
    told = [row[1:] for row in found]
    assert told == [("event 5", "altered"), ("event 7", "missing"), ("events 9 to 10", "missing")]
    shown = client.get(unescape(found[0][0])).content.decode().partition("<tbody>")[2]
    assert re.search(r'<td data-label="number">(\d+)</td>', shown)[1] == "5"
    chinese = client.get("/console/audit/", headers={"accept-language": "zh-CN"}).content.decode()
    assert "事件 9 至 10</a>: 缺失" in chinese


def test_of_many_broken_places_the_first_ten_are_listed(client_of, acme):
    problems = [{"number": number, "said": "altered"} for number in range(1, 15)]
    with acting_as(acme):
        AuditCheck.all_tenants.create(tenant_id=acme.pk, number=20, at=timezone.now(), problems=problems)
    page = page_of(client_of("auditor"))
    assert page.count("</a>: altered</li>") == 10
    assert "and 4 more" in page


def test_everything_that_a_verification_finds_has_words():
    tree = ast.parse((settings.BASE_DIR / "tenants" / "sealing.py").read_text())
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
    said = {ast.literal_eval(call.args[1]) for call in calls if call.func.attr == "complain"}
    assert said == set(audit_words.PROBLEMS)


def test_another_tenants_chain_is_not_verified(client_of, acme):
    client = client_of("globex")
    for slug in ("acme", "nosuch"):
        assert client.post(f"/console/audit/verify/?tenant={slug}").status_code == 404
    assert verified_chains() == []


@pytest.mark.parametrize("page", ["", "check/", "csv/", "jsonl/"])
def test_another_tenants_chain_is_as_unknown_as_none(page, client_of):
    client = client_of("globex")
    for slug in ("acme", "nosuch"):
        assert client.get(f"/console/audit/{page}", {"tenant": slug}).status_code == 404


def test_a_tenants_page_shows_nothing_of_another(client_of, acme):
    noted(acme, 3)
    assert "name-1" not in page_of(client_of("globex"))


def test_platform_staff_choose_a_chain(client_of, acme):
    client = client_of("staff")
    noted(acme, 1)
    assert "name-0" not in page_of(client)
    assert "tenant opened" in page_of(client)
    assert "name-0" in page_of(client, tenant="acme")


def exported(client, form, **query):
    return b"".join(client.get(f"/console/audit/{form}/", query)).decode()


def test_an_export_holds_every_line_and_is_told(client_of, acme):
    noted(acme, 1100)
    lines = [json.loads(line) for line in exported(client_of("auditor"), "jsonl").splitlines()]
    event = newest(acme)
    assert [line["number"] for line in lines] == list(range(1, event.number + 1))
    assert (event.action, event.details["form"]) == ("trail.exported", "jsonl")


def test_a_spreadsheet_takes_no_name_for_a_formula(client_of, acme):
    with acting_as(acme):
        note(acme, Action.SPEAKER_CHANGED, Target("speaker", 1, "=1+1"))
    rows = list(csv.DictReader(io.StringIO(exported(client_of("auditor"), "csv", object="=1+1"))))
    assert [row["object"] for row in rows] == ["'=1+1"]


def test_a_form_that_nobody_knows_is_not_found(client_of):
    assert client_of("auditor").get("/console/audit/xml/").status_code == 404


def test_the_history_of_a_speaker_is_what_the_trail_tells(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    assert [event.action for event in history_of(speaker)] == ["speaker.enrolled"]
    page = client_of("viewer").get(f"/console/voiceprints/speaker/{speaker.pk}/history/").content.decode()
    assert "speaker enrolled" in page


def test_the_history_of_another_tenants_speaker_is_unknown(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    response = client_of("globex").get(f"/console/voiceprints/speaker/{speaker.pk}/history/")
    assert response.headers["Location"] == "/console/"


def test_the_audit_stands_in_the_sidebar_of_whoever_may_read_it(acme):
    for role in Role:
        page = signed_in(member(acme, role).user).get("/console/").content.decode()
        assert ("/console/audit/" in page) is (role in {Role.OWNER, Role.AUDITOR})


def test_a_text_that_looks_like_a_moment_is_a_text():
    looked_for = {"object": "2026-13-45T10:00:00", "action": "speaker.deleted", "since": "2026-11-26T10:00:00+00:00"}
    details = {"form": "csv", "wanted": looked_for, "changes": {"name": ["a", "2026-02-30T10:00"]}}
    said = [tuple(one) for one in audit_words.details_in_words(details | {"expires": "9999-12-31T23:59:59Z"})]
    assert said == [
        ("format", "csv"),
        ("filtered by · object", "2026-13-45T10:00:00"),
        ("filtered by · action", "speaker deleted"),
        ("filtered by · since", "2026-11-26 10:00"),
        ("changes · name", "a → 2026-02-30T10:00"),
        ("expires", "9999-12-31 23:59"),
    ]


def test_a_moment_beyond_the_end_of_time_here_stands_as_it_was_written():
    with timezone.override("Asia/Shanghai"):
        (expires,) = audit_words.details_in_words({"expires": "9999-12-31T23:59:59Z"})
    assert expires.value == "9999-12-31T23:59:59Z"


def refusals(tenant) -> list[AuditEvent]:
    with acting_as(tenant):
        return list(auditing.events_of(tenant, Search(action="access.refused")).order_by("number"))


def test_what_a_role_forbids_is_told_to_the_tenant_and_to_nobody_else(client_of, acme, globex, acme_rows):
    client, address = client_of("auditor"), f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/"
    with CaptureQueriesContext(connection) as queries:
        assert client.post(address, {"confirmed": "yes"}, REMOTE_ADDR="192.0.2.7").status_code == 403
    (event,) = refusals(acme)
    assert (event.outcome, event.actor_name, event.address) == ("refused", "acme-auditor", "192.0.2.7")
    assert (event.object_kind, event.object_name) == ("path", "/console/voiceprints/speaker/…/delete/")
    assert event.details == {"method": "POST", "role": "auditor"}
    assert refusals(globex) == []
    assert len([one for one in queries if not one["sql"].startswith(TRANSACTION_CONTROL)]) <= MOST_QUERIES
    page = page_of(client, action="access.refused")
    assert "tried without permission" in page
    assert "/console/voiceprints/speaker/…/delete/" in page


def test_a_page_that_waits_for_workers_tells_of_whom_it_refused(client_of, acme):
    client_of("viewer").get("/console/try/")
    assert [event.object_name for event in refusals(acme)] == ["/console/try/"]


def test_the_same_attempt_is_told_once_an_hour(client_of, acme, monkeypatch):
    client, people = client_of("viewer"), [enrolled(acme, name)[0] for name in ("alice", "bob", "carol")]
    for number, speaker in enumerate(people):
        client.get(f"/console/voiceprints/speaker/{speaker.pk}/delete/")
        client.get("/console/opt-outs/acme/consent/", REMOTE_ADDR=f"192.0.2.{number}")
        client.post("/console/opt-outs/acme/consent/")
    assert len(refusals(acme)) == 3
    monkeypatch.setattr(refused, "TOLD_AGAIN_AFTER", timedelta())
    client.get("/console/opt-outs/acme/consent/")
    assert len(refusals(acme)) == 4


def test_nobody_floods_the_trail_with_what_they_may_not_do(client_of, acme, monkeypatch):
    monkeypatch.setattr(refused, "MOST_TOLD", 2)
    client = client_of("viewer")
    for page in ("quotas/acme/", "erasures/acme/", "opt-outs/acme/", "audit/"):
        client.get(f"/console/{page}")
    assert len(refusals(acme)) == 2


def test_what_belongs_to_another_tenant_is_no_refusal(client_of, acme, globex, acme_rows):
    client_of("globex").post(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/", {"confirmed": "yes"})
    assert refusals(acme) == refusals(globex) == []


@pytest.mark.django_db(transaction=True)
def test_attempts_at_the_same_moment_are_told_once(acme):
    client = signed_in(member(acme, Role.VIEWER).user)
    assert set(all_at_once(*[lambda: client.get("/console/opt-outs/acme/consent/").status_code] * 8)) == {403}
    assert len(refusals(acme)) == 1


@pytest.mark.django_db(transaction=True)
def test_attempts_at_many_pages_at_the_same_moment_are_no_way_past_the_limit(acme, monkeypatch):
    monkeypatch.setattr(refused, "MOST_TOLD", 2)
    viewer = member(acme, Role.VIEWER).user
    clients = [signed_in(viewer) for _ in range(8)]
    pages = ["quotas/acme/", "erasures/acme/", "opt-outs/acme/", "audit/", "try/", "opt-outs/acme/consent/"]
    tries = [partial(client.get, f"/console/{page}") for client, page in zip(clients, pages, strict=False)]
    for _ in range(3):
        assert {answer.status_code for answer in all_at_once(*tries)} == {403}
    assert len(refusals(acme)) == 2
