from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from tenants.management.base import AttributedCommand, in_one_line, tenant_named
from tenants.models import Tenant
from tenants.quotas import Quota, bytes_in, set_quotas
from voiceprints.quotas import standings_of

NO_LIMIT = "none"


class Command(AttributedCommand):
    help = "Show what a tenant may have and do at most and how much of it is used, or set it."

    def add_arguments(self, parser: CommandParser) -> None:
        whats = parser.add_subparsers(dest="what", required=True)
        whats.add_parser("show", help="as one JSON object").add_argument("tenant")
        setting = whats.add_parser("set", help="what is given; everything else stays as it is")
        setting.add_argument("tenant")
        for quota in Quota:
            add_limit(setting, quota)

    def handle(self, *args: Any, what: str, tenant: str, **options: Any) -> str:
        owner = tenant_named(tenant)
        if what == "set":
            change(owner, {quota: options[quota.value] for quota in Quota if options[quota.value] is not None})
        return as_json(owner)


def add_limit(parser: ArgumentParser, quota: Quota) -> None:
    form = size if quota is Quota.STORAGE_BYTES else number
    flag = f"--{quota.value.replace('_', '-')}"
    parser.add_argument(flag, type=form, metavar="N", help=f"a number, such as 50GB for storage, or {NO_LIMIT!r}")


def change(tenant: Tenant, given: dict[Quota, int | str]) -> None:
    """Raises CommandError."""
    if not given:
        raise CommandError("say what to set")
    try:
        set_quotas(tenant, {quota: None if limit == NO_LIMIT else int(limit) for quota, limit in given.items()})
    except ValidationError as error:
        raise in_one_line(error) from None


def as_json(tenant: Tenant) -> str:
    standings = {
        one.quota.value: {"limit": one.limit, "used": one.used, "remaining": one.remaining}
        for one in standings_of(tenant)
    }
    return json.dumps({"tenant": tenant.slug} | standings)


def number(text: str) -> int | str:
    if text != NO_LIMIT and not text.isdecimal():
        raise ArgumentTypeError(f"a number, or {NO_LIMIT!r}")
    return text if text == NO_LIMIT else int(text)


def size(text: str) -> int | str:
    try:
        return text if text == NO_LIMIT else bytes_in(text)
    except ValueError:
        raise ArgumentTypeError(f"bytes, such as 50GB, or {NO_LIMIT!r}") from None
