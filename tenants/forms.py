"""What people type into the console about credentials and members."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import is_password_usable
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UnfoldReadOnlyPasswordHashWidget, UserChangeForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from tenants.console import TenantForm
from tenants.context import naming_credential
from tenants.interfaces import dialect_names
from tenants.invitations import DAYS_VALID
from tenants.meanings import ROLES, SCOPES
from tenants.members import is_last_owner, is_last_platform_staff
from tenants.models import LONGEST_SECRET, SHORTEST_SECRET, Credential, Role, Tenant, key_validator
from tenants.quotas import bytes_in, size_in_words
from tenants.signed_in import end_other_sessions

DAY_HOURS = 24
END_OF_DAY = time(23, 59, 59)
LONGEST_OVERLAP_HOURS = 90 * DAY_HOURS
LONGEST_INVITATION_DAYS = 30
NO_STAFF_LEFT = _("The platform would have no active platform staff left.")


class PasswordOfAnotherForm(AdminPasswordChangeForm):
    """What platform staff set; whoever was signed in with the old one is so no longer."""

    def save(self, commit: bool = True) -> Any:
        user = super().save(commit)
        end_other_sessions(user, None)
        return user


class PasswordSet(UnfoldReadOnlyPasswordHashWidget):
    """Whether there is one. How it is kept is nobody's business."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        is_set = value and is_password_usable(value)
        return context | {"summary": [{"label": _("A password is set.") if is_set else _("No password is set.")}]}


class UserForm(UserChangeForm):
    """`changed_by`: who is signed in, and does not shut themselves out."""

    changed_by: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget = PasswordSet()

    def clean(self) -> Any:
        cleaned: Any = super().clean()
        if not (cleaned.get("is_active") and cleaned.get("is_superuser")):
            if is_last_platform_staff(self.instance):
                raise ValidationError(NO_STAFF_LEFT, code="last_staff")
            if self.instance == self.changed_by:
                raise ValidationError(_("Ask another platform staff member to take this from you."), code="oneself")
        return cleaned


