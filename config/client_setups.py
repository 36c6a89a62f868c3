"""What to paste into a client, per dialect: the room's own snippets, with the address and the keys of a tenant in them.

A room keeps them in `snippets/`, one file a language, such as `client.py.txt`. What stands between two @ is replaced,
as a literal of that language. `opens_with` of its app says what its clients come in with, if it is no key pair.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.apps import AppConfig, apps
from django.conf import settings

from tenants.models import Tenant

CREDENTIAL = "credential"
LANGUAGES: dict[str, tuple[str, Callable[[str], str]]] = {".py": ("Python", repr), ".sh": ("curl", shlex.quote)}
BLANK = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True)
class Snippet:
    language: str
    text: str


@dataclass(frozen=True)
class ClientSetup:
    dialect: str
    name: str
    allowed: bool
    snippets: tuple[Snippet, ...]


def client_setups(tenant: Tenant, opens_with: Collection[str], **values: str) -> list[ClientSetup]:
    """Of the dialects whose clients come in with one of these; the tenant's own application id is filled in."""
    known = values | {"app_id": tenant.app_id}
    rooms = {dialect: apps.get_app_config(dialect) for dialect in settings.DIALECTS}
    return [
        ClientSetup(dialect, str(room.verbose_name), tenant.speaks(dialect), snippets_of(room, known))
        for dialect, room in rooms.items()
        if getattr(room, "opens_with", CREDENTIAL) in opens_with
    ]


def dialect_names() -> dict[str, str]:
    return {dialect: str(apps.get_app_config(dialect).verbose_name) for dialect in settings.DIALECTS}


def snippets_of(room: AppConfig, values: Mapping[str, str]) -> tuple[Snippet, ...]:
    files = sorted((Path(room.path) / "snippets").glob("*.txt"), reverse=True)
    return tuple(_filled_in(file, values) for file in files)


def _filled_in(file: Path, values: Mapping[str, str]) -> Snippet:
    language, literal = LANGUAGES[Path(file.stem).suffix]
    return Snippet(language, BLANK.sub(lambda blank: literal(values[blank[1].lower()]), file.read_text().rstrip()))
