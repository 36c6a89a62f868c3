"""Having PostgreSQL clear away what was removed, which lies in the files of the tables until then, seen by no query."""

from __future__ import annotations

from django.apps import apps
from django.db import connection
from django.utils import timezone

from tenants.context import acting_as_platform
from tenants.models import Tenant
from voiceprints.models import Erasure

VACUUM, VACUUM_FULL = "VACUUM", "VACUUM (FULL)"


def vacuum_erased(*, full: bool = False) -> int:
    """After erasures that were done since the last time; returns how many."""
    with acting_as_platform():
        waiting = Erasure.all_tenants.filter(state=Erasure.State.DONE, vacuumed=None)
        done = list(waiting.values_list("pk", flat=True))
    if done:
        vacuum(full=full)
    with acting_as_platform():
        Erasure.all_tenants.filter(pk__in=done).update(vacuumed=timezone.now())
    return len(done)


def vacuum(*, full: bool = False) -> None:
    """Every table of tenants, one after the other, outside of any transaction.

    In full it writes each table anew, and nobody can use the table meanwhile.
    """
    command = VACUUM_FULL if full else VACUUM
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f"{command} {connection.ops.quote_name(table)}")


def tables() -> list[str]:
    """Those with rows of tenants."""
    return sorted(model._meta.db_table for model in apps.get_models() if _is_of_tenants(model))


def _is_of_tenants(model: type) -> bool:
    columns = {getattr(field, "attname", "") for field in model._meta.get_fields()}  # type: ignore[attr-defined]
    return model is Tenant or "tenant_id" in columns
