"""What the console's views about speakers and libraries share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from tenants.console import own_rows
from voiceprints.models import Library, Speaker

LARGEST_KEY = 10**18


def own_library(request: HttpRequest, library_id: int) -> Library:
    """Raises Http404 for another tenant's, as for none."""
    library: Library = _own(request, Library.all_tenants.select_related("tenant"), library_id)
    return library


def own_speaker(request: HttpRequest, speaker_id: int) -> Speaker:
    """Raises Http404 for another tenant's, as for none."""
    speaker: Speaker = _own(request, Speaker.all_tenants.select_related("library", "tenant"), speaker_id)
    return speaker


def page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Rendered at once, while the rows can be seen."""
    return render(request, f"console/{template}.html", admin.site.each_context(request) | context)


def _own(request: HttpRequest, rows: Any, key: int) -> Any:
    found = own_rows(request, rows).filter(pk=key).first() if key < LARGEST_KEY else None
    if found is None:
        raise Http404
    return found
