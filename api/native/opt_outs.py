"""Who does not want to be enrolled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.native.auth import ADMIN
from api.native.fields import Text
from api.native.operations import NO_CONTENT, Strict, operation
from api.native.serializers import PageQuery, PageReply, external_id, moment, tag_id
from api.native.viewsets import NativeViewSet
from tenants.models import Operation
from voiceprints import opting_out
from voiceprints.errors import OptOutNotFound
from voiceprints.results import LibraryKey


class OptingOut(Strict):
    external_id = external_id()
    org_id = Text(max_length=64, default="", allow_blank=True, help_text="Of one library; left out, of all.")
    tag_id = tag_id("Of the same library; looked at only beside `org_id`.", default="")

    @staticmethod
    def arguments(sent: Mapping[str, Any]) -> dict[str, Any]:
        key = LibraryKey(sent["org_id"], sent["tag_id"]) if sent["org_id"] else LibraryKey("")
        return {"external_id": sent["external_id"], "key": key}


class OptOutQuery(PageQuery):
    external_id = external_id(required=False)

    @classmethod
    def page(cls, query: Mapping[str, Any]) -> dict[str, Any]:
        return super().page(query) | {"external_id": query.get("external_id", "")}


class OptOutReply(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    org_id = serializers.CharField(help_text="Of the library; empty for all.")
    tag_id = serializers.CharField()
    created = moment("")


class OptOutPage(PageReply):
    items = OptOutReply(many=True)


class AddedReply(OptOutReply):
    id = serializers.IntegerField(source="opt_out.pk")
    org_id = serializers.CharField(source="opt_out.org_id")
    tag_id = serializers.CharField(source="opt_out.tag_id")
    created = moment("", source="opt_out.created")
    erasure_id = serializers.IntegerField(
        source="erasure.pk", default=None, allow_null=True, help_text="Of whoever was enrolled under the name, if any."
    )


class OptOutViewSet(NativeViewSet):
    tag = "opt-outs"
    operations = {
        "list": Operation.READ,
        "create": Operation.MANAGE,
        "retrieve": Operation.READ,
        "destroy": Operation.MANAGE,
    }

    @operation("List opt-outs", ADMIN, query=OptOutQuery, reply=OptOutPage)
    def list(self, request: Request) -> Response:
        """They name nobody; with `external_id` those that are about it."""
        return self.page(opting_out.page_opt_outs(self.tenant, **OptOutQuery.page(self.query)))

    @operation("Opt out", ADMIN, body=OptingOut, reply=AddedReply, status=201, headers=("Location",))
    def create(self, request: Request) -> Response:
        """Nobody of that name is enrolled any more through any interface, and whoever was is erased. Said again it is
        the same opt-out.
        """
        return self.answer(opting_out.opt_out, self._added, **OptingOut.arguments(self.body(request)))

    def _added(self, added: opting_out.Added) -> Response:
        return self.reply(added, Location=reverse("native-opt-out", args=[added.opt_out.pk]))

    @operation("Get an opt-out", ADMIN, reply=OptOutReply, refuses=(OptOutNotFound,))
    def retrieve(self, request: Request, opt_out_id: int) -> Response:
        return self.reply(opting_out.find_opt_out(self.tenant, opt_out_id))

    @operation("Lift an opt-out", ADMIN, status=NO_CONTENT, refuses=(OptOutNotFound,))
    def destroy(self, request: Request, opt_out_id: int) -> Response:
        """Whoever it is may be enrolled again."""
        opting_out.lift(self.tenant, opt_out_id)
        return self.reply()
