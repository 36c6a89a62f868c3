"""What people type into the console to erase somebody: whom, where, and the id once more."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from tenants.models import Tenant
from voiceprints.consents import COMMANDS, CONSOLE
from voiceprints.leaving import GRACE, LONGEST_GRACE
from voiceprints.models import Library
from voiceprints.speaking_forms import IdField

NOT_REMEMBERED = {"autocomplete": "off", "spellcheck": "false"}


class LeavingForm(forms.Form):
    grace_days = forms.IntegerField(
        label=_("Days until everything is erased"),
        min_value=1,
        max_value=LONGEST_GRACE.days,
        initial=GRACE.days,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("At least one day. Until then the staff of the platform can restore it."),
    )
    typed = forms.CharField(
        label=_("Type the slug of the tenant"),
        max_length=63,
        widget=UnfoldAdminTextInputWidget(attrs=NOT_REMEMBERED),
    )

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._slug = tenant.slug

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed != self._slug:
            raise ValidationError(_("This is not the slug of the tenant."))
        return typed


class ConsentForm(forms.Form):
    required = forms.BooleanField(
        label=_("Enroll nobody without a reference to their consent"), required=False, widget=UnfoldBooleanSwitchWidget
    )
    elsewhere = forms.MultipleChoiceField(
        label=_("Consent is taken elsewhere by"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Clients of these interfaces ask for it before they enroll anybody, and cannot tell here."),
    )

    def __init__(self, tenant: Tenant, names: dict[str, str], data: Any) -> None:
        rules = {"required": tenant.consent_required, "elsewhere": tenant.consent_elsewhere}
        super().__init__(data, initial=rules)
        beside = {CONSOLE: _("Console"), COMMANDS: _("Commands")}
        self.fields["elsewhere"].choices = list((names | beside).items())  # type: ignore[attr-defined]


def _id_field(label: Any, help_text: Any) -> forms.CharField:
    """An id as it is: with the spaces at its ends, if it has any."""
    widget = UnfoldAdminTextInputWidget(attrs=NOT_REMEMBERED)
    return IdField(label=label, strip=False, widget=widget, help_text=help_text)


class ErasureForm(forms.Form):
    external_id = _id_field(_("Whom"), _("The id of the speaker."))
    library: forms.ModelChoiceField[Library] = forms.ModelChoiceField(
        label=_("Where"),
        queryset=None,
        required=False,
        empty_label=_("in all libraries"),
        widget=UnfoldAdminSelectWidget,
    )
    typed = _id_field(_("Type the id once more"), _("There is no way back from this."))

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["library"].queryset = tenant.libraries.all()  # type: ignore[attr-defined]

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed != self.cleaned_data.get("external_id"):
            raise ValidationError(_("This is not the id above."))
        return typed


class OptOutForm(ErasureForm):
    """Of whoever bears the name now and, without keeping it, of whoever is to be enrolled under it."""

    external_id = _id_field(
        _("Who opts out"), _("The id of the speaker. It is not kept, and whoever is enrolled under it is erased.")
    )
    typed = _id_field(
        _("Type the id once more"), _("The opt-out can be lifted; what is erased does not come back with it.")
    )
