"""A new secret is shown once. The session remembers which credential is unseen, never its secret."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.models import Credential

UNSEEN = "unseen_credential"


def keep_unseen(request: HttpRequest, credential: Credential) -> None:
    request.session[UNSEEN] = credential.pk


def go_and_see(request: HttpRequest) -> HttpResponse:
    return redirect("admin:tenants_credential_secret", request.session[UNSEEN])


def is_unseen(request: HttpRequest, credential_id: int) -> bool:
    return request.session.get(UNSEEN) == credential_id


def mark_seen(request: HttpRequest) -> None:
    del request.session[UNSEEN]
