"""What people type to be let in. Every wrong password and every wrong code counts against name and address."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm, UserCreationForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordToggleWidget, UnfoldAdminTextInputWidget

from tenants.accounts import note_everywhere, note_refused_sign_in
from tenants.actions import Action, Outcome
from tenants.addresses import address_of
from tenants.guessing import Attempt, TooManyGuesses, attempt, attempt_at_names
from tenants.invitations import find_invitation
from tenants.members import belongs_somewhere, closed_tenants_of
from tenants.models import Invitation
from tenants.names import refuse_mixed, refuse_unseen
from tenants.second_factors import passes
from tenants.sentences import listed

INVITED = "invited"
BELONGS_NOWHERE = _("Your account belongs to no tenant. Ask an owner of yours for an invitation.")


def counted(request: HttpRequest, name: str) -> Attempt:
    """Raises ValidationError while name or address must wait."""
    return _unpaused(partial(attempt, name), request)


def _unpaused(count: Callable[[str], Attempt], request: HttpRequest) -> Attempt:
    try:
        return count(address_of(request))
    except TooManyGuesses as pause:
        raise ValidationError(
            ngettext(
                "Too many failed attempts. Try again in %d minute.",
                "Too many failed attempts. Try again in %d minutes.",
                pause.minutes,
            )
            % pause.minutes,
            code="paused",
        ) from None


class ConsoleLoginForm(AuthenticationForm):
    """Lets in platform staff, members of an active tenant, and the invited.

    To others the password might be wrong; once it was right, they are told why it opens nothing.
    """

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not (name and password):
            return self.cleaned_data
        guess = counted(self.request, name)
        try:
            cleaned = super().clean()
        except ValidationError:
            note_refused_sign_in(name)
            raise
        guess.was_right()
        return cleaned

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        if user.is_active and self._is_awaited(user):
            return
        if not user.is_active:
            raise self.get_invalid_login_error()
        closed = closed_tenants_of(user)
        raise _closed(closed) if closed else ValidationError(BELONGS_NOWHERE, code="nowhere")

    def _is_awaited(self, user: AbstractBaseUser) -> bool:
        return getattr(user, "is_superuser", False) or belongs_somewhere(user) or invited_to(self.request) is not None


def _closed(tenants: list[str]) -> ValidationError:
    words = ngettext(
        "%s is closed: nobody gets in. Ask the staff of the platform.",
        "%s are closed: nobody gets in. Ask the staff of the platform.",
        len(tenants),
    )
    return ValidationError(words % listed(tenants), code="closed")


def invited_to(request: HttpRequest) -> Invitation | None:
    """The invitation whose link was opened in this browser, as long as it works."""
    digest = request.session.get(INVITED)
    return find_invitation(digest) if digest else None


class NewAccountForm(UserCreationForm):
    """Of somebody who was invited. Taken names count as wrong guesses do, as they tell who has an account."""

    class Meta:
        model = get_user_model()
        fields = ("username", "email")

    def __init__(self, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(request.POST or None, **kwargs)
        self.request = request
        self.fields.pop("usable_password", None)
        self.fields["password1"].required = self.fields["password2"].required = True
        self.fields["username"].validators += [refuse_unseen, refuse_mixed]
        self.fields["username"].widget = UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        )
        self.fields["email"].widget = UnfoldAdminEmailInputWidget(attrs={"autocomplete": "email"})

    def clean_username(self) -> str | None:
        guess = _unpaused(attempt_at_names, self.request)
        free: str | None = super().clean_username()
        if free is not None:
            guess.was_right()
        return free


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "autofocus": True, "spellcheck": "false"}
        ),
        help_text=_("The six digits that your authenticator app shows, or one of your recovery codes."),
    )

    def __init__(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        super().__init__(request.POST or None)
        self.request, self.user = request, user

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        guess = counted(self.request, self.user.get_username())
        if not passes(self.user, code):
            note_everywhere(self.user, Action.SIGN_IN_REFUSED, Outcome.REFUSED, by="code")
            raise ValidationError(_("This code is wrong, or it was used before."), code="wrong")
        guess.was_right()
        return code


class PasswordAgainForm(forms.Form):
    """In front of what somebody at a forgotten open browser must not do."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.POST or None)
        self.request = request

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        refuse_wrong_password(self.request, password)
        return password


class EnrolmentForm(PasswordAgainForm):
    code = forms.CharField(
        label=_("Code"),
        max_length=10,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
        ),
        help_text=_("The six digits that the app shows now."),
    )
    field_order = ["code", "password"]


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Needs to know from where it is sent."""

    request: HttpRequest

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        refuse_wrong_password(self.request, password)
        return password


def refuse_wrong_password(request: HttpRequest, password: str) -> None:
    """Raises ValidationError."""
    guess = counted(request, request.user.get_username())
    if not request.user.check_password(password):
        raise ValidationError(_("The password is wrong."), code="wrong")
    guess.was_right()
