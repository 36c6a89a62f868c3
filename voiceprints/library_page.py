"""What the console's page about a library says beyond its own row."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from tenants.console import may_change, may_manage_access
from voiceprints.models import Library, Speaker

NEWEST_SHOWN = 12


@dataclass(frozen=True)
class LibraryPage:
    library: Library
    newest: QuerySet[Speaker]
    statuses: list[tuple[str, str]]
    may_change: bool
    may_manage: bool

    @property
    def tryout_address(self) -> str:
        return reverse("admin:try_out", query={"library": self.library.pk})

    @property
    def export_address(self) -> str:
        return reverse("admin:export_library", args=[self.library.tenant.slug], query={"library": self.library.pk})


def library_page(request: HttpRequest, library: Library) -> LibraryPage:
    return LibraryPage(
        library=library,
        newest=library.speakers.without_probes().order_by("-created", "-pk")[:NEWEST_SHOWN],
        statuses=[(one.value, str(one.label)) for one in (Speaker.Status.ENROLLED, Speaker.Status.ENROLLING)],
        may_change=may_change(request),
        may_manage=may_manage_access(request),
    )
