"""Erasing somebody for good, and the signed receipts of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.native.auth import ADMIN
from api.native.fields import Choice, Text
from api.native.operations import Strict, operation
from api.native.serializers import PageQuery, PageReply, external_id, moment, tag_id
from api.native.viewsets import NativeViewSet
from tenants.models import Operation
from voiceprints import erasure, receipts
from voiceprints.errors import ErasureNotFound, ErasureUnfinished, SpeakerNotFound
from voiceprints.models import Erasure

KINDS = [str(kind) for kind in Erasure.Kind.values]
STATES = [str(state) for state in Erasure.State.values]


class Erasing(Strict):
    external_id = external_id()
    org_id = Text(
        max_length=64,
        required=False,
        help_text="Of the library in which the one speaker is; left out, whoever bears the name in any library goes.",
    )
    tag_id = tag_id("Of the same library; looked at only beside `org_id`.", default="")


class ErasureQuery(PageQuery):
    filters = {"kind": "kind", "state": "state"}

    kind = Choice(KINDS, required=False)
    state = Choice(STATES, required=False)


class ErasureReply(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    kind = serializers.ChoiceField(KINDS)
    state = serializers.ChoiceField(
        STATES,
        help_text="From `removing` on the speaker is not found any more; when it is `done` there is a receipt.",
    )
    library_id = serializers.IntegerField(source="library", allow_null=True, help_text="Of one speaker alone.")
    digest = serializers.CharField(help_text="Of the external id, with the salt, as the receipt says.")
    salt = serializers.CharField()
    removed = serializers.DictField(source="counts", child=serializers.IntegerField(), help_text="How much of what.")
    created = moment("When it was begun.")
    waits_for_backup_since = moment(
        "Since when a backup has been under way, until whose end no file goes; null if it waits for none.",
        allow_null=True,
    )
    waits_for_files_until = moment(
        "Until when it waits for a file that may still be written, such as an export, and longer if somebody is still "
        "at it then; null if it waits for none.",
        allow_null=True,
    )
    waits_for_export_since = moment(
        "Since when an export has been running that may have read the person, and is looked through once it is over; "
        "null if it waits for none.",
        allow_null=True,
    )
    done = moment("", allow_null=True)
    vacuumed = moment("When the database last cleared away what it had removed.", allow_null=True)


class ErasurePage(PageReply):
    items = ErasureReply(many=True)


class ReceiptReply(serializers.Serializer[Any]):
    receipt = serializers.DictField(help_text="What is signed: what was removed, when, by whom, and the audit event.")
    key = serializers.CharField(help_text="With which key: its `id` among the public keys.")
    algorithm = serializers.CharField(help_text="Ed25519, over the receipt as JSON: names in order, no spaces, UTF-8.")
    signature = serializers.CharField(help_text="In base64.")


class KeyReply(serializers.Serializer[Any]):
    id = serializers.CharField()
    algorithm = serializers.CharField()
    pem = serializers.CharField(help_text="SubjectPublicKeyInfo in PEM.")
    current = serializers.BooleanField(help_text="Whether receipts are signed with it now.")


class KeysReply(serializers.Serializer[Any]):
    keys = KeyReply(many=True)


class ErasureViewSet(NativeViewSet):
    tag = "erasures"
    operations = {
        "list": Operation.READ,
        "create": Operation.DELETE,
        "retrieve": Operation.READ,
        "receipt": Operation.READ,
    }

    @operation("List erasures", ADMIN, query=ErasureQuery, reply=ErasurePage)
    def list(self, request: Request) -> Response:
        """They name nobody."""
        return self.page(erasure.page_erasures(self.tenant, **ErasureQuery.page(self.query)))

    @operation(
        "Erase somebody",
        ADMIN,
        body=Erasing,
        reply=ErasureReply,
        status=202,
        refuses=(SpeakerNotFound,),
        headers=("Location",),
    )
    def create(self, request: Request) -> Response:
        """For good and everywhere: recordings, vectors, jobs, uploads, exports and kept answers in which they are. The
        speaker is gone with the answer; what hangs on it follows, and then there is a receipt.
        """
        sent = self.body(request)
        with self.atomically():
            begun = self._begun(sent)
            erasure.tell_what_keeps(self.tenant, [begun])
            return self.kept(self.reply(begun, Location=reverse("native-erasure", args=[begun.pk])))

    def _begun(self, sent: Mapping[str, Any]) -> Erasure:
        if "org_id" not in sent:
            return erasure.erase_person(self.tenant, sent["external_id"])
        library = self.tenant.libraries.within(sent["org_id"], sent["tag_id"])
        return erasure.erase_speaker(self.tenant, library, sent["external_id"])

    @operation("Get an erasure", ADMIN, reply=ErasureReply, refuses=(ErasureNotFound,))
    def retrieve(self, request: Request, erasure_id: int) -> Response:
        return self.reply(erasure.find_erasure(self.tenant, erasure_id))

    @operation("Get the receipt of an erasure", ADMIN, reply=ReceiptReply, refuses=(ErasureNotFound, ErasureUnfinished))
    def receipt(self, request: Request, erasure_id: int) -> Response:
        """Signed, and naming nobody: whoever knows the external id can show that it is the one."""
        return self.reply(erasure.receipt_of(self.tenant, erasure_id))


class ErasureKeyViewSet(NativeViewSet):
    """Open to everybody, as the keys are public."""

    tag = "erasures"
    authentication_classes = []

    @operation("Get the public keys of receipts", None, reply=KeysReply)
    def show(self, request: Request) -> Response:
        """With which anybody can check a receipt. The first signs; receipts of the others were signed earlier."""
        return self.reply({"keys": receipts.public_keys()})
