"""A dialect more is a folder in `api/` and one word in the settings, and keeps the contract with what all share."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from pathlib import Path

import pytest
from django.conf import settings as ours
from django.urls import clear_url_caches

import api
import config.urls
from tests.api.contract import DONE, Contract, Told

ROOMS = Path(__file__).parent / "rooms"
OUTSIDE = [
    "config",
    "tenants",
    "voiceprints",
    "audio",
    "templates",
    "api/protocol.py",
    "api/bodies.py",
    "api/scores.py",
]


@pytest.fixture
def toy_room(settings, monkeypatch):
    """As if the folder lay in `api/` and its name stood in DIALECTS."""
    monkeypatch.setattr(api, "__path__", [*api.__path__, str(ROOMS)])
    settings.DIALECTS = [*ours.DIALECTS, "toy"]
    settings.INSTALLED_APPS = [*ours.INSTALLED_APPS, "api.toy"]
    serve_dialects()
    yield
    settings.DIALECTS = settings.DIALECTS[:-1]
    serve_dialects()
    for name in [name for name in sys.modules if name.startswith("api.toy")]:
        del sys.modules[name]


def serve_dialects():
    importlib.reload(config.urls)
    clear_url_caches()


@pytest.mark.parametrize("dialect", [dialect for dialect in ours.DIALECTS if dialect != "native"])
def test_one_line_outside_its_folder_names_a_dialect(dialect):
    files = [path for place in OUTSIDE for path in all_files(ours.BASE_DIR / place)]
    lines = [line for path in files for line in path.read_text().splitlines() if re.search(rf"(?i)\b{dialect}\b", line)]
    assert [line.split(" = ")[0] for line in lines] == ["DIALECTS"]


def all_files(place: Path) -> list[Path]:
    suffixes = {".py", ".html", ".js", ".css"}
    return [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in suffixes]


class Speaking:
    def __init__(self, client, credential) -> None:
        self.client, self.key_id, self.secret = client, credential.key_id, credential.secret

    def ask(self, method, path, content=b"", secret=None):
        digest = hashlib.sha256((secret or self.secret).encode()).hexdigest()
        headers = {"X-Toy-Key": self.key_id, "X-Toy-Digest": digest}
        reply = self.client.generic(method, f"/toy/{path}", content, "audio/ogg", headers=headers).json()
        return Told(reply["toy"], reply.get("value"))

    def enroll(self, name, *utterances):
        return self.ask("POST", f"speakers/{name}", *utterances)

    def verify(self, name, probe):
        return self.ask("POST", f"speakers/{name}/verify", probe)

    def best(self, probe):
        return self.ask("POST", "identify", probe)

    def listed(self):
        return self.ask("GET", "speakers")

    def counted(self):
        return Told(DONE, len(self.listed().value))

    def delete(self, name):
        return self.ask("DELETE", f"speakers/{name}")

    def badly_signed(self):
        return self.ask("GET", "speakers", secret="another")


@pytest.mark.django_db
class TestContract(Contract):
    lacks = frozenset({"dates", "disagreement"})

    @pytest.fixture
    def us(self, toy_room, client, acme_credential):
        return Speaking(client, acme_credential)

    @pytest.fixture
    def them(self, toy_room, client, globex_credential):
        return Speaking(client, globex_credential)
