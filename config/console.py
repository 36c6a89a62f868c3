"""The console as a whole: who may enter, what stands in its sidebar, and which tenant a member works in."""

from __future__ import annotations

from typing import Any, cast

from django.apps import apps
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from config.client_setups import client_setups, tryout_setups
from config.welcome import python_here
from tenants import account_views, audit_views, join_views
from tenants.console import (
    is_platform_staff,
    may_change,
    may_enter,
    may_manage_access,
    may_read_audit,
    membership_of,
)
from tenants.middleware import CHOSEN_TENANT
from tenants.password_change import PasswordChange
from tenants.sign_in import PasswordStep, code_step, past_second_factor
from tenants.sign_in_forms import ConsoleLoginForm
from voiceprints import (
    erasure_views,
    job_views,
    library_views,
    model_views,
    optout_views,
    quota_views,
    retention_views,
    speaker_views,
    speaking_views,
    threshold_views,
    tryout_views,
)
from voiceprints.library_choice import Finding
from voiceprints.overview import overview_for
from voiceprints.uploads import received_on_disk
from voiceprints.usage_views import usage_csv
from voiceprints.views import picture, recording


class ConsoleSite(UnfoldAdminSite):
    login_form = ConsoleLoginForm
    client_setups = staticmethod(client_setups)
    tryout_setups = staticmethod(tryout_setups)
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        return may_enter(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Whoever owes a second factor comes no further than to log out."""
        return super().admin_view(view if view == self.logout else past_second_factor(view), cacheable)

    def extra_urls(self) -> list[URLPattern]:
        choose = super().admin_view(require_POST(choose_tenant))
        return [
            path("tenant/", choose, name="choose_tenant"),
            path("login/code/", code_step, name="login_code"),
            path("join/", join_views.join, name="join"),
            path("join/<str:token>/", join_views.open_link, name="open_invitation"),
            path("join/<str:token>", join_views.open_link),
            *self._account_urls(),
            path("recordings/<int:utterance_id>.flac", self.admin_view(recording), name="recording"),
            path("recordings/<int:utterance_id>/picture/", self.admin_view(picture), name="recording_picture"),
            *self._voice_urls(),
            *self._job_urls(),
            *self._retention_urls(),
            path("audit/", self.admin_view(audit_views.trail), name="audit"),
            path("audit/tenants/", self.admin_view(audit_views.choose), name="choose_audit"),
            path("audit/verify/", self.admin_view(audit_views.verify), name="verify_audit"),
            path("audit/check/", self.admin_view(audit_views.check), name="audit_check"),
            path("audit/<slug:form>/", self.admin_view(audit_views.export), name="audit_export"),
            path("usage.csv", self.admin_view(usage_csv), name="usage_csv"),
            path("quotas/", self.admin_view(quota_views.home), name="quotas"),
            path("quotas/<slug:slug>/", self.admin_view(quota_views.tenant_quotas), name="tenant_quotas"),
            *self._threshold_urls(),
            *self._erasure_urls(),
            path("models/", self.admin_view(model_views.home), name="models"),
            path("models/<slug:slug>/", self.admin_view(model_views.tenant_models), name="tenant_models"),
            path("models/<slug:slug>/progress/", self.admin_view(model_views.progress), name="model_progress"),
            path("models/<slug:slug>/compare/", self.admin_view(model_views.compare), name="model_comparison"),
            path("models/<slug:slug>/failed/", self.admin_view(model_views.failed), name="model_failures"),
            path("models/<slug:slug>/failed.csv", self.admin_view(model_views.failed_csv), name="model_failures_csv"),
            path("models/<slug:slug>/<slug:deed>/", self.admin_view(model_views.change), name="model_change"),
        ]

    def _retention_urls(self) -> list[URLPattern]:
        of_library = self.admin_view(retention_views.change_library)
        of_tenant = self.admin_view(retention_views.change)
        return [
            path("retention/", self.admin_view(retention_views.home), name="retention"),
            path("retention/<slug:slug>/", self.admin_view(retention_views.tenant_retention), name="tenant_retention"),
            path("retention/<slug:slug>/libraries/<int:library_id>/", of_library, name="change_library_retention"),
            path("retention/<slug:slug>/<slug:what>/", of_tenant, name="change_retention"),
        ]

    def _threshold_urls(self) -> list[URLPattern]:
        one = "thresholds/<slug:slug>/"
        return [
            path("thresholds/", self.admin_view(threshold_views.home), name="thresholds"),
            path(one, self.admin_view(threshold_views.tenant_thresholds), name="tenant_thresholds"),
            path(f"{one}apply/", self.admin_view(threshold_views.apply), name="apply_threshold"),
            path(f"{one}policy/", self.admin_view(threshold_views.policy), name="recording_policy"),
        ]

    def _erasure_urls(self) -> list[URLPattern]:
        receipt = self.admin_view(erasure_views.receipt)
        return [
            path("erasures/", self.admin_view(erasure_views.home), name="erasures"),
            path("erased-tenants/", self.admin_view(erasure_views.gone), name="erased_tenants"),
            path(
                "erased-tenants/<int:erasure_id>/receipt.json",
                self.admin_view(erasure_views.gone_receipt),
                name="erased_tenant_receipt",
            ),
            path("erasures/<slug:slug>/", self.admin_view(erasure_views.tenant_erasures), name="tenant_erasures"),
            path("erasures/<slug:slug>/begin/", self.admin_view(erasure_views.begin), name="erase"),
            path("opt-outs/", self.admin_view(optout_views.home), name="opt_outs"),
            path("opt-outs/<slug:slug>/", self.admin_view(optout_views.tenant_opt_outs), name="tenant_opt_outs"),
            path("opt-outs/<slug:slug>/consent/", self.admin_view(optout_views.consent), name="consent"),
            path(
                "opt-outs/<slug:slug>/<int:opt_out_id>/lift/", self.admin_view(optout_views.lift), name="lift_opt_out"
            ),
            path("erasures/<slug:slug>/tenant/", self.admin_view(erasure_views.leave), name="leave"),
            path("erasures/<slug:slug>/tenant/restore/", self.admin_view(erasure_views.restore), name="restore_tenant"),
            path("erasures/<slug:slug>/<int:erasure_id>/receipt.json", receipt, name="erasure_receipt"),
        ]

    def _job_urls(self) -> list[URLPattern]:
        importing = received_on_disk(self.admin_view(job_views.import_speakers))
        one = "jobs/<slug:slug>/<int:job_id>/"
        return [
            path("jobs/", self.admin_view(job_views.home), name="jobs"),
            path("jobs/<slug:slug>/", self.admin_view(job_views.tenant_jobs), name="tenant_jobs"),
            path("jobs/<slug:slug>/import/", importing, name="import_speakers"),
            path(
                "jobs/<slug:slug>/import/manifest.csv",
                self.admin_view(job_views.import_template),
                name="import_template",
            ),
            path("jobs/<slug:slug>/export/", self.admin_view(job_views.export_library), name="export_library"),
            path(one, self.admin_view(job_views.job), name="job"),
            path(f"{one}progress/", self.admin_view(job_views.progress), name="job_progress"),
            path(f"{one}failed.csv", self.admin_view(job_views.failures), name="job_failures"),
            path(f"{one}export.zip", self.admin_view(job_views.file), name="job_file"),
            path(f"{one}<slug:deed>/", self.admin_view(job_views.change), name="job_change"),
        ]

    def _voice_urls(self) -> list[URLPattern]:
        return [
            path("try/", self.admin_view(tryout_views.try_out), name="try_out"),
            path("try/enrolled/", self.admin_view(tryout_views.enrolled), name="claimable_speakers"),
            path("libraries/<int:library_id>/enroll/", self.admin_view(speaking_views.enroll), name="enroll_speaker"),
            path("libraries/<int:library_id>/map/", self.admin_view(library_views.library_map), name="library_map"),
            path("speakers/<int:speaker_id>/nearest/", self.admin_view(speaker_views.nearest), name="nearest_speakers"),
            path("speakers/<int:speaker_id>/consent/", self.admin_view(speaker_views.consent), name="speaker_consent"),
            path("speakers/<int:speaker_id>/recordings/", self.admin_view(speaking_views.add), name="add_recordings"),
            path(
                "speakers/<int:speaker_id>/recordings/<int:utterance_id>/replace/",
                self.admin_view(speaking_views.replace),
                name="replace_recording",
            ),
        ]

    def _account_urls(self) -> list[URLPattern]:
        return [
            path("account/", self.admin_view(account_views.account), name="account"),
            path("account/two-factor/", account_views.second_factor, name="second_factor"),
            path(
                "account/two-factor/off/",
                self.admin_view(account_views.turn_second_factor_off),
                name="second_factor_off",
            ),
            path("account/recovery-codes/", self.admin_view(account_views.new_recovery_codes), name="recovery_codes"),
            path("account/sessions/end/", self.admin_view(account_views.end_other_sessions), name="end_other_sessions"),
            path("account/sessions/<slug:name>/end/", self.admin_view(account_views.end_session), name="end_session"),
        ]

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = self.each_context(request) | {"title": _("Log in")}
        view = PasswordStep.as_view(
            extra_context=context | (extra_context or {}),
            authentication_form=self.login_form,
            template_name="console/login.html",
        )
        return cast(HttpResponse, view(request))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        view = PasswordChange.as_view(extra_context=self.each_context(request) | (extra_context or {}))
        return cast(HttpResponse, view(request))

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return cast(HttpResponse, Finding.as_view(admin_site=self)(request))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        choice = {"memberships": getattr(request, "memberships", []), "membership": membership_of(request)}
        return super().each_context(request) | choice | {"python": python_here()}

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Under the name of the app alone."""
        title = {"title": capfirst(str(apps.get_app_config(app_label).verbose_name))}
        return cast(HttpResponse, super().app_index(request, app_label, title | (extra_context or {})))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().index(request, {"title": _("Home"), "overview": overview_for(request), **(extra_context or {})})


def choose_tenant(request: HttpRequest) -> HttpResponse:
    """Only a tenant of the member's own can be chosen; others are as unknown as none."""
    wanted = request.POST.get("tenant", "")
    mine = {str(membership.tenant_id) for membership in getattr(request, "memberships", [])}
    if wanted not in mine:
        raise Http404
    request.session[CHOSEN_TENANT] = int(wanted)
    return redirect("admin:index")


def subheader(request: HttpRequest) -> Any:
    membership = membership_of(request)
    return f"{membership.tenant.name} · {membership.get_role_display()}" if membership else _("Voiceprint platform")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    trying = [TRY_IT] if may_change(request) else []
    groups = [_group(_("Voiceprints"), HOME, LIBRARIES, SPEAKERS, *trying, JOBS, MODELS, THRESHOLDS, RETENTION)]
    access = [CREDENTIALS, TOKENS, MEMBERS, INVITATIONS, QUOTAS, OPT_OUTS] if may_manage_access(request) else []
    if may_read_audit(request):
        groups.append(_group(_("Access"), *access, AUDIT, ERASURES))
    if is_platform_staff(request):
        groups.append(_group(_("Platform"), TENANTS, USERS, LOCK_OUTS, SCHEDULE, CLEAN_UPS, STORAGE))
    return groups


HOME = (_("Home"), "dashboard", "admin:index")
LIBRARIES = (_("Libraries"), "library_music", "admin:voiceprints_library_changelist")
SPEAKERS = (_("Speakers"), "record_voice_over", "admin:voiceprints_speaker_changelist")
JOBS = (_("Jobs"), "sync_alt", "admin:jobs")
TRY_IT = (_("Try it"), "mic", "admin:try_out")
THRESHOLDS = (_("Thresholds"), "tune", "admin:thresholds")
MODELS = (_("Models"), "graphic_eq", "admin:models")
RETENTION = (_("Retention"), "auto_delete", "admin:retention")
CREDENTIALS = (_("Credentials"), "key", "admin:tenants_credential_changelist")
TOKENS = (_("Access tokens"), "token", "admin:tenants_accesstoken_changelist")
MEMBERS = (_("Members"), "group", "admin:tenants_membership_changelist")
INVITATIONS = (_("Invitations"), "mail", "admin:tenants_invitation_changelist")
QUOTAS = (_("Quotas"), "speed", "admin:quotas")
AUDIT = (_("Audit"), "history", "admin:audit")
ERASURES = (_("Erasures"), "delete_forever", "admin:erasures")
OPT_OUTS = (_("Opt-outs"), "person_off", "admin:opt_outs")
TENANTS = (_("Tenants"), "apartment", "admin:tenants_tenant_changelist")
USERS = (_("Users"), "manage_accounts", "admin:auth_user_changelist")
LOCK_OUTS = (_("Lock-outs"), "lock_clock", "admin:tenants_guesses_changelist")

SCHEDULE = (_("Schedule"), "schedule", "admin:django_celery_beat_periodictask_changelist")
STORAGE = (_("Storage"), "folder_off", "admin:voiceprints_storagefinding_changelist")
CLEAN_UPS = (_("Clean-ups"), "mop", "admin:tenants_cleanuprun_changelist")


def _group(title: Any, *items: tuple[Any, str, str]) -> dict[str, Any]:
    entries = [{"title": name, "icon": icon, "link": reverse(view)} for name, icon, view in items]
    return {"title": title, "separator": False, "items": entries}


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {"title": _("Sign-in and sessions"), "link": reverse_lazy("admin:account")},
        {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
    ]


def script(request: HttpRequest) -> str:
    return static("console/copy.js")


def once_script(request: HttpRequest) -> str:
    return static("console/once.js")


def files_script(request: HttpRequest) -> str:
    return static("console/files.js")


def choices_script(request: HttpRequest) -> str:
    return static("console/choices.js")


def style(request: HttpRequest) -> str:
    return static("console/console.css")


def voices_style(request: HttpRequest) -> str:
    return static("console/voices.css")


def favicon(request: HttpRequest) -> str:
    return static("console/icon.svg")
