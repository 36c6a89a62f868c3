"""Which room answers which path."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import include, path


def home(request: HttpRequest) -> HttpResponse:
    return redirect("admin:index")


def alive(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "alive"})


urlpatterns = [
    path("", home),
    path("health/live", alive),
    path(settings.CONSOLE_PATH.lstrip("/"), admin.site.urls),
    *(path("", include(f"api.{dialect}.urls")) for dialect in settings.DIALECTS),
]


def problem(status: int, title: str) -> JsonResponse:
    return JsonResponse({"status": status, "title": title}, status=status)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(400, "bad request")


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(403, "forbidden")


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(404, "not found")


def handler500(request: HttpRequest) -> HttpResponse:
    return problem(500, "internal error")
