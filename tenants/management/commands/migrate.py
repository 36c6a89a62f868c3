"""Django's, which would make tables of a version that this one does not follow into something that neither knows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as Migrate
from django.db import connections
from django.db.migrations.loader import MigrationLoader


class Command(Migrate):
    def handle(self, *args: Any, **options: Any) -> None:
        refuse_other_version(options["database"])
        super().handle(*args, **options)


def refuse_other_version(database: str) -> None:
    """Raises CommandError where the tables have seen migrations that are none of ours."""
    loader = MigrationLoader(connections[database])
    missing = loader.applied_migrations.keys() - loader.disk_migrations.keys()
    # Of an app that is not here any more nothing is known, nor changed.
    unknown = sorted(node for node in missing if node[0] in loader.migrated_apps)
    if unknown:
        raise CommandError(
            f"the database was last used by another OpenVPR, which had {'.'.join(unknown[0])} and "
            f"{len(unknown) - 1} other migrations that this one does not know. Nothing was changed. "
            "Start it with that version or a newer one"
        )
