"""Pages about one's own account: the second factor, and where one is signed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from tenants import second_factors, signed_in
from tenants.console import may_enter, page
from tenants.sign_in import BY_TWO_FACTORS, owes_second_factor
from tenants.sign_in_forms import EnrolmentForm, PasswordAgainForm
from tenants.signed_in import SignedIn


def own_account(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For whoever may enter the console, also while a second factor is still owed."""

    @never_cache
    @sensitive_post_parameters()
    @csrf_protect
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_enter(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return view(request, *args, **kwargs)

    return guarded


def me(request: HttpRequest) -> AbstractBaseUser:
    """Nobody anonymous comes as far as these pages."""
    return cast(AbstractBaseUser, request.user)


def account(request: HttpRequest) -> HttpResponse:
    context = {
        "title": _("Sign-in and sessions"),
        "has_second_factor": second_factors.has_second_factor(me(request)),
        "recovery_codes_left": second_factors.recovery_codes_left(me(request)),
        "sessions": _own_sessions(request),
    }
    return page(request, "account", context)


@own_account
def second_factor(request: HttpRequest) -> HttpResponse:
    """Setting it up. The picture is made anew whenever the page is opened."""
    if second_factors.has_second_factor(me(request)):
        return redirect("admin:account")
    form = EnrolmentForm(request)
    if form.is_valid():
        codes = second_factors.turn_on(me(request), form.cleaned_data["code"], session_key=request.session.session_key)
        if codes:
            request.session[BY_TWO_FACTORS] = True
            return _recovery_codes(request, codes)
        form.add_error("code", _("This is not the code that the app shows now. Is the clock of your device right?"))
    enrolment = second_factors.begun(me(request)) if request.method == "POST" else None
    context = {
        "title": _("Set up two-factor sign-in"),
        "form": form,
        "enrolment": enrolment or second_factors.begin(me(request)),
        "owed": owes_second_factor(request),
    }
    return page(request, "second_factor", context)


def turn_second_factor_off(request: HttpRequest) -> HttpResponse:
    form = PasswordAgainForm(request)
    if not form.is_valid():
        explanation = _("From now on the password alone lets you in. Your recovery codes go, and other sessions end.")
        return _asked(request, form, _("Turn off two-factor sign-in"), explanation, _("Turn off"))
    second_factors.turn_off(me(request), session_key=request.session.session_key)
    request.session[BY_TWO_FACTORS] = False
    messages.success(request, _("Two-factor sign-in is off."))
    return redirect("admin:account")


def new_recovery_codes(request: HttpRequest) -> HttpResponse:
    if not second_factors.has_second_factor(me(request)):
        return redirect("admin:account")
    form = PasswordAgainForm(request)
    if not form.is_valid():
        return _asked(request, form, _("New recovery codes"), _("The old ones stop working."), _("Make new ones"))
    return _recovery_codes(request, second_factors.new_recovery_codes(me(request)))


def end_session(request: HttpRequest, name: str) -> HttpResponse:
    chosen = next((one for one in _own_sessions(request) if one.name == name), None)
    if chosen is None:
        raise Http404
    if request.method != "POST":
        return _confirmation(request, _("End this session?"), [chosen])
    if chosen.is_this:
        logout(request)
        return redirect("admin:login")
    signed_in.end_session(me(request), name)
    messages.success(request, _("The session has ended."))
    return redirect("admin:account")


def end_other_sessions(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        others = [one for one in _own_sessions(request) if not one.is_this]
        return _confirmation(request, _("End all sessions but this one?"), others)
    ended = signed_in.sign_out_elsewhere(me(request), request.session.session_key)
    messages.success(request, ngettext("%d session has ended.", "%d sessions have ended.", ended) % ended)
    return redirect("admin:account")


def _own_sessions(request: HttpRequest) -> list[SignedIn]:
    return signed_in.sessions_of(me(request), request.session.session_key)


def _confirmation(request: HttpRequest, question: str, ending: list[SignedIn]) -> HttpResponse:
    context = {
        "title": _("Are you sure?"),
        "question": question,
        "lead": _("Whoever uses it must sign in again."),
        "consequences": [ngettext("%d session", "%d sessions", len(ending)) % len(ending)],
        "names": [str(one) for one in ending],
        "button": _("End"),
        "back": reverse("admin:account"),
    }
    return page(request, "confirm", context)


def _recovery_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    context = {"title": _("Recovery codes"), "codes": codes, "text": "\n".join(codes)}
    return page(request, "recovery_codes", context)


def _asked(request: HttpRequest, form: PasswordAgainForm, title: str, explanation: str, button: str) -> HttpResponse:
    asked = {"title": title, "explanation": explanation, "form": form, "button": button}
    return page(request, "form", asked | {"back": reverse("admin:account")})
