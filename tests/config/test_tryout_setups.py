"""What a page offers for asking the same as a client runs once keys are filled in, whatever names are in it."""

from __future__ import annotations

import re
import subprocess

import pytest
from django.conf import settings

from config.client_setups import YOURS, tryout_setups
from tenants.models import Scope
from tenants.services import issue_credential, issue_token
from tests.api.dolphin.client import said
from tests.cast import audio
from voiceprints import services
from voiceprints.results import LibraryKey

QUAINT = LibraryKey("o'rg $HOME;x", 'ta"g `@')
ASKED = {
    "native": (QUAINT, "su'san;\\", {"identify": r'"accepted":true', "verify": r'"accepted":true'}),
    "abcpen": (QUAINT, "su'san;\\", {"identify": r'"spk_name":"su\'san'}),
    "iflytek": (LibraryKey("demo"), "susan", {"identify": r'"code":0\b', "verify": r'"code":0\b'}),
    "jdcloud": (LibraryKey("demo"), "susan", {"verify": r'"code":"?10000'}),
    "dolphin": (LibraryKey("7"), "susan", {"identify": r'"status":"00000"', "verify": r'"status":"00000"'}),
    "speakin": (LibraryKey("speakin"), "susan", {"verify": r'"hasError":false'}),
}
PAIRS = [(dialect, question) for dialect, (*_, answers) in ASKED.items() for question in answers]


def offered(tenant, key, claimed, base_url="http://here") -> dict[str, str]:
    return {setup.dialect: setup.snippets[0].text for setup in tryout_setups(tenant, key, claimed, base_url)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("dialect", "question"), PAIRS)
def test_what_is_offered_asks_what_was_asked(dialect, question, acme, live_server, tmp_path):
    key, name, answers = ASKED[dialect]
    services.enroll(acme, key, name, [audio("susan", 1), audio("susan", 2)])
    (tmp_path / "recording.wav").write_bytes(said("susan", 4))
    text = offered(acme, key, None if question == "identify" else name, live_server.url)[dialect]
    credential = issue_credential(acme)
    token = issue_token(acme, scopes=[Scope.PATH if dialect == "dolphin" else Scope.RECOGNISE])[1]
    given = {"key_id": credential.key_id, "secret": credential.secret, "token": token}
    for blank, value in given.items():
        text = text.replace(YOURS[blank], value)
    done = subprocess.run(["sh", "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(answers[question], done.stdout), done.stdout


@pytest.mark.django_db
def test_dialects_that_cannot_ask_it_are_left_out(acme):
    assert set(offered(acme, QUAINT, None)) == {"native", "abcpen"}
    assert set(offered(acme, QUAINT, "anybody")) == {"native"}
    assert set(offered(acme, LibraryKey("demo", "tag"), "susan")) == {"native"}
    assert set(offered(acme, LibraryKey("demo"), "susan")) == {"native", "iflytek", "jdcloud"}


@pytest.mark.django_db
def test_a_dialect_that_the_tenant_may_not_use_says_so(acme):
    acme.dialects = ["abcpen"]
    allowed = {setup.dialect: setup.allowed for setup in tryout_setups(acme, QUAINT, None, "http://here")}
    assert allowed == {"native": False, "abcpen": True}


def test_every_dialect_can_ask_something():
    assert {dialect for dialect, _ in PAIRS} == set(settings.DIALECTS)
