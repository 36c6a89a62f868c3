"""How much of its quotas a tenant has used."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.native.auth import READ
from api.native.operations import operation
from api.native.viewsets import NativeViewSet
from tenants.quotas import Quota, Standing
from tenants.rates import seconds_left_today
from voiceprints.quotas import standings_of


class StandingReply(serializers.Serializer[Standing]):
    quota = serializers.ChoiceField([str(one) for one in Quota.values])
    limit = serializers.IntegerField(allow_null=True, help_text="null: there is none.")
    used = serializers.IntegerField(
        allow_null=True, help_text="null: not counted, or not known now. Storage is that of the recordings."
    )
    remaining = serializers.IntegerField(allow_null=True)


class QuotaReply(serializers.Serializer[Any]):
    time_zone = serializers.CharField(help_text="In which a day begins at midnight.")
    day_ends_in_seconds = serializers.IntegerField()
    items = StandingReply(many=True)


class QuotaViewSet(NativeViewSet):
    tag = "usage"
    counts_for_the_day = False

    @operation("Get the quotas", READ, reply=QuotaReply)
    def show(self, request: Request) -> Response:
        """What the tenant may have and do at most, and how much of it is used. To ask is free for the day."""
        return self.reply(
            {
                "time_zone": timezone.get_default_timezone_name(),
                "day_ends_in_seconds": seconds_left_today(),
                "items": standings_of(self.tenant),
            }
        )
