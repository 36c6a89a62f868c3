"""The console's pages about jobs: what is under way, what came of it, and beginning an import or an export.

Every address names the tenant; a member's own is the only one that is there for them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants.choosing import choose_tenant
from tenants.console import (
    closed,
    may_change,
    may_manage_access,
    open_to_both,
    own_tenant,
    page,
    refuse_unless,
    refused,
)
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import bulk, failed_lines
from voiceprints.confirmation import is_confirmed
from voiceprints.consents import is_asked_for
from voiceprints.errors import JobFileNotFound, JobNotFound, StorageFailed, VoiceprintError
from voiceprints.imports import import_folder
from voiceprints.job_deeds import DEEDS, Deed
from voiceprints.job_forms import ExportForm, ImportForm
from voiceprints.job_page import Progress, job_page, jobs_of_tenants, jobs_page
from voiceprints.manifests import EXAMPLE, columns
from voiceprints.models import Job
from voiceprints.refusals import in_words
from voiceprints.serving import archive_response

GOING_ON = ("resume", "retry")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A member's own tenant; platform staff choose one."""
    return choose_tenant(request, _("Jobs"), _list_address, template="tenants_jobs", about=_of_tenants)


def _of_tenants(tenants: Page[Tenant]) -> dict[str, Any]:
    return {"rows": [(found, _list_address(found.tenant)) for found in jobs_of_tenants(tenants)]}


@require_safe
def tenant_jobs(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    asked = {name: request.GET.get(name, "") for name in ("kind", "state", "after")}
    offered = {"kinds": Job.Kind.choices, "states": Job.State.choices, "may_change": may_change(request)}
    context = {"title": _("Jobs"), "tenant": tenant, "page": jobs_page(tenant, **asked), "asked": asked}
    return page(request, "jobs", context | offered)


@require_safe
def job(request: HttpRequest, slug: str, job_id: int) -> HttpResponse:
    tenant = own_tenant(request, slug)
    try:
        with acting_as(tenant):
            shown = job_page(tenant, job_id, after=request.GET.get("after", ""))
    except JobNotFound:
        raise Http404 from None
    may = {"may_act": _may_act(request, shown.progress.job), "may_fetch": may_change(request)}
    about = {"title": _("Job %d") % job_id, "tenant": tenant, "page": shown, "progress": shown.progress}
    return page(request, "job", about | may | _below(tenant))


@require_safe
def progress(request: HttpRequest, slug: str, job_id: int) -> HttpResponse:
    """The part of the page that changes while the job is under way."""
    found = _found(own_tenant(request, slug), job_id)
    return page(request, "job_progress", {"progress": Progress(found)})


@require_safe
def failures(request: HttpRequest, slug: str, job_id: int) -> HttpResponseBase:
    tenant = own_tenant(request, slug)
    return failed_lines.response(tenant, _found(tenant, job_id))


@require_safe
def file(request: HttpRequest, slug: str, job_id: int) -> HttpResponseBase:
    """What an export made, for whoever may begin one."""
    tenant = own_tenant(request, slug)
    _found(tenant, job_id)
    refuse_unless(may_change(request))
    try:
        return archive_response(request, tenant, job_id, bulk.file_of(tenant, job_id))
    except JobFileNotFound:
        raise Http404 from None
    except StorageFailed:
        return HttpResponse(status=503)


@open_to_both
def change(request: HttpRequest, slug: str, job_id: int, deed: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    found = _found(tenant, job_id)
    if deed not in DEEDS:
        raise Http404
    refuse_unless(_may_act(request, found))
    takes_voices = found.kind == Job.Kind.IMPORT and deed in GOING_ON
    if takes_voices and (refusal := closed(tenant)):
        messages.error(request, refusal)
        return redirect(_address(tenant, found))
    try:
        return _done_or_asked(request, tenant, found, DEEDS[deed])
    except VoiceprintError as refusal:
        messages.error(request, in_words(refusal))
        return redirect(_address(tenant, found))


def _done_or_asked(request: HttpRequest, tenant: Tenant, found: Job, deed: Deed) -> HttpResponse:
    question = None if is_confirmed(request) else deed.ask(found)
    if question:
        asked = {"title": _("Are you sure?"), "back": _address(tenant, found)}
        return page(request, "confirm", asked | vars(question))
    if request.method != "POST":
        return redirect(_address(tenant, found))
    going_on = deed.carry_out(tenant, found.pk, request.user.get_username())
    messages.success(request, deed.said())
    return redirect(_address(tenant, going_on))


@open_to_both
def import_speakers(request: HttpRequest, slug: str) -> HttpResponse:
    """Outside of any transaction: an upload takes its time, and what is stored of it is written down before."""
    tenant = own_tenant(request, slug)
    refuse_unless(may_change(request))
    about = {"title": _("Import speakers"), "tenant": tenant} | _below(tenant)
    if refusal := closed(tenant):
        return refused(request, refusal, about)
    form = ImportForm(request.POST or None, request.FILES or None)
    begun = _begun(request, tenant, form, bulk.begin_import) if request.method == "POST" else None
    limits = {"limit_bytes": settings.MAX_IMPORT_BYTES, "folder": import_folder(tenant)}
    said = {"form": form, "columns": columns(consent_asked_for=is_asked_for(tenant)), "example": EXAMPLE}
    return begun or page(request, "import", about | said | limits)


@require_safe
def import_template(request: HttpRequest, slug: str) -> HttpResponse:
    """The example list, to be filled in."""
    own_tenant(request, slug)
    refuse_unless(may_change(request))
    headers = {"Content-Disposition": 'attachment; filename="manifest.csv"'}
    return HttpResponse(EXAMPLE, content_type="text/csv; charset=utf-8", headers=headers)


@open_to_both
def export_library(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    refuse_unless(may_change(request))
    form = ExportForm(tenant, request.POST or None, initial={"library": request.GET.get("library")})
    begun = _begun(request, tenant, form, bulk.begin_export) if request.method == "POST" else None
    said = _(
        "A job writes everybody in the library into one archive, which another installation can import. Whoever has "
        "the file has the voices in it: keep it as you keep those."
    )
    asked = {"explanation": said, "form": form, "button": _("Export")} | _below(tenant)
    return begun or page(request, "form", asked | {"title": _("Export a library")})


def _begun(request: HttpRequest, tenant: Tenant, form: Any, begin: Any) -> HttpResponse | None:
    """On to the job; None when the form says why not."""
    if not form.is_valid():
        return None
    try:
        return redirect(_address(tenant, begin(tenant, **form.arguments, by=request.user.get_username())))
    except VoiceprintError as refusal:
        form.add_error(None, in_words(refusal))
        return None


def _found(tenant: Tenant, job_id: int) -> Job:
    try:
        return bulk.find_job(tenant, job_id)
    except JobNotFound:
        raise Http404 from None


def _may_act(request: HttpRequest, job: Job) -> bool:
    """Changing the model is the owners'."""
    return may_manage_access(request) if job.kind == Job.Kind.REEMBED else may_change(request)


def _below(tenant: Tenant) -> dict[str, Any]:
    """Of pages that the list leads to."""
    return {"parent": _("Jobs"), "back": _list_address(tenant)}


def _list_address(tenant: Tenant) -> str:
    return reverse("admin:tenant_jobs", args=[tenant.slug])


def _address(tenant: Tenant, job: Job) -> str:
    return reverse("admin:job", args=[tenant.slug, job.pk])
