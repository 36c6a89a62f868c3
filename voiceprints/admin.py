"""Console pages about voiceprints: libraries, the speakers in them, and what they said."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, TextField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from tenants.console import TenantAdmin, may_change, may_enter, may_listen, own_rows, refuse_unless
from voiceprints import wording
from voiceprints.agreement import count_disagreements
from voiceprints.confirmation import carry_out, confirmation_page, is_confirmed
from voiceprints.counting import count_of
from voiceprints.filters import LibraryFilter, OrganisationFilter
from voiceprints.models import Library, Speaker, Utterance
from voiceprints.removals import (
    DELETE_LIBRARIES,
    DELETE_SPEAKERS,
    DELETE_UTTERANCES,
    EMPTY_LIBRARIES,
    Undertaking,
)

STATUS_COLOURS = {Speaker.Status.ENROLLED: "success", Speaker.Status.ENROLLING: "warning"}


class RemovableAdmin(TenantAdmin):
    """Rows whose recordings go with them: every removal is announced, then carried out by the services."""

    deletion: Undertaking
    formfield_overrides = {TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}

    @action(description=_("Delete"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self.undertake(request, self.deletion, queryset, back=self.list_address())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        chosen = self.get_object(request, object_id)
        if chosen is None:
            return self.not_found(request, object_id)
        refuse_unless(self.has_delete_permission(request, chosen))
        one = self.get_queryset(request).filter(pk=chosen.pk)
        page = self.undertake(request, self.deletion, one, back=self.page_address(chosen.pk))
        return page or redirect(self.list_address())

    def undertake(
        self, request: HttpRequest, undertaking: Undertaking, chosen: QuerySet[Any], *, back: str
    ) -> HttpResponse | None:
        if not is_confirmed(request):
            return confirmation_page(request, self.admin_site.each_context(request), undertaking, chosen, back)
        self.log_deletions(request, chosen)
        carry_out(request, undertaking, chosen)
        return None

    def list_address(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def page_address(self, key: int) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[key])


@admin.register(Library)
class LibraryAdmin(RemovableAdmin):
    list_display = ["__str__", "name", "speakers", "recordings", "created"]
    list_filter = [OrganisationFilter]
    list_select_related = ["tenant"]
    search_fields = ["org_id", "tag_id", "name", "info"]
    actions = ["empty", "delete_selected"]
    fields = ["org_id", "tag_id", "name", "info"]
    fixed_fields = ["org_id", "tag_id"]
    deletion = DELETE_LIBRARIES

    def get_queryset(self, request: HttpRequest) -> QuerySet[Library]:
        enrolled = count_of(Speaker.all_tenants.all(), by="library")
        said = count_of(Utterance.all_tenants.all(), by="speaker__library")
        return super().get_queryset(request).annotate(speaker_count=enrolled, utterance_count=said)

    @display(description=_("speakers"), ordering="speaker_count")
    def speakers(self, library: Any) -> str:
        address = reverse("admin:voiceprints_speaker_changelist", query={"library": library.pk})
        return format_html('<a href="{}">{}</a>', address, library.speaker_count)

    @display(description=_("recordings"), ordering="utterance_count")
    def recordings(self, library: Any) -> int:
        return library.utterance_count

    @action(description=_("Empty"), permissions=["delete"])
    def empty(self, request: HttpRequest, queryset: QuerySet[Library]) -> HttpResponse | None:
        return self.undertake(request, EMPTY_LIBRARIES, queryset, back=self.list_address())


class UtteranceInline(TabularInline):
    model = Utterance
    verbose_name_plural = _("recordings")
    fields = ["length", "speech", "noise", "level", "clipping", "created", "file"]
    readonly_fields = ["player", *fields, "removal"]
    hide_title = True
    show_count = True
    per_page = 20
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Utterance]:
        return own_rows(request, super().get_queryset(request)).order_by("-created", "-pk")

    def get_count(self, request: HttpRequest, obj: Any = None) -> int:
        return obj.utterance_count if obj else 0

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        first = ["player"] if may_listen(request) else []
        last = ["removal"] if may_change(request) else []
        return [*first, *self.fields, *last]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_enter(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("recording"))
    def player(self, utterance: Utterance) -> str:
        if not utterance.recording:
            return "—"
        return render_to_string("console/player.html", {"address": reverse("admin:recording", args=[utterance.pk])})

    @display(description=_("length"))
    def length(self, utterance: Utterance) -> str:
        return wording.seconds(utterance.duration_seconds)

    @display(description=_("speech"))
    def speech(self, utterance: Utterance) -> str:
        return wording.seconds(utterance.speech_seconds)

    @display(description=_("SNR"))
    def noise(self, utterance: Utterance) -> str:
        return wording.decibels(utterance.snr_db)

    @display(description=_("level"))
    def level(self, utterance: Utterance) -> str:
        return wording.full_scale_decibels(utterance.level_dbfs)

    @display(description=_("clipping"))
    def clipping(self, utterance: Utterance) -> str:
        return wording.clipping(utterance.clipped_ratio)

    @display(description=_("file"))
    def file(self, utterance: Utterance) -> str:
        path = utterance.recording.name
        return render_to_string("console/path.html", {"path": path}) if path else "—"

    @display(description="")
    def removal(self, utterance: Utterance) -> str:
        address = reverse("admin:voiceprints_speaker_remove_recording", args=[utterance.speaker_id, utterance.pk])
        return render_to_string("console/remove_link.html", {"address": address})


@admin.register(Speaker)
class SpeakerAdmin(RemovableAdmin):
    list_display = ["external_id", "library", "status_badge", "recordings", "created"]
    list_filter = [LibraryFilter, ("status", ChoicesDropdownFilter)]
    search_fields = ["external_id", "info"]
    ordering = ["-created", "-pk"]
    actions = ["delete_selected"]
    fields = ["external_id", "library", "status", "agreement", "created", "info"]
    readonly_fields = ["external_id", "library", "status", "agreement", "created"]
    inlines = [UtteranceInline]
    deletion = DELETE_SPEAKERS

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.remove_recording)
        address = "<int:speaker_id>/recordings/<int:utterance_id>/delete/"
        return [path(address, view, name="voiceprints_speaker_remove_recording"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Speaker]:
        said = count_of(Utterance.all_tenants.all(), by="speaker")
        return super().get_queryset(request).select_related("library", "tenant").annotate(utterance_count=said)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def status_badge(self, speaker: Speaker) -> tuple[str, str]:
        return speaker.status, speaker.get_status_display()

    @display(description=_("one voice"))
    def agreement(self, speaker: Speaker) -> str:
        return wording.agreement(count_disagreements(speaker.tenant, speaker))

    @display(description=_("recordings"), ordering="utterance_count")
    def recordings(self, speaker: Any) -> int:
        return speaker.utterance_count

    def remove_recording(self, request: HttpRequest, speaker_id: int, utterance_id: int) -> HttpResponse:
        speaker = self.get_object(request, str(speaker_id))
        utterances = own_rows(request, Utterance.all_tenants.filter(speaker=speaker, pk=utterance_id))
        if speaker is None or not utterances.exists():
            return self.not_found(request, speaker_id)
        refuse_unless(self.has_delete_permission(request, speaker))
        if not is_confirmed(request):
            context = self.admin_site.each_context(request)
            return confirmation_page(request, context, DELETE_UTTERANCES, utterances, self.page_address(speaker_id))
        carry_out(request, DELETE_UTTERANCES, utterances)
        self.log_change(request, speaker, [{"deleted": {"name": str(_("recording")), "object": str(utterance_id)}}])
        return redirect(self.page_address(speaker_id))
