"""What people type into the console to begin an import or an export."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from tenants.models import Tenant
from tenants.names import refuse_unseen
from voiceprints.manifests import LONGEST
from voiceprints.models import Library
from voiceprints.results import LibraryKey, WhenEnrolled

WHEN_ENROLLED = [
    (WhenEnrolled.REFUSE, _("refuse the line")),
    (WhenEnrolled.ADD, _("add the recordings to it")),
    (WhenEnrolled.REPLACE, _("replace all it said before")),
]


class ImportForm(forms.Form):
    archive = forms.FileField(
        label=_("Archive"),
        required=False,
        help_text=_("zip, tar or tar.gz: recordings, with the list as manifest.csv or manifest.jsonl; or an export."),
        widget=forms.FileInput(attrs={"accept": ".zip,.tar,.gz,.tgz"}),
    )
    manifest = forms.FileField(
        label=_("List"),
        required=False,
        help_text=_("CSV or JSON lines, unless it is in the archive."),
        widget=forms.FileInput(attrs={"accept": ".csv,.jsonl"}),
    )
    org_id = forms.CharField(
        label=_("Organisation"),
        required=False,
        max_length=LONGEST["org_id"],
        validators=[refuse_unseen],
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Of lines that name none, and of an export that is to go elsewhere."),
    )
    tag_id = forms.CharField(
        label=_("Tag"),
        required=False,
        max_length=LONGEST["tag_id"],
        validators=[refuse_unseen],
        widget=UnfoldAdminTextInputWidget,
    )
    when_enrolled = forms.ChoiceField(
        label=_("When a speaker is enrolled already"),
        choices=WHEN_ENROLLED,
        initial=WhenEnrolled.REFUSE,
        widget=UnfoldAdminRadioSelectWidget,
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if not (said.get("archive") or said.get("manifest")) and not self.errors:
            raise ValidationError(_("Choose an archive or a list."), code="required")
        return said

    @property
    def arguments(self) -> dict[str, Any]:
        """Of bulk.begin_import."""
        said = self.cleaned_data
        manifest = said["manifest"]
        return {
            "archive": said["archive"],
            "manifest": manifest,
            "manifest_name": manifest.name if manifest else "",
            "key": LibraryKey(said["org_id"], said["tag_id"]),
            "when_enrolled": WhenEnrolled(said["when_enrolled"]),
        }


class ExportForm(forms.Form):
    library: forms.ModelChoiceField[Library] = forms.ModelChoiceField(
        label=_("Library"), queryset=None, empty_label=None, widget=UnfoldAdminSelectWidget
    )
    recordings = forms.BooleanField(
        label=_("With the recordings"), required=False, initial=True, widget=UnfoldBooleanWidget
    )
    embeddings = forms.BooleanField(
        label=_("With the embeddings"), required=False, initial=True, widget=UnfoldBooleanWidget
    )
    form = forms.CharField(required=False, max_length=64, initial=lambda: uuid.uuid4().hex, widget=forms.HiddenInput)

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["library"].queryset = tenant.libraries.all()  # type: ignore[attr-defined]

    @property
    def arguments(self) -> dict[str, Any]:
        """Of bulk.begin_export."""
        library: Library = self.cleaned_data["library"]
        wants = {name: self.cleaned_data[name] for name in ("recordings", "embeddings", "form")}
        return {"key": LibraryKey(library.org_id, library.tag_id), **wants}
