"""What console pages of every tenant share: whose rows they begin at, and what a role may do there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as delete_or_ask
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display

from tenants.auditing import Line, history_of
from tenants.change_lists import row_checkbox
from tenants.context import acting_as, acting_as_platform
from tenants.deletions import NAMES_SHOWN, Deletion
from tenants.models import Membership, Tenant

OWN_TRANSACTIONS = "opens_own_transactions"
TAKES_LARGE_UPLOADS = "takes_large_uploads"
"""Of a view that says by itself how much it takes."""

open_to_both = require_http_methods(["GET", "HEAD", "POST"])
"""For what shows a form and takes it."""

NUMBER = re.compile(r"\d{1,18}", re.ASCII)

View = TypeVar("View", bound=Callable[..., Any])


def opens_own_transactions(view: View) -> View:
    """For a page that waits for workers or writes recordings: it looks at rows inside `own_view` and nowhere else."""
    setattr(view, OWN_TRANSACTIONS, True)
    return view


def own_view(request: HttpRequest) -> AbstractContextManager[None]:
    """One transaction that sees what the signed-in user may see: one tenant, or all of them for platform staff."""
    if is_platform_staff(request):
        return acting_as_platform()
    membership = membership_of(request)
    return acting_as(membership.tenant) if membership else nullcontext()


def membership_of(request: HttpRequest) -> Membership | None:
    return getattr(request, "membership", None)


def is_platform_staff(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


def may_enter(request: HttpRequest) -> bool:
    return is_platform_staff(request) or (request.user.is_active and membership_of(request) is not None)


def may_change(request: HttpRequest) -> bool:
    membership = membership_of(request)
    return is_platform_staff(request) or (membership is not None and membership.may_change)


def may_manage_access(request: HttpRequest) -> bool:
    """Credentials and members."""
    membership = membership_of(request)
    return is_platform_staff(request) or (membership is not None and membership.may_manage_credentials)


def may_listen(request: HttpRequest) -> bool:
    membership = membership_of(request)
    return is_platform_staff(request) or (membership is not None and membership.may_listen)


def may_read_audit(request: HttpRequest) -> bool:
    membership = membership_of(request)
    return is_platform_staff(request) or (membership is not None and membership.may_read_audit)


def public_url(request: HttpRequest, path: str = "") -> str:
    """How the platform is reached from outside: as the setting says, else as this request came."""
    return f"{settings.PUBLIC_URL or request.build_absolute_uri('/').rstrip('/')}{path}"


def page(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Rendered at once, while the rows can be seen."""
    whole = admin.site.each_context(request) | context
    return render(request, f"console/{template}.html", whole, status=status)


def closed(tenant: Tenant) -> str:
    """What is said to staff, who alone get there, where a tenant takes nothing in; else nothing."""
    return "" if tenant.active else _("%s is closed, and nothing is added to it until it is open again.") % tenant.name


def refused(request: HttpRequest, words: str, about: dict[str, Any]) -> HttpResponse:
    """A page that says why there is no form on it. `about`: its title, and the page above it."""
    return page(request, "part", about | {"part": "console/refusal.html", "words": words})


def with_tenant(request: HttpRequest, row: Any, name: str) -> str:
    """Platform staff see whose it is."""
    tenant = getattr(row, "tenant", None) if is_platform_staff(request) else None
    return f"{tenant.name} · {name}" if tenant else name


def selection(request: HttpRequest) -> list[tuple[str, str]]:
    """What the list page posted, to be posted again. All rows of a filter are named by it, not one by one."""
    keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
    if request.POST.get("select_across") == "1":
        keys = keys[:1]
    fields = [(name, request.POST[name]) for name in ("action", "index", "select_across") if name in request.POST]
    return [*fields, *((ACTION_CHECKBOX_NAME, key) for key in keys)]


def number_in(text: str) -> int | None:
    """The key of a row, or a place in a list, as an address or a form names it; None for what is none."""
    return int(text) if NUMBER.fullmatch(text) else None


