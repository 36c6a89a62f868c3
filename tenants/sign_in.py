"""Signing in, in one step or two: the password, and a code from whoever has a second factor."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import REDIRECT_FIELD_NAME, get_user_model, login
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from tenants import guessing
from tenants.console import is_platform_staff, membership_of
from tenants.second_factors import has_second_factor, recovery_codes_left
from tenants.sentences import in_a_row
from tenants.sign_in_forms import CodeForm

HALFWAY = "halfway"
HALFWAY_SECONDS = 300
BY_TWO_FACTORS = "by_two_factors"
FEW_CODES = 3


class PasswordStep(LoginView):
    """Whoever has a second factor is not signed in by this, only remembered for the next step."""

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if not has_second_factor(user):
            let_in(self.request, user)
            return HttpResponseRedirect(self.get_success_url())
        self.request.session.cycle_key()
        self.request.session[HALFWAY] = [user.pk, user.backend, user.get_session_auth_hash(), int(time.time())]
        self.request.session[REDIRECT_FIELD_NAME] = self.get_success_url()
        return redirect("admin:login_code")


@never_cache
@sensitive_post_parameters("code")
def code_step(request: HttpRequest) -> HttpResponse:
    user = _halfway_in(request)
    if user is None:
        messages.error(request, _("That took too long. Please begin again."))
        return redirect("admin:login")
    form = CodeForm(request, user)
    if not form.is_valid():
        about = {"title": _("Two-factor sign-in"), "form": form, "begin_again": True}
        return TemplateResponse(request, "console/login.html", admin.site.each_context(request) | about)
    onwards = request.session.pop(REDIRECT_FIELD_NAME, "")
    del request.session[HALFWAY]
    let_in(request, user, by_two_factors=True)
    _warn_of_few_recovery_codes(request, user)
    return HttpResponseRedirect(onwards if _stays_here(request, onwards) else resolve_url("admin:index"))


def let_in(request: HttpRequest, user: Any, *, by_two_factors: bool = False) -> None:
    login(request, user)
    request.session[BY_TWO_FACTORS] = by_two_factors
    guessing.forget(user)


def owes_second_factor(request: HttpRequest) -> bool:
    """Whether the user's tenant, or the platform of its staff, asks for one that this session was begun without."""
    if not request.user.is_authenticated or request.session.get(BY_TWO_FACTORS):
        return False
    if is_platform_staff(request):
        return bool(settings.STAFF_NEED_TWO_FACTORS)
    membership = membership_of(request)
    return membership is not None and membership.tenant.two_factor_required


def past_second_factor(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view, in front of which somebody who owes a second factor sets one up."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if owes_second_factor(request):
            return redirect("admin:second_factor")
        return view(request, *args, **kwargs)

    return guarded


def _halfway_in(request: HttpRequest) -> Any:
    """Who gave the right password a moment ago, and has not changed it since."""
    user_id, backend, password_hash, since = request.session.get(HALFWAY, (None, "", "", 0))
    user = user_id and get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if not user or time.time() - since > HALFWAY_SECONDS:
        return None
    if not constant_time_compare(password_hash, user.get_session_auth_hash()):
        return None
    user.backend = backend
    return user


def _warn_of_few_recovery_codes(request: HttpRequest, user: AbstractBaseUser) -> None:
    left = recovery_codes_left(user)
    if left < FEW_CODES:
        said = ngettext("You have %d recovery code left.", "You have %d recovery codes left.", left) % left
        messages.warning(request, in_a_row([said, _("Make new ones under Sign-in and sessions.")]))


def _stays_here(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
