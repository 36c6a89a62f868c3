"""How long recordings, probes and incomplete enrollments are kept, and what is kept longer than that."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.native.auth import ADMIN
from api.native.fields import Integer, Switch
from api.native.operations import Strict, operation
from api.native.viewsets import NativeViewSet
from tenants.models import LONGEST_PERIOD_DAYS, Operation
from voiceprints import retention
from voiceprints.errors import LibraryNotFound
from voiceprints.retention import FIELDS, OwnPeriod, Ruled, RuledLibrary

FOR_EVER = "In days; null for ever"


def period(help_text: str, **options: Any) -> Integer:
    return Integer(min_value=0, max_value=LONGEST_PERIOD_DAYS, allow_null=True, help_text=help_text, **options)


def dry_run() -> Switch:
    return Switch(default=False, help_text="Change nothing, and answer what would be.")


class RetentionChanges(Strict):
    recordings_kept_days = period(f"{FOR_EVER}, 0 not at all: what was measured stays.", required=False)
    probes_kept_days = period(f"{FOR_EVER}.", required=False)
    enrollments_kept_days = period(f"{FOR_EVER}. Counted from the last utterance.", required=False)
    dry_run = dry_run()


class LibraryRetentionChanges(Strict):
    recordings_kept_days = period(f"{FOR_EVER}, 0 not at all, whatever the tenant's rule is.")
    dry_run = dry_run()


class DueReply(serializers.Serializer[Any]):
    """How many are kept longer than the rules allow; they go within an hour."""

    recordings = serializers.IntegerField()
    probes = serializers.IntegerField()
    enrollments = serializers.IntegerField(help_text="Incomplete ones.")


class RetentionReply(serializers.Serializer[Ruled]):
    recordings_kept_days = serializers.IntegerField(source="periods.recordings", allow_null=True)
    probes_kept_days = serializers.IntegerField(source="periods.probes", allow_null=True)
    enrollments_kept_days = serializers.IntegerField(source="periods.enrollments", allow_null=True)
    due = DueReply()


class LibraryRetentionReply(serializers.Serializer[RuledLibrary]):
    library_id = serializers.IntegerField(source="library.pk")
    own_period = serializers.BooleanField(
        source="library.own_period", help_text="Whether the library has a rule of its own; false: the tenant's."
    )
    recordings_kept_days = serializers.IntegerField(
        source="library.recordings_kept_days", allow_null=True, help_text="Of its own rule; null for ever, or without."
    )
    due = serializers.IntegerField(help_text="Recordings in it that are kept longer than its rule allows.")


class RetentionViewSet(NativeViewSet):
    tag = "retention"
    operations = {"show": Operation.READ, "change": Operation.MANAGE}

    @operation("Get the retention", ADMIN, reply=RetentionReply)
    def show(self, request: Request) -> Response:
        """How long the tenant keeps what. Libraries may have rules of their own."""
        return self.reply(retention.look(self.tenant))

    @operation("Change the retention", ADMIN, body=RetentionChanges, reply=RetentionReply)
    def change(self, request: Request) -> Response:
        """What is left out stays."""
        sent = self.body(request)
        change = retention.foresee if sent["dry_run"] else retention.change
        return self.reply(change(self.tenant, **{what: sent[name] for what, name in FIELDS.items() if name in sent}))


class LibraryRetentionViewSet(NativeViewSet):
    tag = "retention"
    operations = {"show": Operation.READ, "change": Operation.MANAGE, "end": Operation.MANAGE}

    @operation("Get the retention of a library", ADMIN, reply=LibraryRetentionReply, refuses=(LibraryNotFound,))
    def show(self, request: Request, library_id: int) -> Response:
        """How long its recordings are kept."""
        return self.reply(retention.look_at_library(self.tenant, library_id))

    @operation(
        "Set the retention of a library",
        ADMIN,
        body=LibraryRetentionChanges,
        reply=LibraryRetentionReply,
        refuses=(LibraryNotFound,),
    )
    def change(self, request: Request, library_id: int) -> Response:
        """Its recordings are kept for a period of their own."""
        sent = self.body(request)
        change = retention.foresee_library if sent["dry_run"] else retention.change_library
        return self.reply(change(self.tenant, library_id, OwnPeriod(sent["recordings_kept_days"])))

    @operation("End the retention of a library", ADMIN, reply=LibraryRetentionReply, refuses=(LibraryNotFound,))
    def end(self, request: Request, library_id: int) -> Response:
        """The tenant's rule holds for it again."""
        return self.reply(retention.change_library(self.tenant, library_id, None))
