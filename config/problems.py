"""Errors in the words of whoever asked: pages for people in the console, JSON for everybody else."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.csrf import csrf_failure

TITLES = {400: "bad request", 403: "forbidden", 404: "not found", 500: "internal error"}
PAGES = {
    400: (_("This request makes no sense here"), _("Go back and try again.")),
    403: (_("Your role does not allow this"), _("Ask an owner of your tenant.")),
    404: (_("There is nothing here"), _("It may have been deleted, or the address is wrong.")),
    500: (_("Something broke"), _("It has been logged, and nothing was changed.")),
}


def problem(request: HttpRequest, status: int) -> HttpResponse:
    if not request.path.startswith(settings.CONSOLE_PATH):
        return JsonResponse({"status": status, "title": TITLES[status]}, status=status)
    title, advice = PAGES[status]
    context = {"status": status, "title": title, "advice": advice}
    return render(request, "console/problem.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 403)


def forgery(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token: Django's own page explains that to people in the console."""
    if request.path.startswith(settings.CONSOLE_PATH):
        return csrf_failure(request, reason)
    return problem(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 404)


def internal_error(request: HttpRequest) -> HttpResponse:
    return problem(request, 500)
