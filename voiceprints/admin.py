"""Console pages about voiceprints: libraries, the speakers in them, and what they said."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from tenants.console import (
    PlatformAdmin,
    TenantAdmin,
    closed,
    is_platform_staff,
    may_change,
    may_listen,
    may_manage_access,
    own_rows,
    refuse_unless,
)
from tenants.interfaces import interface_name
from voiceprints import curation
from voiceprints.confirmation import carry_out, confirmation_page, is_confirmed, is_meant
from voiceprints.consents import consent_of
from voiceprints.counting import CountingChangeList, Counts, counts_of
from voiceprints.errors import LibraryExists
from voiceprints.filters import LibraryFilter, OrganisationFilter
from voiceprints.findings import HEADINGS, lines
from voiceprints.library_forms import LibraryForm
from voiceprints.library_page import library_page
from voiceprints.models import Library, Speaker, StorageFinding, Utterance
from voiceprints.moving import moved_or_asked
from voiceprints.querysets import SpeakerQuerySet
from voiceprints.removals import (
    DELETE_LIBRARIES,
    DELETE_SPEAKERS,
    DELETE_UTTERANCES,
    EMPTY_LIBRARIES,
    Undertaking,
)
from voiceprints.results import LibraryKey
from voiceprints.speaker_page import speaker_page

STATUS_COLOURS = {
    Speaker.Status.ENROLLED: "success",
    Speaker.Status.ENROLLING: "warning",
    Speaker.Status.PROBE: "info",
}


class RemovableAdmin(TenantAdmin):
    """Rows whose recordings go with them: every removal is announced, then carried out by the services."""

    deletion: Undertaking
    show_full_result_count = False
    formfield_overrides = {TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}

    @action(description=_("Delete"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self.undertake(request, self.deletion, queryset, back=request.get_full_path())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        chosen = self.get_object(request, object_id)
        if chosen is None:
            return self.not_found(request, object_id)
        refuse_unless(self.has_delete_permission(request, chosen))
        one = self.get_queryset(request).filter(pk=chosen.pk)
        page = self.undertake(request, self.deletion, one, back=self.page_address(chosen.pk))
        return page or redirect(self.list_address)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CountingChangeList]:
        return CountingChangeList

    def count_beside(self, keys: Sequence[int]) -> Counts:
        """How many recordings belong to each of these rows."""
        raise NotImplementedError

    @display(description=_("recordings"))
    def recordings(self, row: Any) -> int:
        return row.count

    def undertake(
        self, request: HttpRequest, undertaking: Undertaking, chosen: QuerySet[Any], *, back: str
    ) -> HttpResponse | None:
        if not is_meant(request, undertaking, chosen):
            return confirmation_page(request, undertaking, chosen, back)
        carry_out(request, undertaking, chosen)
        return None


@admin.register(Library)
class LibraryAdmin(RemovableAdmin):
    trail_kind = "library"
    form = LibraryForm
    outrun = (LibraryExists,)
    list_display = ["__str__", "name", "how_many_speakers", "recordings", "created"]
    list_filter = [OrganisationFilter]
    list_select_related = ["tenant"]
    search_fields = ["org_id", "tag_id", "name", "info"]
    actions = ["empty", "delete_selected"]
    fields = ["org_id", "tag_id", "name", "info"]
    fixed_fields = ["org_id", "tag_id"]
    change_form_outer_after_template = "console/library.html"
    deletion = DELETE_LIBRARIES

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        library = context.get("original")
        about = {"library_page": library_page(request, library)} if library else {}
        return super().render_change_form(request, context | about, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Library]:
        mine = Speaker.all_tenants.without_probes().filter(library=OuterRef("pk")).order_by().values("library")
        counted = Coalesce(Subquery(mine.annotate(count=Count("pk")).values("count")), 0)
        return super().get_queryset(request).annotate(speaker_count=counted)

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        whose = ["tenant__slug", "tenant__name"] if is_platform_staff(request) else []
        return [*super().get_search_fields(request), *whose]

    def count_beside(self, keys: Sequence[int]) -> Counts:
        return counts_of(Utterance.all_tenants.all(), "speaker__library", keys)

    def save_model(self, request: HttpRequest, obj: Library, form: Any, change: bool) -> None:
        if change:
            given = {field: getattr(obj, field) for field in form.changed_data}
            curation.change_library(obj.tenant, obj.pk, given, versions=None)
        else:
            key = LibraryKey(obj.org_id, obj.tag_id)
            obj.pk = curation.make_library(obj.tenant, key, name=obj.name, info=obj.info).library.pk

    def response_add(self, request: HttpRequest, obj: Library, post_url_continue: str | None = None) -> HttpResponse:
        """To its page, where people are enrolled."""
        super().response_add(request, obj, post_url_continue)
        return redirect(self.page_address(obj.pk))

    @display(description=_("speakers"), ordering="speaker_count")
    def how_many_speakers(self, library: Any) -> str:
        address = reverse("admin:voiceprints_speaker_changelist", query={"library": library.pk})
        return format_html('<a class="link" href="{}">{}</a>', address, library.speaker_count)

    @action(description=_("Empty"), permissions=["delete"])
    def empty(self, request: HttpRequest, queryset: QuerySet[Library]) -> HttpResponse | None:
        return self.undertake(request, EMPTY_LIBRARIES, queryset, back=request.get_full_path())


@admin.register(Speaker)
class SpeakerAdmin(RemovableAdmin):
    trail_kind = "speaker"
    list_display = ["name", "library", "status_badge", "recordings", "created"]
    list_filter = [LibraryFilter, ("status", ChoicesDropdownFilter)]
    search_fields = ["external_id", "info"]
    ordering = ["-created", "-pk"]
    actions = ["move", "delete_selected"]
    fields = ["name", "library", "status", "created", "info"]
    readonly_fields = ["name", "library", "status", "created"]
    change_form_outer_after_template = "console/speaker.html"
    deletion = DELETE_SPEAKERS

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        speaker = context["original"]
        about = {"speaker": speaker, "may_change": may_change(request), "may_listen": may_listen(request)}
        about |= {"may_erase": may_manage_access(request), "closed": closed(speaker.tenant)}
        consent = consent_of(speaker)
        about |= {"consent": consent, "consent_interface": interface_name(consent.interface) if consent else ""}
        return super().render_change_form(request, context | about | {"page": speaker_page(request, speaker)}, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.remove_recording)
        address = "<int:speaker_id>/recordings/<int:utterance_id>/delete/"
        return [path(address, view, name="voiceprints_speaker_remove_recording"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Speaker]:
        # A library that is joined is looked up for each of the many rows that are sorted out.
        return super().get_queryset(request).select_related("tenant").prefetch_related("library")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Speaker], search_term: str
    ) -> tuple[QuerySet[Speaker], bool]:
        """Whose id begins like this, which an index knows; and if nobody's does, who has it in the id or the info."""
        named = cast(SpeakerQuerySet, queryset).beginning_with(search_term.strip())
        if search_term.strip() and named.exists():
            return named, False
        return super().get_search_results(request, queryset, search_term)

    def count_beside(self, keys: Sequence[int]) -> Counts:
        return counts_of(Utterance.all_tenants.all(), "speaker", keys)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Speaker, form: Any, change: bool) -> None:
        given = {field: getattr(obj, field) for field in form.changed_data}
        curation.change_speaker(obj.tenant, obj.pk, given, versions=None)

    @display(description=_("speaker"), ordering="external_id")
    def name(self, speaker: Speaker) -> str:
        return str(speaker)

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def status_badge(self, speaker: Speaker) -> tuple[str, str]:
        return speaker.status, speaker.get_status_display()

    @action(description=_("Move to another library"), permissions=["change"])
    def move(self, request: HttpRequest, queryset: QuerySet[Speaker]) -> HttpResponse | None:
        return moved_or_asked(request, queryset, request.get_full_path())

    def remove_recording(self, request: HttpRequest, speaker_id: int, utterance_id: int) -> HttpResponse:
        speaker = self.get_object(request, str(speaker_id))
        found = Utterance.all_tenants.filter(speaker=speaker, pk=utterance_id).select_related("speaker")
        utterances = own_rows(request, found.numbered())
        if speaker is None or not utterances.exists():
            return self.not_found(request, speaker_id)
        refuse_unless(self.has_delete_permission(request, speaker))
        if not is_confirmed(request):
            return confirmation_page(request, DELETE_UTTERANCES, utterances, self.page_address(speaker_id))
        carry_out(request, DELETE_UTTERANCES, utterances)
        return redirect(self.page_address(speaker_id))


@admin.register(StorageFinding)
class StorageFindingAdmin(PlatformAdmin):
    list_title = _("Storage")
    list_display = ["path", "kind", "size_bytes", "tenant_slug", "found", "seen"]
    list_filter = [("kind", ChoicesDropdownFilter)]
    list_filter_submit = True
    search_fields = ["path"]
    fields = readonly_fields = ["path", "kind", "size_bytes", "tenant_slug", "utterance", "found", "seen"]
    actions_list = ["as_csv"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: StorageFinding | None = None) -> bool:
        return obj is None and is_platform_staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: StorageFinding | None = None) -> bool:
        return False

    @action(description=_("Export as CSV"), url_path="csv", permissions=["view"], icon="download")
    def as_csv(self, request: HttpRequest) -> HttpResponse:
        attached = {"Content-Disposition": 'attachment; filename="storage.csv"'}
        response = HttpResponse(content_type="text/csv; charset=utf-8", headers=attached)
        table = csv.writer(response)
        table.writerow(HEADINGS)
        table.writerows(lines())
        return response
