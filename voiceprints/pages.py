"""What the console's views about speakers and libraries share."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from tenants.console import number_in, own_rows, page
from tenants.models import Tenant
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


def part(request: HttpRequest, template: str, title: Any, context: dict[str, Any]) -> HttpResponse:
    """Of a page that asks for it when it comes into view; without scripts a page of its own."""
    if "HX-Request" in request.headers:
        return render(request, f"console/{template}.html", context)
    return page(request, "part", context | {"title": title, "part": f"console/{template}.html"})


def chosen_speaker(request: HttpRequest, tenant: Tenant) -> dict[str, Any]:
    """From whose page somebody comes to a form that is about a speaker."""
    speaker = tenant.speakers.filter(pk=number_in(request.GET.get("speaker", "")) or 0).first()
    return {"external_id": speaker.external_id} if speaker else {}


def older_ones(request: HttpRequest) -> dict[str, Any]:
    """As a filter: than the last row of the page before, if there is one."""
    last = number_in(request.GET.get("before", ""))
    return {} if last is None else {"pk__lt": last}


def _own(request: HttpRequest, rows: Any, key: int) -> Any:
    found = own_rows(request, rows).filter(pk=key).first() if key < LARGEST_KEY else None
    if found is None:
        raise Http404
    return found
