"""What a page asks for in parts is led elsewhere as a whole: htmx would put the page it is sent to into the part."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import resolve_url


class WholePageMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "HX-Request" not in request.headers or not isinstance(response, HttpResponseRedirectBase):
            return response
        led = HttpResponse(headers=_led(response.url))
        led.cookies = response.cookies
        return led


def _led(address: str) -> dict[str, str]:
    """To sign in one comes from the page itself, to which one returns: the part has no address of its own."""
    signs_in = urlsplit(address).path == resolve_url(settings.LOGIN_URL)
    return {"HX-Refresh": "true"} if signs_in else {"HX-Redirect": address}
