"""What a person at the console says, and about whom: recordings as files, of which the microphone makes one too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audio.errors import TooLarge
from tenants.names import refuse_unseen
from voiceprints.errors import printable
from voiceprints.manifests import LONGEST_INFO
from voiceprints.models import Consent, Speaker
from voiceprints.refusals import in_words
from voiceprints.results import AudioInput

LONGEST_ID: int = Speaker._meta.get_field("external_id").max_length  # type: ignore[assignment]
LONGEST_REFERENCE: int = Consent._meta.get_field("reference").max_length  # type: ignore[assignment]


class WholeField(forms.CharField):
    """What is too long is refused in words: a browser that knew how long it may be would cut it off without any."""

    def __init__(self, too_long: Any, **kwargs: Any) -> None:
        super().__init__(error_messages={"max_length": too_long}, **kwargs)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}


class IdField(WholeField):
    def __init__(self, **kwargs: Any) -> None:
        too_long = gettext_lazy("The id has %(show_value)d characters, and at most %(limit_value)d are taken.")
        super().__init__(too_long, max_length=LONGEST_ID, **kwargs)


class InfoField(WholeField):
    def __init__(self) -> None:
        too_long = gettext_lazy("The info has %(show_value)d characters, and at most %(limit_value)d are taken.")
        super().__init__(too_long, max_length=LONGEST_INFO, required=False)


class ConsentField(WholeField):
    """A reference to one."""

    def __init__(self, **kwargs: Any) -> None:
        too_long = gettext_lazy("The consent has %(show_value)d characters, and at most %(limit_value)d are taken.")
        super().__init__(too_long, max_length=LONGEST_REFERENCE, **kwargs)


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class RecordingsField(forms.FileField):
    """One file or several. They become AudioInputs."""

    widget = FilesInput
    default_error_messages = {"required": gettext_lazy("Choose a file or record something first.")}

    def clean(self, data: Any, initial: Any = None) -> list[AudioInput]:
        sent: Sequence[Any] = data if isinstance(data, (list, tuple)) else [data]
        uploads = [super(RecordingsField, self).clean(one, initial) for one in sent or [None]]
        size_bytes = sum(upload.size for upload in uploads)
        if size_bytes > settings.MAX_UPLOAD_BYTES:
            raise ValidationError(
                in_words(TooLarge(size_bytes=size_bytes, limit_bytes=settings.MAX_UPLOAD_BYTES)), code="too_large"
            )
        return [_input(upload) for upload in uploads]


def _input(upload: UploadedFile[bytes]) -> AudioInput:
    return AudioInput(upload.read, upload.size)


class SpeakingForm(forms.Form):
    audio = RecordingsField()

    @property
    def refusal(self) -> str:
        """The first thing that is wrong."""
        return str(next(iter(self.errors.values()))[0])


class OneRecordingForm(SpeakingForm):
    def clean_audio(self) -> list[AudioInput]:
        audios: list[AudioInput] = self.cleaned_data["audio"]
        if len(audios) > 1:
            raise ValidationError(_("Choose one recording."))
        return audios


class AdditionForm(SpeakingForm):
    """With the speaker's info as it stands on the page and as it stood there at first; None where that is the same."""

    info = InfoField()
    info_was = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        info = said.get("info")
        return said | {"info": None if info == said.get("info_was") else info}


class EnrollmentForm(SpeakingForm):
    external_id = IdField()
    info = InfoField()
    consent = ConsentField(required=False)

    def clean_external_id(self) -> str:
        external_id: str = self.cleaned_data["external_id"]
        if printable(external_id) != external_id:
            raise ValidationError(_("The id holds characters that nobody can see."))
        refuse_unseen(external_id)
        return external_id


class Asked(TextChoices):
    IDENTIFY = "identify", gettext_lazy("Who is it?")
    VERIFY = "verify", gettext_lazy("Is it this speaker?")


class TryoutForm(OneRecordingForm):
    asked = forms.ChoiceField(choices=Asked.choices)
    library = forms.IntegerField(min_value=1, max_value=10**18)
    external_id = IdField(required=False, strip=False)

    field_order = ["library", "asked", "external_id", "audio"]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if said.get("asked") == Asked.VERIFY and not said.get("external_id"):
            raise ValidationError({"external_id": _("Say which speaker it is said to be.")})
        return said
