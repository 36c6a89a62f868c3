from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from tenants import guessing, second_factors
from tenants.management.base import AttributedCommand


class Command(AttributedCommand):
    help = "Lift the lock-out of a console user and, if asked to, turn off the two-factor sign-in of who lost the app."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_name")
        parser.add_argument("--without-second-factor", action="store_true")

    def handle(self, *args: Any, user_name: str, without_second_factor: bool, **options: Any) -> str:
        user = get_user_model().objects.filter(username=user_name).first()
        if user is None:
            raise CommandError(f"there is no user {user_name!r}")
        guessing.lift_of(user)
        if not without_second_factor:
            return f"{user_name}: no longer locked out"
        second_factors.turn_off(user)
        return f"{user_name}: no longer locked out, signs in with the password alone"
