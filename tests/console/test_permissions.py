"""Who may open and do what: the table of docs/console.md, asked of the running console."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.messages import get_messages
from django.test import Client

from tenants.models import Role
from tests.console.people import member, signed_in

pytestmark = pytest.mark.django_db

READERS = {"staff", "owner", "operator", "auditor", "viewer"}
LISTENERS = CHANGERS = {"staff", "owner", "operator"}
OWNERS = {"staff", "owner"}
STAFF = {"staff"}
AUDITORS = {"staff", "owner", "auditor"}

LISTS = {
    "": READERS,
    "voiceprints/library/": READERS,
    "voiceprints/library/add/": CHANGERS,
    "voiceprints/speaker/": READERS,
    "voiceprints/speaker/add/": set(),
    "try/": CHANGERS,
    "autocomplete/?app_label=voiceprints&model_name=speaker&field_name=library": READERS,
    "autocomplete/?app_label=tenants&model_name=credential&field_name=tenant": STAFF,
    "jobs/acme/": READERS,
    "jobs/acme/import/": CHANGERS,
    "jobs/acme/import/manifest.csv": CHANGERS,
    "jobs/acme/export/": CHANGERS,
    "usage.csv": READERS,
    "thresholds/acme/": READERS,
    "thresholds/acme/apply/": OWNERS,
    "thresholds/acme/apply/?far=0.05": OWNERS,
    "thresholds/acme/policy/": OWNERS,
    "models/acme/": READERS,
    "models/acme/progress/": READERS,
    "models/acme/failed/": READERS,
    "models/acme/failed.csv": READERS,
    "models/acme/pause/": OWNERS,
    "retention/acme/": READERS,
    "retention/acme/recordings/": OWNERS,
    "retention/acme/probes/": OWNERS,
    "retention/acme/enrollments/": OWNERS,
    "quotas/acme/": OWNERS,
    "audit/": AUDITORS,
    "audit/?tenant=acme": AUDITORS,
    "audit/check/?tenant=acme": AUDITORS,
    "audit/csv/?tenant=acme": AUDITORS,
    "audit/jsonl/?tenant=acme": AUDITORS,
    "erasures/acme/": AUDITORS,
    "erasures/acme/begin/": OWNERS,
    "erasures/acme/tenant/": OWNERS,
    "opt-outs/acme/": OWNERS,
    "opt-outs/acme/consent/": OWNERS,
    "tenants/credential/": OWNERS,
    "tenants/credential/add/": OWNERS,
    "tenants/credential/interfaces/": {"owner"},
    "tenants/accesstoken/": OWNERS,
    "tenants/accesstoken/add/": OWNERS,
    "tenants/membership/": OWNERS,
    "tenants/membership/add/": STAFF,
    "tenants/membership/invite/": OWNERS,
    "tenants/invitation/": OWNERS,
    "tenants/invitation/add/": OWNERS,
    "tenants/membership/two-factor-rule/": {"owner"},
    "account/": READERS,
    "account/two-factor/": READERS,
    "account/two-factor/off/": READERS,
    "account/sessions/end/": READERS,
    "tenants/guesses/": STAFF,
    "django_celery_beat/periodictask/": STAFF,
    "django_celery_beat/periodictask/add/": set(),
    "django_celery_beat/intervalschedule/add/": STAFF,
    "django_celery_beat/crontabschedule/add/": STAFF,
    "tenants/cleanuprun/": STAFF,
    "voiceprints/storagefinding/": STAFF,
    "voiceprints/storagefinding/csv/": STAFF,
    "tenants/cleanuprun/add/": set(),
    "tenants/tenant/": STAFF,
    "tenants/tenant/add/": STAFF,
    "auth/user/": STAFF,
    "auth/user/add/": STAFF,
}
ROWS = {
    "voiceprints/library/{library}/change/": READERS,
    "voiceprints/library/{library}/history/": READERS,
    "voiceprints/library/{library}/delete/": CHANGERS,
    "retention/acme/libraries/{library}/": OWNERS,
    "voiceprints/speaker/{speaker}/change/": READERS,
    "voiceprints/speaker/{speaker}/history/": READERS,
    "voiceprints/speaker/{speaker}/delete/": CHANGERS,
    "voiceprints/speaker/{speaker}/recordings/{utterance}/delete/": CHANGERS,
    "recordings/{utterance}.flac": LISTENERS,
    "recordings/{utterance}/picture/": LISTENERS,
    "jobs/acme/{job}/": READERS,
    "jobs/acme/{job}/progress/": READERS,
    "jobs/acme/{job}/failed.csv": READERS,
    "jobs/acme/{export}/export.zip": CHANGERS,
    "jobs/acme/{job}/cancel/": CHANGERS,
    "jobs/acme/{export}/delete-file/": CHANGERS,
    "jobs/acme/{job}/pause/": CHANGERS,
    "jobs/acme/{job}/resume/": CHANGERS,
    "jobs/acme/{job}/retry/": CHANGERS,
    "erasures/acme/{erasure}/receipt.json": AUDITORS,
    "erasures/acme/begin/?speaker={speaker}": OWNERS,
    "opt-outs/acme/{opt_out}/lift/": OWNERS,
    "libraries/{library}/enroll/": CHANGERS,
    "libraries/{library}/map/": READERS,
    "try/enrolled/?library={library}": CHANGERS,
    "speakers/{speaker}/nearest/": READERS,
    "speakers/{speaker}/recordings/{utterance}/replace/": CHANGERS,
    "speakers/{speaker}/consent/": CHANGERS,
    "tenants/credential/{credential}/change/": OWNERS,
    "tenants/credential/{credential}/history/": OWNERS,
    "tenants/credential/{credential}/rotate/": OWNERS,
    "tenants/credential/{credential}/clients/": OWNERS,
    "tenants/accesstoken/{token}/clients/": OWNERS,
    "tenants/credential/{credential}/secret/": OWNERS,
    "tenants/credential/{credential}/delete/": OWNERS,
    "tenants/accesstoken/{token}/change/": OWNERS,
    "tenants/accesstoken/{token}/history/": OWNERS,
    "tenants/accesstoken/{token}/delete/": OWNERS,
    "tenants/membership/{membership}/change/": OWNERS,
    "tenants/membership/{membership}/delete/": OWNERS,
    "tenants/invitation/{invitation}/change/": OWNERS,
    "tenants/invitation/{invitation}/delete/": OWNERS,
}
DEEDS = {
    "thresholds/acme/apply/": ({"far": "0.05", "confirmed": "yes"}, OWNERS),
    "thresholds/acme/policy/": ({"consistency": "accept"}, OWNERS),
    "audit/verify/?tenant=acme": ({}, AUDITORS),
    "erasures/acme/begin/": ({}, OWNERS),
    "erasures/acme/tenant/": ({}, OWNERS),
    "opt-outs/acme/": ({}, OWNERS),
    "opt-outs/acme/consent/": ({"required": "on"}, OWNERS),
    "opt-outs/acme/{opt_out}/lift/": ({"confirmed": "yes"}, OWNERS),
    "erasures/acme/tenant/restore/": ({}, STAFF),
    "jobs/acme/export/": ({}, CHANGERS),
    "jobs/acme/import/": ({}, CHANGERS),
    "jobs/acme/{job}/retry/": ({}, CHANGERS),
    "jobs/acme/{job}/pause/": ({}, CHANGERS),
    "jobs/acme/{job}/resume/": ({}, CHANGERS),
    "jobs/acme/{job}/cancel/": ({"confirmed": "yes"}, CHANGERS),
    "jobs/acme/{export}/delete-file/": ({"confirmed": "yes"}, CHANGERS),
    "voiceprints/library/add/": ({"org_id": "new"}, CHANGERS),
    "voiceprints/library/{library}/change/": ({"name": "Staff"}, CHANGERS),
    "voiceprints/speaker/{speaker}/change/": ({"info": "Reception"}, CHANGERS),
    "libraries/{library}/enroll/": ({"external_id": "new"}, CHANGERS),
    "speakers/{speaker}/recordings/": ({}, CHANGERS),
    "speakers/{speaker}/recordings/{utterance}/replace/": ({}, CHANGERS),
    "speakers/{speaker}/consent/": ({"reference": "form 17"}, CHANGERS),
    "retention/acme/recordings/": ({"kept": "forever", "confirmed": "yes"}, OWNERS),
    "retention/acme/libraries/{library}/": ({"kept": "tenant", "confirmed": "yes"}, OWNERS),
    "tenants/credential/{credential}/change/": ({"enabled": "on"}, OWNERS),
    "tenants/membership/{membership}/change/": ({"role": "auditor"}, OWNERS),
    "tenants/credential/add/": ({"key_id": "another"}, OWNERS),
    "tenants/accesstoken/add/": ({"scopes": ["read"]}, OWNERS),
    "tenants/accesstoken/{token}/change/": ({"label": "new"}, OWNERS),
    "tenants/accesstoken/{token}/delete/": ({"post": "yes"}, OWNERS),
    "tenants/credential/{credential}/rotate/": ({"overlap_hours": "1"}, OWNERS),
    "tenants/membership/{membership}/delete/": ({"post": "yes"}, OWNERS),
    "tenants/invitation/add/": ({"role": "viewer", "days": "3"}, OWNERS),
    "tenants/invitation/{invitation}/delete/": ({"post": "yes"}, OWNERS),
    "voiceprints/speaker/{speaker}/recordings/{utterance}/delete/": ({"confirmed": "yes"}, CHANGERS),
    "voiceprints/speaker/{speaker}/delete/": ({"confirmed": "yes"}, CHANGERS),
    "voiceprints/library/{library}/delete/": ({"confirmed": "yes", "typed": "acme / staff"}, CHANGERS),
}
MEMBERS_OF_ACME = ["owner", "operator", "auditor", "viewer"]


def address(template: str, rows: SimpleNamespace) -> str:
    return "/console/" + template.format(**{name: row.pk for name, row in vars(rows).items()})


def answer(response) -> str:
    if response.streaming:
        list(response)
    location = response.headers.get("Location", "")
    if response.status_code == 404 or location == "/console/":
        return "not found"
    if response.status_code == 403:
        return "forbidden"
    return "login" if location.startswith("/console/login/") else "allowed"


def expected(allowed: dict[str, set[str]], who: str) -> dict[str, str]:
    return {page: "allowed" if who in roles else "forbidden" for page, roles in allowed.items()}


@pytest.mark.parametrize("who", ["staff", *MEMBERS_OF_ACME])
def test_a_role_opens_what_the_table_says(who, client_of, acme_rows):
    client = client_of(who)
    table = LISTS | ROWS
    assert {page: answer(client.get(address(page, acme_rows))) for page in table} == expected(table, who)


@pytest.mark.parametrize("who", MEMBERS_OF_ACME)
def test_a_role_does_what_the_table_says(who, client_of, acme_rows):
    client = client_of(who)
    answers = {page: answer(client.post(address(page, acme_rows), data)) for page, (data, _) in DEEDS.items()}
    assert answers == expected({page: roles for page, (_, roles) in DEEDS.items()}, who)


def test_nobody_comes_in_without_signing_in(client_of, acme_rows):
    client = client_of("nobody")
    assert {answer(client.get(address(page, acme_rows))) for page in LISTS | ROWS} == {"login"}


def test_another_tenant_finds_nothing_of_acme(client_of, acme_rows):
    client = client_of("globex")
    assert {answer(client.get(address(page, acme_rows))) for page in ROWS} == {"not found"}


def test_another_tenant_changes_nothing_of_acme(client_of, acme_rows):
    client = client_of("globex")
    deeds = {page: data for page, (data, _) in DEEDS.items() if "{" in page}
    assert {answer(client.post(address(page, acme_rows), data)) for page, data in deeds.items()} == {"not found"}


@pytest.mark.parametrize("page", ROWS)
def test_what_another_tenant_has_looks_like_what_never_was(page, globex, acme_rows):
    user = member(globex, Role.OWNER).user
    nothing = SimpleNamespace(**{name: SimpleNamespace(pk=10**9 + row.pk) for name, row in vars(acme_rows).items()})
    assert reply(signed_in(user), page, acme_rows) == reply(signed_in(user), page, nothing)


PLATFORMS_OWN = ["tenants/tenant", "auth/user", "tenants/cleanuprun", "django_celery_beat/periodictask"]


@pytest.mark.parametrize("table", PLATFORMS_OWN)
def test_whoever_may_see_no_history_is_not_told_of_what_there_is_one(table, client_of, acme, acme_rows):
    there = apps.get_model(table.replace("/", "."))._default_manager.order_by("pk").last() or SimpleNamespace(pk=1)
    client = client_of("globex")
    told = {answer(client.get(f"/console/{table}/{number}/history/")) for number in (there.pk, 10**9)}
    assert told == {"forbidden"}


def reply(client: Client, page: str, rows: SimpleNamespace) -> tuple[int, str, list[str]]:
    response = client.get(address(page, rows))
    said = [str(message) for message in get_messages(response.wsgi_request)]
    for name, row in vars(rows).items():
        said = [re.sub(rf"\b{row.pk}\b", name, text) for text in said]
    return response.status_code, response.headers.get("Location", ""), said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Speaker with ID “7” doesn’t exist. Perhaps it was deleted?"),
        ("zh-cn", "没有 ID 为“7”的说话人。可能已被删除。"),
    ],
)
def test_of_what_is_not_there_a_whole_sentence_tells(language, said, client_of):
    page = client_of("owner").get(
        "/console/voiceprints/speaker/7/change/", follow=True, headers={"accept-language": language}
    )
    assert said in page.content.decode()


WRONG_METHODS = ["put", "patch", "delete", "options", "trace"]


@pytest.mark.parametrize("method", WRONG_METHODS)
def test_no_address_of_the_console_takes_another_method_than_pages_and_forms_do(method, client_of, acme_rows):
    client, addresses = client_of("staff"), {address(page, acme_rows) for page in LISTS | ROWS | DEEDS}
    others = {"/console/login/", "/console/logout/", "/console/join/", "/console/language", "/console/password_change/"}
    answers = {page: getattr(client, method)(page) for page in addresses | others}
    assert {page: reply.status_code for page, reply in answers.items() if reply.status_code != 405} == {}
    assert all("There is nothing to see here" in reply.content.decode() for reply in answers.values())


@pytest.mark.parametrize("listing", ["voiceprints/library/", "voiceprints/speaker/", "tenants/credential/"])
def test_lists_searches_and_filters_show_own_rows_only(listing, client_of, acme_rows):
    client = client_of("globex")
    texts = ["alice", "acme", acme_rows.credential.key_id]
    for query in ["", "?q=a", f"?library={acme_rows.library.pk}", "?org=acme"]:
        page = client.get(f"/console/{listing}{query}").content.decode().replace(query.removeprefix("?"), "")
        assert not [text for text in texts if f">{text}" in page]


def test_a_posted_selection_of_anothers_rows_does_nothing(client_of, acme, acme_rows):
    client = client_of("globex")
    selection = {"action": "delete_selected", "_selected_action": [acme_rows.speaker.pk], "confirmed": "yes"}
    client.post("/console/voiceprints/speaker/", selection)
    assert client_of("owner").get(address("voiceprints/speaker/{speaker}/change/", acme_rows)).status_code == 200


@pytest.mark.parametrize("who", ["auditor", "viewer"])
def test_readers_get_no_bulk_actions(who, client_of, acme_rows):
    client = client_of(who)
    for listing, row in [("library", acme_rows.library), ("speaker", acme_rows.speaker)]:
        selection = {"action": "delete_selected", "_selected_action": [row.pk], "confirmed": "yes"}
        client.post(f"/console/voiceprints/{listing}/", selection)
    assert client.get(address("voiceprints/speaker/{speaker}/change/", acme_rows)).status_code == 200


@pytest.mark.parametrize(("who", "hears"), [("operator", True), ("auditor", False), ("viewer", False)])
def test_only_those_who_may_listen_see_a_player(who, hears, client_of, acme_rows):
    page = client_of(who).get(address("voiceprints/speaker/{speaker}/change/", acme_rows)).content.decode()
    assert ("<audio" in page) is hears
