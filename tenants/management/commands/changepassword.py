from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword

from tenants.context import acting_as_platform
from tenants.management.base import AttributedCommand


class Command(AttributedCommand, changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        with acting_as_platform():
            return super().handle(*args, **options)
