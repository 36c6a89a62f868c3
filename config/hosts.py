"""Which Host headers are answered: those allowed, but any in front of a view that never looks at it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.middleware.common import CommonMiddleware


class HostMiddleware(CommonMiddleware):
    """CommonMiddleware, which refuses other hosts, but only once it is known who would answer.

    The clients of some vendors name the vendor's host whatever the address they call.
    """

    def process_request(self, request: HttpRequest) -> None:
        return None

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if not getattr(getattr(view, "cls", None), "any_host", False):
            request.get_host()
