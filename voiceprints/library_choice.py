"""One library is chosen among many by typing; platform staff see whose it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from tenants.console import is_platform_staff, number_in, own_rows
from tenants.models import Tenant
from voiceprints.models import Library, Speaker


def name_of(library: Library, request: HttpRequest) -> str:
    tenant = library.tenant.name if is_platform_staff(request) else ""
    return " · ".join(filter(None, [tenant, str(library), library.name]))


@dataclass(frozen=True)
class Among:
    """Of the libraries that somebody sees, those of one tenant, or all but one. By their numbers."""

    tenant: int | None = None
    but: int | None = None

    @classmethod
    def asked(cls, request: HttpRequest) -> Among:
        return cls(*(number_in(request.GET.get(name, "")) for name in ("tenant", "but")))

    @property
    def query(self) -> str:
        return urlencode({name: number for name, number in asdict(self).items() if number is not None})

    def of(self, libraries: QuerySet[Library]) -> QuerySet[Library]:
        found = libraries if self.tenant is None else libraries.filter(tenant=self.tenant)
        return found if self.but is None else found.exclude(pk=self.but)


ANY: Final = Among()


class LibrarySelect(AutocompleteSelect):
    """What is found while somebody types is narrowed by the address that is asked."""

    def __init__(self, among: Among) -> None:
        super().__init__(Speaker._meta.get_field("library"), admin.site)
        self.among = among

    def get_url(self) -> str:
        return "?".join(filter(None, [super().get_url(), self.among.query]))


class LibraryField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """What is offered first is looked up when somebody types."""

    def __init__(self, request: HttpRequest, among: Among) -> None:
        mine = among.of(own_rows(request, Library.all_tenants.select_related("tenant")))
        widget = LibrarySelect(among)
        super().__init__(mine, label=_("Library"), empty_label=None, widget=widget)
        self.request = request

    def label_from_instance(self, obj: Any) -> str:
        return name_of(obj, self.request)


class LibraryChoice(forms.Form):
    """`chosen`: a library's number, as it was sent."""

    def __init__(self, request: HttpRequest, chosen: str, among: Among = ANY) -> None:
        super().__init__(initial={"library": number_in(chosen)})
        self.fields["library"] = LibraryField(request, among)


class Finding(AutocompleteJsonView):
    """What is found while somebody types, in every form of the console."""

    def process_request(self, request: HttpRequest) -> Any:
        term, *rest = super().process_request(request)
        return term.replace("\0", ""), *rest

    def get_queryset(self) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset()
        return Among.asked(self.request).of(found.select_related("tenant")) if found.model is Library else found

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        return super().serialize_result(obj, to_field_name) | {"text": self._name_of(obj)}

    def _name_of(self, found: Any) -> str:
        if isinstance(found, Library):
            return name_of(found, self.request)
        return f"{found.slug} · {found.name}" if isinstance(found, Tenant) else str(found)
