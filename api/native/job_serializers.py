"""Wire → keyword arguments of bulk, jobs and their lines → wire."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers

from api.native.errors import ANSWERS
from api.native.fields import Choice, Switch
from api.native.operations import Strict
from api.native.serializers import PageQuery, PageReply, moment, org_id, tag_id
from api.protocol import known_kind
from voiceprints.failures import from_wire
from voiceprints.models import Job, JobRow
from voiceprints.paging import Order
from voiceprints.results import LibraryKey, WhenEnrolled

KINDS = [str(kind) for kind in Job.Kind.values]
STATES = [str(state) for state in Job.State.values]
OUTCOMES = [str(outcome) for outcome in JobRow.Outcome.values]


class Upload(serializers.Field[Any, Any, Any, Any]):
    """A file of any size in a form."""

    default_error_messages = {"file": "Send it as a file.", "empty": "The file is empty."}

    def to_internal_value(self, data: Any) -> UploadedFile[bytes]:
        if not isinstance(data, UploadedFile):
            self.fail("file")
        if not data.size:
            self.fail("empty")
        return data

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError


class JobQuery(PageQuery):
    filters = {"kind": "kind", "state": "state"}

    kind = Choice(KINDS, required=False)
    state = Choice(STATES, required=False)


class RowQuery(PageQuery):
    orders = {
        "number": Order(("number",)),
        "-number": Order(("number",), descending=True),
        **PageQuery.orders,
    }
    filters = {"outcome": "outcome"}

    outcome = Choice(OUTCOMES, required=False)


class Exporting(Strict):
    recordings = Switch(default=False, help_text="With the recordings, as FLAC.")
    embeddings = Switch(default=False, help_text="With the embeddings.")


class Importing(Strict):
    rules = {"anyOf": [{"required": ["archive"]}, {"required": ["manifest"]}]}

    archive = Upload(
        required=False,
        help_text="zip, tar or tar.gz: recordings, with the list as `manifest.csv` or `manifest.jsonl`; or an export.",
    )
    manifest = Upload(
        required=False,
        help_text="The list; by its file name, CSV (`.csv`) or JSON lines. Without an archive the recordings lie in "
        "the tenant's import folder.",
    )
    org_id = org_id(default="", allow_blank=True)
    tag_id = tag_id("The library of lines that name none, and of an export that is to go elsewhere.", default="")
    when_enrolled = Choice(
        [str(choice) for choice in WhenEnrolled],
        default=str(WhenEnrolled.REFUSE),
        help_text="When a speaker is enrolled already: refuse the line, replace all they said, or add to it.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"archive", "manifest"} & set(attrs):
            raise serializers.ValidationError("An archive or a manifest is needed.")
        return attrs

    @staticmethod
    def arguments(sent: dict[str, Any]) -> dict[str, Any]:
        manifest = sent.get("manifest")
        return {
            "archive": sent.get("archive"),
            "manifest": manifest,
            "manifest_name": (manifest and manifest.name) or "",
            "key": LibraryKey(sent["org_id"], sent["tag_id"]),
            "when_enrolled": WhenEnrolled(sent["when_enrolled"]),
        }


class ProblemField(serializers.DictField):
    """What a failure kept with a job would have been answered at once."""

    def get_attribute(self, instance: Any) -> Any:
        return instance.problem

    def to_representation(self, value: Any) -> dict[str, Any]:
        error = from_wire(value)
        return ANSWERS[known_kind(ANSWERS, error)].as_members(error)


def problem() -> ProblemField:
    return ProblemField(allow_null=True, help_text="Why it failed: a problem, as it would have been answered at once.")


class JobReply(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    kind = serializers.ChoiceField(KINDS)
    state = serializers.ChoiceField(STATES)
    done = serializers.IntegerField(
        help_text="How many lines, speakers of an export, or utterances to be embedded anew are done."
    )
    total = serializers.IntegerField(allow_null=True, help_text="Of how many; null while nobody knows.")
    created = moment("")
    started = moment("", allow_null=True)
    finished = moment("", allow_null=True)
    result = serializers.DictField(
        allow_null=True,
        help_text="Of an enrollment, what a request would have been answered; else how much came of it.",
    )
    problem = problem()
    begun_by = serializers.CharField(help_text="The label of the access token, or the user; empty for a command.")
    inputs_expire = moment(
        "Until when what failed of an import may be tried again with what was uploaded.", allow_null=True
    )
    file_expires = moment(
        "Until when it has a file; null when it has none.", source="expires_with_file", allow_null=True
    )
    files_erased = moment(
        "When an erasure took what was uploaded for it, or its file, after it was over; null when none did.",
        allow_null=True,
    )


class JobPage(PageReply):
    items = JobReply(many=True)


class RowReply(serializers.Serializer[Any]):
    number = serializers.IntegerField(
        help_text="The line, from 1, not counting a header; of a job of the kind `reembed`, the utterance."
    )
    outcome = serializers.ChoiceField(OUTCOMES)
    org_id = serializers.CharField()
    tag_id = serializers.CharField()
    external_id = serializers.CharField()
    problem = problem()


class RowPage(PageReply):
    items = RowReply(many=True)
