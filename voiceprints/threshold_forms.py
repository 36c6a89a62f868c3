"""What people type into the console about thresholds and what is asked of recordings."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminRadioSelectWidget

from tenants.models import Consistency, Tenant
from voiceprints.threshold_page import HIGHEST, LOWEST

CONSISTENCY = [
    (Consistency.REFUSE, _("refuse it: nothing of the call is stored, and the answer says that the voice is another")),
    (Consistency.WARN, _("take it, and say so in the own API and on the speaker's page")),
    (Consistency.ACCEPT, _("take it, and say nothing")),
]


class RateForm(forms.Form):
    """A false accept rate that can be kept."""

    far = forms.FloatField(min_value=LOWEST, max_value=HIGHEST)


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    required_speech_seconds = forms.FloatField(
        label=_("Seconds of speech a recording must hold"),
        min_value=0.5,
        max_value=60,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.1"}),
        help_text=_("One with less is refused. More makes every comparison surer, and speakers more impatient."),
    )
    consistency = forms.ChoiceField(
        label=_("A recording that does not sound like the speaker's earlier ones"),
        choices=CONSISTENCY,
        widget=UnfoldAdminRadioSelectWidget,
        help_text=_("Measured by the same threshold, against all that the speaker said before."),
    )

    class Meta:
        model = Tenant
        fields = ("required_speech_seconds", "consistency")
