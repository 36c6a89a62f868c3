"""Drop-down filters of the console's lists. They offer what the member's own rows hold."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from tenants.console import number_in, own_rows
from tenants.names import visible
from voiceprints.library_choice import name_of
from voiceprints.models import Library

CHOICES_OFFERED = 500


class OrganisationFilter(DropdownFilter):
    title = _("organisation")
    parameter_name = "org"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        libraries = own_rows(request, Library.all_tenants.all()).order_by("org_id")
        names = libraries.values_list("org_id", flat=True).distinct()[:CHOICES_OFFERED]
        return [(name, visible(name)) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if not chosen:
            return queryset
        return queryset.none() if "\0" in chosen else queryset.filter(org_id=chosen)


class LibraryFilter(DropdownFilter):
    title = _("library")
    parameter_name = "library"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        libraries = own_rows(request, Library.all_tenants.select_related("tenant"))[:CHOICES_OFFERED]
        return [(str(library.pk), name_of(library, request)) for library in libraries]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if not chosen:
            return queryset
        return queryset.filter(library=number_in(chosen))
