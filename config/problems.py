"""Errors in the words of whoever asked: pages for people in the console, JSON for everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

METHODS = ("GET", "HEAD", "POST")
"""Of pages and forms: nothing in the console takes another."""
TITLES = {
    400: "bad request",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    413: "too large",
    500: "internal error",
}
PAGES = {
    400: (_("This request makes no sense here"), _("Go back and try again.")),
    403: (_("Your role does not allow this"), _("Ask an owner of your tenant, or the staff of the platform.")),
    404: (_("There is nothing here"), _("It may have been deleted, or the address is wrong.")),
    405: (_("There is nothing to see here"), _("What this address does, a button of another page begins.")),
    413: (_("This upload is too large"), _("Choose fewer or shorter recordings.")),
    500: (_("Something broke"), _("It has been logged, and nothing was changed.")),
    503: (_("This cannot be had now"), _("It has been logged. Try again later.")),
}
FORGERY = (
    _("This form could not be accepted"),
    _("Go back, load the page anew and send it once more. The browser must accept cookies."),
)


def problem(request: HttpRequest, status: int, words: tuple[Any, Any] | None = None) -> HttpResponse:
    """`words`: title and advice, where those of the status do not fit."""
    if not request.path.startswith(settings.CONSOLE_PATH):
        return JsonResponse({"status": status, "title": TITLES[status]}, status=status)
    title, advice = words or PAGES[status]
    context = {"status": status, "title": title, "advice": advice}
    return render(request, "console/problem.html", context, status=status)


class ProblemPageMiddleware:
    """What the console refuses without a word becomes a page; elsewhere, a wrong method becomes JSON."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        in_console = request.path.startswith(settings.CONSOLE_PATH)
        wrong = in_console and request.method not in METHODS
        response = HttpResponseNotAllowed(METHODS) if wrong else self.get_response(request)
        known = PAGES if in_console else {405}
        if response.status_code not in known or response.streaming or response.content:
            return response
        page = problem(request, response.status_code)
        response.content, response.headers["Content-Type"] = page.content, page.headers["Content-Type"]
        return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 403)


def forgery(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token, such as one that was open while somebody else signed in."""
    return problem(request, 403, FORGERY)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 404)


def internal_error(request: HttpRequest) -> HttpResponse:
    return problem(request, 500)
