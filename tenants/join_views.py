"""Following an invitation. Its secret leaves the address at once, so that it stands in no log and no history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from tenants import invitations
from tenants.console import page
from tenants.invitations import AlreadyMember, InvitationGone, InvitationRefused, StaffStaysOutside
from tenants.middleware import CHOSEN_TENANT
from tenants.models import Invitation
from tenants.origins import ActorKind, coming_from, origin
from tenants.sign_in import let_in
from tenants.sign_in_forms import INVITED, NewAccountForm, invited_to


@never_cache
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    request.session[INVITED] = invitations.digest_of(token)
    return redirect("admin:join")


@never_cache
@sensitive_post_parameters()
def join(request: HttpRequest) -> HttpResponse:
    invitation = invited_to(request)
    if invitation is None:
        return page(request, "join", {"title": _("This invitation no longer works")}, status=404)
    if request.user.is_authenticated:
        return _with_own_account(request, invitation)
    return _with_new_account(request, invitation)


def _with_own_account(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    if request.method != "POST":
        return page(request, "join", _about(invitation))
    try:
        invitations.accept(invitation, request.user)  # type: ignore[arg-type]
    except InvitationRefused as refusal:
        messages.error(request, in_words(refusal))
        return page(request, "join", _about(invitation))
    return _inside(request, invitation)


def _with_new_account(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = NewAccountForm(request, initial={"email": invitation.email})
    if not form.is_valid():
        return page(request, "join", _about(invitation) | {"form": form})
    try:
        user = _made_member(form, invitation)
    except InvitationRefused as refusal:
        messages.error(request, in_words(refusal))
        return redirect("admin:join")
    except IntegrityError:
        # Somebody took the name since the form was checked, which finds it now.
        return page(request, "join", _about(invitation) | {"form": NewAccountForm(request)})
    let_in(request, user)
    return _inside(request, invitation)


@transaction.atomic
def _made_member(form: Any, invitation: Invitation) -> AbstractBaseUser:
    """No account without the membership."""
    user: AbstractBaseUser = form.save()
    with coming_from(replace(origin(), kind=ActorKind.USER, number=user.pk, name=user.get_username())):
        invitations.accept(invitation, user)
    return user


def _inside(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    request.session.pop(INVITED, None)
    request.session[CHOSEN_TENANT] = invitation.tenant_id
    messages.success(request, _("Welcome to %s.") % invitation.tenant.name)
    return redirect("admin:index")


def in_words(refusal: InvitationRefused) -> str:
    return {
        InvitationGone: _("This invitation was used or revoked meanwhile."),
        AlreadyMember: _("You are a member of this tenant already."),
        StaffStaysOutside: _("Platform staff see every tenant and become members of none."),
    }[type(refusal)]


def _about(invitation: Invitation) -> dict[str, Any]:
    return {"title": _("Join %s") % invitation.tenant.name, "invitation": invitation}
