"""What to paste into a client, per dialect: the room's own snippets, with the address and the keys of a tenant in them.

A room keeps them in `snippets/`, one file a language, such as `client.py.txt`. What stands between two @ is replaced,
as a literal of that language. `opens_with` of its app says what its clients come in with, if it is no key pair.

In `snippets/try/` lies how its clients ask for what was tried in the console: `identify.sh.txt` and `verify.sh.txt`, as
far as they can. `reaches` of its app says whom they can name: a pattern for organisation/tag/speaker.
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
from voiceprints.results import LibraryKey

CREDENTIAL = "credential"
ANYBODY = r"(?s:.*)"
YOURS = {"key_id": "YOUR_KEY_ID", "secret": "YOUR_SECRET", "token": "YOUR_TOKEN"}
"""What is shown nowhere but once, and so is left to be filled in."""
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


def tryout_setups(tenant: Tenant, key: LibraryKey, claimed: str | None, base_url: str) -> list[ClientSetup]:
    """How the clients of each dialect would ask who speaks in this library, or whether it is who is `claimed`.

    Dialects that cannot ask it, or not about these names, are left out.
    """
    question = "identify" if claimed is None else "verify"
    asked = {"org_id": key.org_id, "tag_id": key.tag_id, "external_id": claimed or ""}
    values = asked | YOURS | {"app_id": tenant.app_id, "base_url": base_url}
    named = "/".join(asked.values())
    rooms = {dialect: apps.get_app_config(dialect) for dialect in settings.DIALECTS}
    files = {dialect: Path(room.path) / "snippets" / "try" / f"{question}.sh.txt" for dialect, room in rooms.items()}
    return [
        ClientSetup(dialect, str(room.verbose_name), tenant.speaks(dialect), (_filled_in(files[dialect], values),))
        for dialect, room in rooms.items()
        if files[dialect].is_file() and re.fullmatch(getattr(room, "reaches", ANYBODY), named)
    ]


def snippets_of(room: AppConfig, values: Mapping[str, str]) -> tuple[Snippet, ...]:
    files = sorted((Path(room.path) / "snippets").glob("*.txt"), reverse=True)
    return tuple(_filled_in(file, values) for file in files)


def _filled_in(file: Path, values: Mapping[str, str]) -> Snippet:
    language, literal = LANGUAGES[Path(file.stem).suffix]
    return Snippet(language, BLANK.sub(lambda blank: literal(values[blank[1].lower()]), file.read_text().rstrip()))
