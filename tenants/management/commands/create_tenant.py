from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from tenants.management.base import AttributedCommand, as_json, in_one_line
from tenants.services import create_tenant


class Command(AttributedCommand):
    help = "Open a tenant and print its first credential as one JSON object. The secret is not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", default="")
        parser.add_argument("--app-id", default="")

    def handle(self, *args: Any, slug: str, name: str, app_id: str, **options: Any) -> str:
        try:
            return as_json(create_tenant(slug, name=name, app_id=app_id))
        except ValidationError as error:
            raise in_one_line(error) from None
