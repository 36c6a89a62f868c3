"""What this room forgets of somebody who is erased: answers kept for repetitions that name them."""

from __future__ import annotations

import re

from django.db.models import F, Q, QuerySet, Value
from django.db.models.expressions import Func
from django.db.models.fields import BinaryField, IntegerField
from rest_framework.renderers import JSONRenderer

from api.native.models import KeptAnswer
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import traces


def register() -> None:
    traces.kept_elsewhere("kept_answers", forget, keeps)


def forget(tenant: Tenant, external_id: str | None) -> int:
    """Answers in which the id stands, and those to keys that clients made of it; for None all."""
    with acting_as(tenant):
        kept = tenant.kept_answers.all() if external_id is None else _naming(tenant, external_id)
        forgotten, _ = kept.delete()
    return forgotten


def keeps(tenant: Tenant, external_id: str) -> bool:
    with acting_as(tenant):
        # Who is refused says whom they asked for, and not that there is anybody.
        return _naming(tenant, external_id).filter(status__lt=400).exists()


def _naming(tenant: Tenant, external_id: str) -> QuerySet[KeptAnswer]:
    written = JSONRenderer().render(external_id)
    place = Func(Value(written, BinaryField()), F("body"), template="position(%(expressions)s)", arg_joiner=" in ")
    place.output_field = IntegerField()
    in_key = rf"(^|[^0-9A-Za-z]){re.escape(external_id)}([^0-9A-Za-z]|$)"
    named: QuerySet[KeptAnswer] = tenant.kept_answers.alias(place=place).filter(Q(place__gt=0) | Q(key__regex=in_key))
    return named.exclude(status=None)
