"""The description of the API, for programs and for people. Everything it needs is served from here."""

from __future__ import annotations

import json
from functools import cache

import yaml
from django.http import HttpResponse
from django.shortcuts import render
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from api.native.operations import operation
from api.native.schema import description
from api.native.viewsets import NativeViewSet
from api.native.wire import stand_in

# Both pages style themselves inline; Redoc searches in a worker that it makes itself.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


class DescriptionViewSet(NativeViewSet):
    """Open to everybody."""

    authentication_classes = []
    schema = None  # type: ignore[assignment]


class JsonViewSet(DescriptionViewSet):
    renderer_classes = [JSONRenderer]

    @operation("The description in JSON", None)
    def show(self, request: Request) -> HttpResponse:
        return HttpResponse(as_json(), content_type="application/json")


class YamlViewSet(DescriptionViewSet):
    renderer_classes = [stand_in("application/yaml")]

    @operation("The description in YAML", None)
    def show(self, request: Request) -> HttpResponse:
        return HttpResponse(as_yaml(), content_type="application/yaml")


class PageViewSet(DescriptionViewSet):
    renderer_classes = [stand_in("text/html")]

    @operation("The description to try", None)
    def swagger(self, request: Request) -> HttpResponse:
        return page(request, "native/swagger.html")

    @operation("The description to read", None)
    def redoc(self, request: Request) -> HttpResponse:
        return page(request, "native/redoc.html")


@cache
def as_json() -> bytes:
    return json.dumps(description(), ensure_ascii=False).encode()


@cache
def as_yaml() -> bytes:
    return yaml.safe_dump(description(), allow_unicode=True, sort_keys=False).encode()


def page(request: Request, template: str) -> HttpResponse:
    response = render(request._request, template)
    response["Content-Security-Policy"] = POLICY
    return response
