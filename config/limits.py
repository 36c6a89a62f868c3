"""How much the console takes in one request. Where a form is read, its files go to the disk, whoever sends them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from api.bodies import Malformed, declared_bytes, drain
from config.problems import problem
from tenants.console import TAKES_LARGE_UPLOADS

FORM_OF_A_STRANGER_BYTES: Final = 64 * 1024
"""To sign in takes less than one."""
FORM_BYTES: Final = 1024 * 1024
SOMEWHAT_TOO_LARGE: Final = 2
"""Of what is a little above the limit, the form itself says so."""


class ConsoleBodyMiddleware(MiddlewareMixin):
    """Judges the body by its head, before the middleware that looks for the token in it reads it."""

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not request.path.startswith(settings.CONSOLE_PATH) or getattr(view, TAKES_LARGE_UPLOADS, False):
            return None
        try:
            too_large = declared_bytes(request) > _most_bytes(request)
        except Malformed:
            return problem(request, HTTPStatus.BAD_REQUEST)
        if not too_large:
            return None
        drain(request)
        return _refused(request)


def _refused(request: HttpRequest) -> HttpResponse:
    """In the place beside the form where scripts have sent it, which show no answer of a failure."""
    if "HX-Request" in request.headers:
        return render(request, "console/too_large.html", {"words": _("The upload is too large.")})
    return problem(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _most_bytes(request: HttpRequest) -> int:
    known = request.user.is_authenticated
    return SOMEWHAT_TOO_LARGE * settings.MAX_UPLOAD_BYTES + FORM_BYTES if known else FORM_OF_A_STRANGER_BYTES
