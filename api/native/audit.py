"""The audit trail, for programs that keep it elsewhere or watch it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.native.auth import ADMIN
from api.native.fields import Choice, Moment, Text
from api.native.operations import operation
from api.native.serializers import PageQuery, PageReply, moment
from api.native.viewsets import NativeViewSet
from tenants.actions import Action, Outcome
from tenants.auditing import Search
from tenants.models import AuditEvent, Operation
from tenants.origins import ActorKind
from voiceprints.history import browse_events
from voiceprints.paging import Order

LONGEST_NAME = 200


class AuditQuery(PageQuery):
    orders = {"-number": Order(("number",), descending=True), "number": Order(("number",))}

    created_from = None  # type: ignore[assignment]
    created_before = None  # type: ignore[assignment]
    action = Choice(Action.values, required=False)
    actor = Text(max_length=LONGEST_NAME, required=False, help_text="A key id, label, user or account, as it is.")
    object = Text(max_length=LONGEST_NAME, required=False, help_text="An external id, or another name, as it is.")
    since = Moment(required=False, help_text="At this moment or later.")
    until = Moment(required=False, help_text="Earlier than this moment.")

    @classmethod
    def page(cls, query: Mapping[str, Any]) -> dict[str, Any]:
        about = super().page(query)
        del about["where"]
        wanted = {name: query[name] for name in ("action", "actor", "object", "since", "until") if name in query}
        return about | {"search": Search(**wanted)}


class HexField(serializers.CharField):
    def to_representation(self, value: Any) -> str:
        return bytes(value).hex()


class AuditEventReply(serializers.Serializer[AuditEvent]):
    number = serializers.IntegerField(help_text="Its place in the tenant's chain, from 1.")
    at = moment("")
    actor_kind = serializers.CharField(help_text=", ".join(ActorKind.values))
    actor_id = serializers.IntegerField(source="actor_number", allow_null=True)
    actor = serializers.CharField(source="actor_name")
    interface = serializers.CharField()
    address = serializers.CharField()
    request_id = serializers.CharField()
    job_id = serializers.IntegerField(source="job", allow_null=True, help_text="The job by which it was done, if any.")
    action = serializers.CharField()
    outcome = serializers.ChoiceField(Outcome.values)
    object_kind = serializers.CharField()
    object_id = serializers.IntegerField(source="object_number", allow_null=True)
    object = serializers.CharField(source="object_name")
    org_id = serializers.CharField()
    tag_id = serializers.CharField()
    details = serializers.DictField(help_text="What there is to know besides, by action.")
    previous = HexField(help_text="The digest of the event before, in hex; empty for the first.")
    digest = HexField(help_text="SHA-256, in hex.")


class AuditPage(PageReply):
    items = AuditEventReply(many=True)


class AuditViewSet(NativeViewSet):
    tag = "audit"
    operations = {"list": Operation.READ}

    @operation("List audit events", ADMIN, query=AuditQuery, reply=AuditPage)
    def list(self, request: Request) -> Response:
        """Who did what in the tenant, newest first."""
        return self.page(browse_events(self.tenant, **AuditQuery.page(self.query)))
