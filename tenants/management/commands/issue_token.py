from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.utils import timezone

from tenants.management.base import AttributedCommand, in_one_line, tenant_named, token_as_json
from tenants.models import Scope
from tenants.services import issue_token

# A secret path has a command of its own, which prints its whole address.
OFFERED_SCOPES = [scope for scope in Scope if scope != Scope.PATH]


class Command(AttributedCommand):
    help = "Issue an access token for a tenant's clients of the REST API; print it as one JSON object, this once only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("--scopes", nargs="+", required=True, choices=[str(scope) for scope in OFFERED_SCOPES])
        parser.add_argument("--expires", type=moment, help="such as 2027-01-31 or 2027-01-31T08:00:00+08:00")
        parser.add_argument("--label", default="")

    def handle(self, *args: Any, tenant: str, scopes: list[str], label: str, **options: Any) -> str:
        try:
            issued, plain = issue_token(tenant_named(tenant), scopes=scopes, label=label, expires=options["expires"])
        except ValidationError as error:
            raise in_one_line(error) from None
        return token_as_json(issued, plain=plain)


def moment(text: str) -> datetime:
    """A date begins at midnight here, as a time without an offset is one here."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("a date or a date and time") from None
    given = given if given.tzinfo else timezone.make_aware(given)
    if given <= timezone.now():
        raise ArgumentTypeError("a moment to come")
    return given
