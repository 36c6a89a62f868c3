"""What the console offers to paste runs as it stands, in every dialect and language."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client

from config.client_setups import client_setups
from tenants.models import Role, Scope
from tenants.services import issue_credential, issue_token, known_credential
from tests.api.dolphin.client import said
from tests.console.people import member, signed_in

WORKS = {
    "abcpen": r'"?spk_name"?\W+tryout_speaker',
    "iflytek": r'tryout_speaker|("code":0\b(.|\n)*){3}',
    "jdcloud": r"10000(.|\n)*10000(.|\n)*10000",
    "speakin": r"vecId(.|\n)*vecId|cmpVecId\W+[\w-]{36}",
    "dolphin": r'00000(.|\n)*confidence"?\W+0\.\d+',
    "native": r'"?accepted"?\W+[Tt]rue(.|\n)*tryout_speaker',
}
FAILED = r"Traceback|hasError\W+[Tt]rue|\"code\":\"10[1-9]"


@pytest.fixture
def pasted(live_server, tmp_path, acme):
    for number in (1, 2, 3, 4):
        (tmp_path / f"{number}.wav").write_bytes(said("susan", number))
    # What a shell or Python would take apart is kept together.
    credential = issue_credential(acme, key_id="it's-$HOME\\n", secret="s'e\"c$r`e\\t!")
    values = {"key_id": credential.key_id, "secret": credential.secret, "base_url": live_server.url}

    def run(dialect: str, language: str) -> str:
        token = issue_token(acme, scopes=[Scope.PATH if dialect == "dolphin" else Scope.ADMIN])[1]
        setups = client_setups(acme, {"credential", "token", "path"}, token=token, **values)
        setup = next(one for one in setups if one.dialect == dialect)
        text = next(snippet.text for snippet in setup.snippets if snippet.language == language)
        command = [sys.executable, "-c", text] if language == "Python" else ["sh", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["curl", "Python"])
@pytest.mark.parametrize("dialect", settings.DIALECTS)
def test_what_is_pasted_enrolls_and_recognises(dialect, language, pasted):
    said_back = pasted(dialect, language)
    assert re.search(WORKS[dialect], said_back), said_back
    assert not re.search(FAILED, said_back), said_back


@pytest.mark.parametrize("dialect", settings.DIALECTS)
def test_what_is_pasted_replaces_nobody_whom_the_first_steps_enroll(dialect):
    first_steps = (settings.BASE_DIR / "README.md").read_text()
    taken = set(re.findall(r"(?:org_id|spk_name|external_id)=(\w+)", first_steps))
    assert {"demo", "susan", "ken"} <= taken
    snippets = (Path(apps.get_app_config(dialect).path) / "snippets").glob("*.txt")
    assert not taken & set(re.findall(r"\w+", "".join(file.read_text() for file in snippets)))


@pytest.mark.parametrize("dialect", settings.DIALECTS)
def test_every_dialect_brings_its_own(dialect):
    room = apps.get_app_config(dialect)
    assert room.verbose_name != dialect.title()
    assert room.name == f"api.{dialect}"


@pytest.mark.django_db
def test_the_shown_once_page_has_the_secret_in_place_and_later_pages_have_not(acme, settings):
    settings.PUBLIC_URL = "https://voice.example.com"
    client = signed_in(member(acme, Role.OWNER).user)
    page = client.post(
        "/console/tenants/credential/add/", {"key_id": "mine", "secret": "a-very-long-secret"}, follow=True
    )
    text = page.content.decode()
    assert text.count("a-very-long-secret") > 8
    assert "https://voice.example.com" in text
    credential = known_credential("mine")
    later = client.get(f"/console/tenants/credential/{credential.pk}/clients/").content.decode()
    assert "a-very-long-secret" not in later
    assert "YOUR_SECRET" in later
    assert "mine" in later


@pytest.mark.django_db
def test_a_token_comes_with_what_its_scopes_open(acme):
    client = signed_in(member(acme, Role.OWNER).user)
    add = "/console/tenants/accesstoken/add/"
    shown = {
        scope: client.post(add, {"scopes": [scope], "expires_0": "", "expires_1": ""}).content.decode()
        for scope in ("read", "path")
    }
    assert re.findall(r'data-dialect="(\w+)"', shown["read"]) == ["native"]
    assert re.findall(r'data-dialect="(\w+)"', shown["path"]) == ["dolphin"]
    token = re.search(r'<code id="token"[^>]*>([^<]+)', shown["path"])[1].strip()
    assert f"/dolphin/{token}" in shown["path"]


@pytest.mark.django_db
def test_an_owner_chooses_the_interfaces_and_others_are_refused(acme, acme_credential):
    client = signed_in(member(acme, Role.OWNER).user)
    page = "/console/tenants/credential/interfaces/"
    assert client.get(page).content.decode().count(" checked>") == len(settings.DIALECTS)
    client.post(page, {"dialects": ["native", "speakin"]})
    acme.refresh_from_db()
    assert acme.dialects == ["native", "speakin"]
    shown = client.get(f"/console/tenants/credential/{acme_credential.pk}/clients/").content.decode()
    assert shown.lower().count("not enabled") == 3
    client.post(page, {"dialects": settings.DIALECTS})
    acme.refresh_from_db()
    assert acme.dialects == []
    assert "This field is required" in client.post(page, {"csrfmiddlewaretoken": ""}).content.decode()


@pytest.mark.django_db
def test_globex_changes_none_of_acmes_interfaces(acme, globex):
    signed_in(member(globex, Role.OWNER).user).post(
        "/console/tenants/credential/interfaces/", {"dialects": ["native"], "tenant": acme.pk}
    )
    acme.refresh_from_db()
    assert acme.dialects == []
    assert Client().post("/console/tenants/credential/interfaces/", {"dialects": ["native"]}).status_code == 302
