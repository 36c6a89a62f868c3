"""What the console's page about a library says beyond its own row: who is in it, searched, sorted and page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.paginator import Page, Paginator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from tenants.console import may_change, may_manage_access
from voiceprints.counting import counts_of
from voiceprints.models import Library, Speaker, Utterance

ROWS_SHOWN = 50
NEWEST_FIRST = "-created"
SORTED_BY = ("external_id", "status", "created")
ORDERS = {sign + field: (sign + field, f"{sign}pk") for field in SORTED_BY for sign in ("", "-")}


@dataclass(frozen=True)
class Wanted:
    """What somebody asked of the list; the members are named as in the address, `o` is the order."""

    q: str
    status: str
    o: str

    def address(self, **changes: Any) -> str:
        return f"?{urlencode({name: said for name, said in (vars(self) | changes).items() if said})}"


@dataclass(frozen=True)
class Column:
    """`address` sorts by it; "" where nothing does. `sorted`: as ARIA says it."""

    title: str
    address: str = ""
    sorted: str = "none"


@dataclass(frozen=True)
class LibraryPage:
    library: Library
    wanted: Wanted
    found: Page[Speaker]
    may_change: bool
    may_manage: bool

    @property
    def statuses(self) -> list[tuple[str, Any]]:
        return Speaker.Status.choices

    @property
    def columns(self) -> list[Column]:
        return [
            self._column("external_id", _("speaker")),
            self._column("status", _("status")),
            Column(_("recordings")),
            self._column("created", _("created")),
        ]

    @property
    def newer(self) -> str:
        return self.wanted.address(p=self.found.previous_page_number()) if self.found.has_previous() else ""

    @property
    def older(self) -> str:
        return self.wanted.address(p=self.found.next_page_number()) if self.found.has_next() else ""

    @property
    def deeds_address(self) -> str:
        """Of the list of all speakers, narrowed down alike, whose actions are for all that were found as well."""
        filters = {"library": self.library.pk, "q": self.wanted.q, "status__exact": self.wanted.status}
        return reverse(
            "admin:voiceprints_speaker_changelist", query={name: said for name, said in filters.items() if said}
        )

    @property
    def tryout_address(self) -> str:
        return reverse("admin:try_out", query={"library": self.library.pk})

    @property
    def export_address(self) -> str:
        return reverse("admin:export_library", args=[self.library.tenant.slug], query={"library": self.library.pk})

    def _column(self, field: str, title: str) -> Column:
        ascending = self.wanted.o == field
        sorted_now = {field: "ascending", f"-{field}": "descending"}.get(self.wanted.o, "none")
        return Column(title, self.wanted.address(o=f"-{field}" if ascending else field), sorted_now)


def library_page(request: HttpRequest, library: Library) -> LibraryPage:
    wanted = _wanted(request)
    found = Paginator(_speakers(request, library, wanted), ROWS_SHOWN).get_page(request.GET.get("p", ""))
    rows: list[Any] = list(found)
    counts = counts_of(Utterance.all_tenants.all(), "speaker", [row.pk for row in rows])
    for row in rows:
        row.count = counts.get(row.pk, 0)
    found.object_list = rows
    return LibraryPage(library, wanted, found, may_change(request), may_manage_access(request))


def _wanted(request: HttpRequest) -> Wanted:
    """What makes no sense counts for nothing."""
    said = request.GET
    order, status = said.get("o", ""), said.get("status", "")
    return Wanted(
        said.get("q", "").replace("\0", "").strip(),
        status if status in Speaker.Status.values else "",
        order if order in ORDERS else NEWEST_FIRST,
    )


def _speakers(request: HttpRequest, library: Library, wanted: Wanted) -> Any:
    speakers = library.speakers.filter(status=wanted.status) if wanted.status else library.speakers.all()
    listing = admin.site.get_model_admin(Speaker)
    found, _may_repeat = listing.get_search_results(request, speakers, wanted.q)
    return found.order_by(*ORDERS[wanted.o])
