"""Which room answers which path."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.i18n import set_language

from config import health, metrics

CONSOLE = settings.CONSOLE_PATH.lstrip("/")


@csrf_exempt
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return redirect("admin:index")


urlpatterns = [
    path("", home),
    path(settings.CONSOLE_PATH.strip("/"), home),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics.exposed),
    path(f"{CONSOLE}language", set_language, name="set_language"),
    path(CONSOLE, admin.site.urls),
    *(path("", include(f"api.{dialect}.urls")) for dialect in settings.DIALECTS),
]


handler400 = "config.problems.bad_request"
handler403 = "config.problems.forbidden"
handler404 = "config.problems.not_found"
handler500 = "config.problems.internal_error"
