from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from tenants.context import acting_as_platform
from tenants.management.base import AttributedCommand


class Command(AttributedCommand, createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as_platform():
            super().handle(*args, **options)
