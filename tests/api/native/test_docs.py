"""What docs/api.md says works as it stands there."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess

import httpx
import pytest
from django.conf import settings

from api.native.errors import ANSWERS
from tenants.services import issue_token
from tests.api.native.client import EVERYTHING
from tests.cast import KEN, LIBRARY, audio
from voiceprints.services import enroll

PAGE = (settings.BASE_DIR / "docs" / "api.md").read_text()


def examples(language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.django_db(transaction=True)
def test_the_examples_in_python_run(acme, live_server, monkeypatch):
    _, token = issue_token(acme, scopes=EVERYTHING)
    monkeypatch.setenv("OPENVPR", live_server.url)
    monkeypatch.setenv("OPENVPR_TOKEN", token)
    monkeypatch.chdir(settings.BASE_DIR)
    monkeypatch.setattr(httpx, "Client", functools.partial(httpx.Client, trust_env=False, timeout=60))
    names: dict = {"__name__": "examples"}
    try:
        exec(examples("python"), names)
    finally:
        names["client"].close()


@pytest.mark.django_db(transaction=True)
def test_the_examples_for_curl_run(acme, live_server, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    _, token = issue_token(acme, scopes=EVERYTHING)
    kept = enroll(acme, LIBRARY, "ken", [audio(KEN, 1), audio(KEN, 2)])
    numbers = {
        "LIBRARY": str(kept.speaker.library_id),
        "SPEAKER": str(kept.speaker.pk),
        "UTTERANCE": str(kept.utterances[0].pk),
    }
    (tmp_path / "voiceprints").symlink_to(settings.BASE_DIR / "voiceprints")
    known = {"OPENVPR": live_server.url, "OPENVPR_TOKEN": token, "NO_PROXY": "*", **numbers}
    script = "set -e\n" + examples("sh")
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=os.environ | known, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "beginning.flac").read_bytes()[:4] == b"fLaC"


def test_every_problem_is_listed():
    named = {problem.name for problem in ANSWERS.values()}
    assert {name for name in named if f"`{name}`" not in PAGE} == set()
