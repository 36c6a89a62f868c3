"""How much a tenant uses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api.native.auth import ADMIN
from api.native.operations import Strict, operation
from api.native.viewsets import NativeViewSet
from tenants.context import acting_as
from tenants.latency import BOUNDS_MS
from tenants.models import Operation, UsageDay
from tenants.usage import Period

DAYS_BY_DEFAULT, MOST_DAYS = 30, 92


class UsageQuery(Strict):
    """The names of the parameters are no names in Python."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {
            "from": serializers.DateField(
                required=False, help_text=f"The first day. Without it, {DAYS_BY_DEFAULT} days until the last."
            ),
            "to": serializers.DateField(
                required=False, help_text=f"The last day, at most {MOST_DAYS - 1} after the first. Without it, today."
            ),
        }

    def validate(self, attrs: dict[str, Any]) -> Any:
        last = attrs.get("to") or timezone.localdate()
        first = attrs.get("from") or _earlier(last, days=DAYS_BY_DEFAULT - 1)
        period = Period(first, last)
        if not 1 <= period.length <= MOST_DAYS:
            raise ValidationError({"from": [f"Must lie 0 to {MOST_DAYS - 1} days before `to`."]})
        return {"period": period}


class UsedReply(serializers.Serializer[UsageDay]):
    """`outcome` is accepted or rejected for verify and identify, refused or failed with a `reason`, else ok."""

    day = serializers.DateField()
    operation = serializers.ChoiceField([str(one) for one in Operation.values])
    interface = serializers.CharField(source="dialect", help_text="`jobs`: done by jobs; `console`: by people there.")
    outcome = serializers.ChoiceField([str(one) for one in UsageDay.Outcome.values])
    reason = serializers.CharField(help_text="Empty unless refused or failed.")
    count = serializers.IntegerField()
    latency = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="How many took at most as long as each of `latency_bounds_ms`; the last, how many took longer.",
    )


class UsageReply(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {
            "from": serializers.DateField(source="first"),
            "to": serializers.DateField(source="last"),
            "time_zone": serializers.CharField(help_text="In which a day begins at midnight."),
            "latency_bounds_ms": serializers.ListField(child=serializers.IntegerField()),
            "items": UsedReply(many=True),
        }


class UsageViewSet(NativeViewSet):
    tag = "usage"
    operations = {"show": Operation.READ}

    @operation("Get the usage", ADMIN, query=UsageQuery, reply=UsageReply)
    def show(self, request: Request) -> Response:
        """How often was asked for what, per day. The last seconds may be missing."""
        period: Period = self.query["period"]
        with acting_as(self.tenant):
            used = list(period.of(self.tenant.usage_days.all()))
        return self.reply(
            {
                "first": period.first,
                "last": period.last,
                "time_zone": timezone.get_default_timezone_name(),
                "latency_bounds_ms": BOUNDS_MS,
                "items": used,
            }
        )


def _earlier(day: Any, *, days: int) -> Any:
    """No day comes before the first of the calendar."""
    return max(day, type(day).min + timedelta(days=days)) - timedelta(days=days)