class SizeField(forms.CharField):
    """A number of bytes, as people write it."""

    def prepare_value(self, value: Any) -> Any:
        return size_in_words(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        text: str = super().clean(value)
        try:
            return bytes_in(text) if text else None
        except ValueError:
            raise ValidationError(_("Enter a size such as 500 MB, 50 GB or 2 TB."), code="size") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class TenantPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    max_storage_bytes = SizeField(
        label=_("Storage"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Such as 50 GB. Further recordings are refused; what is there stays. Empty means no limit."),
    )
    dialects = forms.MultipleChoiceField(
        label=_("Interfaces"),
        required=False,
        choices=lambda: dialect_names().items(),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("The interfaces this tenant may use; none chosen means all of them."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.erased_from:
            self.fields["active"].disabled = True
            self.fields["active"].help_text = _(
                "Closed to be erased. The page Erasures says whether it can still be restored."
            )


class InterfacesForm(forms.Form):
    """`names`: of all dialects, by what the tenant knows them as."""

    dialects = forms.MultipleChoiceField(label=_("Interfaces"), widget=UnfoldAdminCheckboxSelectMultipleWidget)

    def __init__(self, data: Any, *, tenant: Tenant, names: dict[str, str]) -> None:
        allowed = [dialect for dialect in names if tenant.speaks(dialect)]
        super().__init__(data, initial={"dialects": allowed})
        self.names = names
        self.fields["dialects"].choices = list(names.items())  # type: ignore[attr-defined]

    @property
    def chosen(self) -> list[str]:
        """None where all are: whatever comes to the platform later is allowed as well."""
        chosen: list[str] = self.cleaned_data["dialects"]
        return [] if len(chosen) == len(self.names) else chosen


class CredentialForm(TenantForm):
    key_id = forms.CharField(
        label=_("Key id"),
        required=False,
        max_length=128,
        validators=[key_validator],
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Leave empty for a generated one, or give the one that your clients use already."),
    )
    secret = forms.CharField(
        label=_("Secret"),
        required=False,
        min_length=SHORTEST_SECRET,
        max_length=LONGEST_SECRET,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=_("Leave empty for a generated one. It is shown once and never again."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["label"].help_text = _("For people, such as the client that signs with it. It stays on rotation.")

    def clean_key_id(self) -> str:
        key_id: str = self.cleaned_data["key_id"]
        if key_id and _is_taken(key_id):
            raise ValidationError(_("This key id is in use already."), code="unique")
        return key_id


def _is_taken(key_id: str) -> bool:
    """Key ids name one credential of the whole platform, so other tenants' count too."""
    with naming_credential(key_id):
        return Credential.all_tenants.filter(key_id=key_id).exists()


class EndField(forms.SplitDateTimeField):
    """A date alone means the end of that day."""

    widget = UnfoldAdminSplitDateTimeWidget

    def compress(self, data_list: Any) -> datetime | None:
        if data_list and data_list[0] and not data_list[1]:
            data_list = [data_list[0], END_OF_DAY]
        return super().compress(data_list)


class TokenForm(TenantForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=list(SCOPES.items()),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("What its bearer may do."),
    )
    expires = EndField(label=capfirst(_("expires")), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        said = _("Empty means never; a date without a time means the end of that day. Times are those of %s.")
        self.fields["expires"].help_text = said % settings.TIME_ZONE

    def clean_expires(self) -> datetime | None:
        expires: datetime | None = self.cleaned_data["expires"]
        if expires and expires <= timezone.now():
            raise ValidationError(_("This moment has passed."), code="past")
        return expires


class RotationForm(forms.Form):
    """`expires`: when the key pair does so now. Whoever saw another time sent a form that was overtaken."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    overlap_hours = forms.IntegerField(
        label=_("Hours of overlap"),
        initial=DAY_HOURS,
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("The old key pair goes on working for so long, while your clients change over."),
    )

    def __init__(self, data: Any, *, expires: datetime | None) -> None:
        self.expires = expires.isoformat() if expires else ""
        super().__init__(data, initial={"seen": self.expires})

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("seen") != self.expires:
            raise ValidationError(_("This key pair was rotated already."), code="rotated")
        return said


class RoleForm(TenantForm):
    role = forms.ChoiceField(
        label=_("Role"), choices=list(ROLES.items()), initial=Role.VIEWER, widget=UnfoldAdminRadioSelectWidget
    )


class NewMemberForm(RoleForm):
    user_name = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=_("Of somebody who has an account on this platform."),
    )

    def clean_user_name(self) -> str:
        user_name: str = self.cleaned_data["user_name"]
        users = get_user_model().objects.filter(is_active=True, is_superuser=False)
        found = users.filter(username=user_name).first()
        if found is None:
            raise ValidationError(_("There is no active account of this name."), code="unknown")
        self.instance.user = found
        return user_name

    def _get_validation_exclusions(self) -> set[str]:
        excluded = super()._get_validation_exclusions()
        return excluded - {"user"} if self.instance.user_id else excluded


class InvitationForm(RoleForm):
    days = forms.IntegerField(
        label=_("Days"),
        initial=DAYS_VALID,
        min_value=1,
        max_value=LONGEST_INVITATION_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("The link works for so long, and once."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].help_text = (
            _("The link is mailed there, and shown to you once.")
            if settings.SENDS_MAIL
            else _("A note for you: this platform sends no mail. The link is shown to you once.")
        )


class MemberForm(RoleForm):
    """`keeps_an_owner`: set for members, who must not leave their tenant without one."""

    keeps_an_owner = True

    def clean_role(self) -> Any:
        role = self.cleaned_data["role"]
        if self.keeps_an_owner and role != Role.OWNER and is_last_owner(self.instance):
            raise ValidationError(_("The tenant would have no owner left."), code="last_owner")
        return role
