"""What people type into the console about a speaker who is there."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import INPUT_CLASSES, UnfoldAdminTextInputWidget

from tenants.names import shows_nothing
from voiceprints.consents import refuse_impossible
from voiceprints.errors import ConsentMissing
from voiceprints.models import Consent
from voiceprints.refusals import in_words
from voiceprints.speaking_forms import ConsentField


class SpeakerConsentForm(forms.ModelForm):  # type: ignore[type-arg]
    reference = ConsentField(
        label=_("Reference"),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=_("Where it is found, such as the number of a form"),
    )
    given = forms.DateTimeField(
        label=capfirst(_("given")),
        validators=[refuse_impossible],
        widget=forms.DateTimeInput({"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}, "%Y-%m-%dT%H:%M"),
    )

    class Meta:
        model = Consent
        fields = ["reference", "version", "source", "given"]
        widgets = {
            "version": UnfoldAdminTextInputWidget,
            "source": UnfoldAdminTextInputWidget,
        }
        help_texts = {
            "version": _("Of the text that was consented to, such as the date of a form"),
            "source": _("How it was given, such as on paper or by telephone"),
        }

    def __init__(self, told: Consent | None, data: Any) -> None:
        super().__init__(data, instance=told, initial={} if told and told.given else {"given": timezone.now()})

    def clean_reference(self) -> str:
        reference: str = self.cleaned_data["reference"]
        if shows_nothing(reference):
            raise ValidationError(in_words(ConsentMissing()))
        return reference