def refuse_unless(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied


def own_rows(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of `rows` that belong to the member's tenant; all of them for platform staff; none for strangers."""
    if is_platform_staff(request):
        return rows
    membership = membership_of(request)
    return rows.filter(tenant=membership.tenant_id) if membership else rows.none()


def own_tenants(request: HttpRequest) -> QuerySet[Tenant]:
    """The one that a member works in; all that are active for platform staff."""
    membership, active = membership_of(request), Tenant.objects.filter(active=True)
    if is_platform_staff(request):
        return active
    return active.filter(pk=membership.tenant_id) if membership else active.none()


def any_tenant(slug: str) -> Tenant:
    """For platform staff. Raises Http404."""
    if "\0" in slug:
        # Which no database can look for.
        raise Http404
    return get_object_or_404(Tenant, slug=slug)


def own_tenant(request: HttpRequest, slug: str) -> Tenant:
    """The one that a member works in, or any for platform staff. Raises Http404 for others, as for none."""
    membership = membership_of(request)
    if is_platform_staff(request):
        return any_tenant(slug)
    if membership is None or membership.tenant.slug != slug:
        raise Http404
    return membership.tenant


def tenant_ruled(request: HttpRequest) -> Tenant:
    """Of an owner. Raises PermissionDenied for everybody else."""
    membership = membership_of(request)
    if membership is None or not may_manage_access(request):
        raise PermissionDenied
    return membership.tenant


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose tenant may be settled before anything is typed, and counts in every check of uniqueness."""

    settled_tenant: Tenant | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.settled_tenant:
            self.instance.tenant = self.settled_tenant

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"tenant"} if self.instance.tenant_id else excluded

    def clean_tenant(self) -> Tenant:
        """Chosen by platform staff for what is added."""
        tenant: Tenant = self.cleaned_data["tenant"]
        if refusal := closed(tenant):
            raise ValidationError(refusal, code="closed")
        return tenant


NOT_LOOKED_FOR: Final = {"secret", "digest"}


class ConsoleAdmin(ModelAdmin):
    """Pages with one way to save."""

    list_per_page = 50
    trail_kind = ""
    """What the audit trail calls such an object."""
    list_title: Any = ""
    """Where the menu says it in other words than the rows."""
    said_of_deletion: Deletion
    """Of pages that delete in Django's way."""
    outrun: tuple[type[Exception], ...] = (IntegrityError, ValidationError)
    """What saving raises where somebody else saved the same between the check of the form and now."""

    @display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, obj: Any) -> str:
        return format_html(row_checkbox(get_language()), obj.pk)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Whoever was outrun has changed nothing, and is told so by the form, whose check finds the other's now."""
        view = super().changeform_view
        try:
            return cast(HttpResponse, view(request, *args, **kwargs))
        except self.outrun:
            return cast(HttpResponse, view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Under the name that leads there."""
        title = {"title": self.list_name}
        view: HttpResponse = super().changelist_view(request, title | (extra_context or {}))
        return view

    @property
    def list_name(self) -> Any:
        return self.list_title or capfirst(str(self.opts.verbose_name_plural))

    @property
    def list_address(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def page_address(self, key: int) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[key])

    @property
    def above(self) -> dict[str, Any]:
        """What leads back from a page below the list."""
        return {"parent": self.list_name, "back": self.list_address}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the audit trail tells about it, for whoever may see it."""
        # Before it is looked for: whoever may see none is not told which there are.
        refuse_unless(self.has_view_or_change_permission(request))
        chosen = self.get_object(request, unquote(object_id))
        if chosen is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        refuse_unless(self.has_view_or_change_permission(request, chosen))
        tenant = chosen if isinstance(chosen, Tenant) else getattr(chosen, "tenant", None)
        events = history_of(tenant, self.trail_kind, chosen.pk)
        name = self.named(chosen)
        above = {"parent": name, "back": self.page_address(chosen.pk)}
        context = {"title": _("History: %s") % name, "lines": [Line(event) for event in events]}
        return page(request, "history", above | context | (extra_context or {}))

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """As Django says it, in a sentence that begins like one."""
        said = _("%(name)s with ID “%(key)s” doesn’t exist. Perhaps it was deleted?")
        words = said % {"name": opts.verbose_name, "key": unquote(object_id)}
        self.message_user(request, capfirst(words), messages.WARNING)
        return redirect("admin:index")

    def named(self, row: Any) -> str:
        """What its pages call it."""
        return str(row)

    @action(description=gettext_lazy("Delete"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Django deletes once that is confirmed, and knows what stands in the way; until then the words are ours."""
        answer: Any = delete_or_ask(self, request, queryset)
        back = request.get_full_path()
        return answer and self._asked_about_deletion(request, answer, queryset[:NAMES_SHOWN], queryset.count(), back)

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        """As above, of one row."""
        answer: Any = super().render_delete_form(request, context)
        row = context["object"]
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
        return self._asked_about_deletion(request, answer, [row], 1, back)

    def _asked_about_deletion(
        self, request: HttpRequest, answer: Any, rows: Iterable[Any], count: int, back: str
    ) -> HttpResponse:
        if answer.context_data["perms_lacking"] or answer.context_data["protected"]:
            return cast(HttpResponse, answer)
        words = self.said_of_deletion
        context = {
            "title": _("Are you sure?"),
            "question": words.question % {"count": count},
            "lead": words.effect,
            "names": [with_tenant(request, row, self.named(row)) for row in rows],
            "more": max(0, count - NAMES_SHOWN),
            "button": words.button,
            "repeated": [*selection(request), ("post", "yes")],
            "back": back,
        }
        return page(request, "confirm", context)

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Not for what could be guessed letter by letter, nor for what no database can look for.

        Filters of our own see to the latter themselves.
        """
        column, texts = lookup.partition("__")[0], value if isinstance(value, (list, tuple)) else [value]
        if column in NOT_LOOKED_FOR or (
            any("\0" in str(text) for text in texts) and column in {field.name for field in self.opts.get_fields()}
        ):
            return False
        return super().lookup_allowed(lookup, value, request)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """The audit trail is the one record of what was done, and services write it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """As above."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """As above."""

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context | one_button, **kwargs)


class TenantAdmin(ConsoleAdmin):
    """Pages over rows that belong to tenants. Members begin at their own tenant; platform staff see and choose."""

    form = TenantForm
    fixed_fields: Sequence[str] = ()
    autocomplete_fields = ["tenant"]
    list_filter_submit = True

    def may_read(self, request: HttpRequest) -> bool:
        return may_enter(request)

    def may_write(self, request: HttpRequest) -> bool:
        return may_change(request)

    def has_rule_permission(self, request: HttpRequest) -> bool:
        """To set rules of the own tenant; platform staff find them all on the tenant's page."""
        return membership_of(request) is not None and may_manage_access(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return own_rows(request, super().get_queryset(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may_read(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_read(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_write(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_write(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_write(request)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        first, *others = super().get_list_display(request)
        return [first, "tenant", *others] if is_platform_staff(request) else [first, *others]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        filters = super().get_list_filter(request)
        return [("tenant", AutocompleteSelectFilter), *filters] if is_platform_staff(request) else [*filters]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = super().get_fields(request, obj)
        return ["tenant", *fields] if is_platform_staff(request) else [*fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "tenant", *self.fixed_fields] if obj else [*fields]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Where there is but one tenant, platform staff need not look for it."""
        tenants = list(own_tenants(request)[:2])
        alone = {"tenant": tenants[0].pk} if len(tenants) == 1 else {}
        return alone | super().get_changeform_initial_data(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Platform staff get no form for a closed tenant, where they come from it or there is no other."""
        refuse_unless(self.has_add_permission(request))
        chosen = _tenant_in_view(request) if is_platform_staff(request) else None
        if chosen and (refusal := closed(chosen)):
            return refused(request, refusal, {"title": _("Add")} | self.above)
        return super().add_view(request, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[TenantForm]:
        form: type[TenantForm] = super().get_form(request, obj, change, **kwargs)
        membership = membership_of(request)
        form.settled_tenant = membership.tenant if membership and not change else None
        return form

    def not_found(self, request: HttpRequest, object_id: object) -> HttpResponse:
        """The same answer for what does not exist and for what another tenant has."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))


def _tenant_in_view(request: HttpRequest) -> Tenant | None:
    """The one that the address names, or the only one."""
    named = number_in(request.GET.get("tenant", ""))
    tenants = Tenant.objects.all() if named is None else Tenant.objects.filter(pk=named)
    found = tenants[:2]
    return found[0] if len(found) == 1 else None


class PlatformAdmin(ConsoleAdmin):
    """Pages for platform staff alone."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_platform_staff(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_platform_staff(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_platform_staff(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_platform_staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_platform_staff(request)
