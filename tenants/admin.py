"""Console pages about access: tenants, credentials, members and users."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as DjangoUser
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.forms import UserCreationForm

from tenants import cleanup_admin, guessing, invitations, members, second_factors, services, signed_in
from tenants.console import (
    PlatformAdmin,
    TenantAdmin,
    TenantForm,
    closed,
    is_platform_staff,
    may_manage_access,
    page,
    public_url,
    refuse_unless,
    refused,
    tenant_ruled,
)
from tenants.deletions import OF_CREDENTIALS, OF_INVITATIONS, OF_LOCK_OUTS, OF_MEMBERS, OF_TOKENS, OF_USERS
from tenants.forms import (
    NO_STAFF_LEFT,
    CredentialForm,
    InterfacesForm,
    InvitationForm,
    MemberForm,
    NewMemberForm,
    PasswordOfAnotherForm,
    RotationForm,
    TenantPolicyForm,
    TokenForm,
    UserForm,
)
from tenants.interfaces import dialect_names
from tenants.invitation_mail import send_invitation
from tenants.members import is_last_owner
from tenants.models import AccessToken, Credential, Guesses, Invitation, Membership, Role, Scope, Tenant
from tenants.names import refuse_mixed, refuse_unseen
from tenants.secret_once import go_and_see, is_unseen, keep_unseen, mark_seen
from tenants.sentences import listed

__all__ = ["cleanup_admin"]

User = get_user_model()
admin.site.unregister(User)
admin.site.unregister(Group)

ROLE_COLOURS = {Role.OWNER: "primary", Role.OPERATOR: "info", Role.AUDITOR: "warning", Role.VIEWER: "default"}
CREDENTIAL, TOKEN, PATH = "credential", "token", "path"
"""With what clients come in."""

YOUR_SECRET, YOUR_TOKEN = "YOUR_SECRET", "YOUR_TOKEN"
"""Where a secret goes that is not shown again."""

NOT_ONESELF = _("Nobody deletes their own account. Ask another platform staff member to delete yours.")
STATE_COLOURS = {"active": "success", "disabled": "default", "expired": "warning"}


@admin.register(Tenant)
class TenantsAdmin(PlatformAdmin):
    trail_kind = "tenant"
    list_display = ["slug", "name", "app_id", "state", "figures", "erasures", "created"]
    list_filter = ["active"]
    search_fields = ["slug", "name", "app_id"]
    policy_fields = [
        "active",
        "required_speech_seconds",
        "false_accept_rate",
        "consistency",
        "max_concurrent_analyses",
        "requests_per_second",
        "requests_per_minute",
        "requests_per_day",
        "max_speakers",
        "max_storage_bytes",
        "two_factor_required",
        "dialects",
    ]

    @display(description=_("state"), ordering="active", label={"open": "success", "closed": "warning"})
    def state(self, tenant: Tenant) -> tuple[str, Any]:
        if tenant.active:
            return "open", _("open")
        if tenant.erased_from is None:
            return "closed", _("closed")
        return "closed", _("closed, to be erased from %s") % date_format(timezone.localtime(tenant.erased_from))

    @display(description=_("usage"))
    def figures(self, tenant: Tenant) -> str:
        return _shown_at(reverse("admin:index", query={"tenant": tenant.slug}))

    @display(description=_("erasures"))
    def erasures(self, tenant: Tenant) -> str:
        """Where a closed one is restored, too."""
        return _shown_at(reverse("admin:tenant_erasures", args=[tenant.slug]))

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Tenant | None = None) -> list[str]:
        naming = ["slug", "name", "app_id"]
        return [*naming, *self.policy_fields, "created"] if obj else naming

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> list[str]:
        return ["slug", "created"] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs | ({"form": TenantPolicyForm} if change else {}))
        form.base_fields["name"].validators = [*form.base_fields["name"].validators, refuse_unseen]
        if not change:
            form.base_fields["name"].required = form.base_fields["app_id"].required = False
            form.base_fields["slug"].help_text = _(
                "The short name in addresses and commands: small letters, digits and hyphens. It stays for ever."
            )
            form.base_fields["name"].help_text = _("Left empty, the slug stands in.")
            form.base_fields["app_id"].help_text = _("Left empty, one is generated.")
        return form

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        if change:
            services.change_tenant(obj, form.changed_data)
            return
        credential = services.create_tenant(obj.slug, name=obj.name, app_id=obj.app_id)
        obj.pk = credential.tenant_id
        keep_unseen(request, credential)

    def response_add(self, request: HttpRequest, obj: Tenant, post_url_continue: str | None = None) -> HttpResponse:
        return go_and_see(request)


def _shown_at(address: str) -> str:
    return format_html('<a class="link" href="{}">{}</a>', address, _("Show"))


class OpenerAdmin(TenantAdmin):
    """What opens a tenant's door: for owners and platform staff."""

    list_filter = ["enabled"]
    list_select_related = ["tenant"]
    actions = ["enable", "disable", "delete_selected"]

    def may_read(self, request: HttpRequest) -> bool:
        return may_manage_access(request)

    def may_write(self, request: HttpRequest) -> bool:
        return may_manage_access(request)

    @display(description=_("state"), ordering="enabled", label=STATE_COLOURS)
    def state(self, opener: Credential | AccessToken) -> tuple[str, Any]:
        if not opener.enabled:
            return "disabled", _("disabled")
        if opener.expires and opener.expires <= timezone.now():
            return "expired", _("expired")
        return "active", _("active")

    def setups(self, request: HttpRequest, tenant: Tenant, opens_with: set[str], **values: str) -> Any:
        """What to paste into clients; the site knows, since the words are the dialects' own."""
        site: Any = self.admin_site
        return site.client_setups(tenant, opens_with, base_url=public_url(request), **values)

    def clients_page(self, request: HttpRequest, opener: Credential | AccessToken, setups: Any) -> HttpResponse:
        context = {"title": _("Client configuration"), "opener": opener, "setups": setups}
        context["back"] = reverse(f"admin:tenants_{self.opts.model_name}_change", args=[opener.pk])
        return page(request, "clients", context)

    def remove(self, opener: Any) -> None:
        raise NotImplementedError

    def switch(self, opener: Any, *, enabled: bool) -> None:
        raise NotImplementedError

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for opener in queryset.select_related("tenant"):
            self.remove(opener)

    @action(description=_("Enable"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._set_enabled(request, queryset, True)

    @action(description=_("Disable"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._set_enabled(request, queryset, False)

    def _set_enabled(self, request: HttpRequest, queryset: QuerySet[Any], enabled: bool) -> None:
        changed = list(queryset.exclude(enabled=enabled).select_related("tenant"))
        for opener in changed:
            self.switch(opener, enabled=enabled)
        messages.success(request, ngettext("%d changed.", "%d changed.", len(changed)) % len(changed))


@admin.register(Credential)
class CredentialAdmin(OpenerAdmin):
    trail_kind = "credential"
    said_of_deletion = OF_CREDENTIALS
    form = CredentialForm
    list_display = ["key_id", "label", "state", "expires", "last_used", "created"]
    search_fields = ["key_id", "label"]
    actions_list = ["interfaces"]
    actions_detail = ["rotate", "clients"]
    fixed_fields = ["key_id", "expires", "last_used", "created"]

    def remove(self, opener: Credential) -> None:
        services.delete_credential(opener)

    def switch(self, opener: Credential, *, enabled: bool) -> None:
        services.set_credential_enabled(opener, enabled)

    def get_urls(self) -> list[URLPattern]:
        secret = self.admin_site.admin_view(self.secret_view)
        return [path("<int:credential_id>/secret/", secret, name="tenants_credential_secret"), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> list[str]:
        fields = ["label", *self.fixed_fields, "enabled"] if obj else ["label", "key_id", "secret"]
        return ["tenant", *fields] if is_platform_staff(request) else fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs | ({"form": TenantForm} if change else {}))
        form.base_fields["label"].validators = [*form.base_fields["label"].validators, refuse_unseen]
        return form

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        if change:
            if "label" in form.changed_data:
                services.label_credential(obj, obj.label)
            if "enabled" in form.changed_data:
                services.set_credential_enabled(obj, obj.enabled)
            return
        issued = services.issue_credential(obj.tenant, key_id=obj.key_id, secret=obj.secret, label=obj.label)
        obj.pk, obj.key_id = issued.pk, issued.key_id
        keep_unseen(request, issued)

    def response_add(self, request: HttpRequest, obj: Credential, post_url_continue: str | None = None) -> HttpResponse:
        return go_and_see(request)

    @action(description=_("Rotate"), url_path="rotate", permissions=["change"], icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        credential = self.get_object(request, object_id)
        if credential is None:
            return self.not_found(request, object_id)
        if refusal := closed(credential.tenant):
            return refused(request, refusal, self._about_rotation(credential))
        form = RotationForm(request.POST or None, expires=credential.expires)
        if not form.is_valid():
            return self._form_page(request, credential, form)
        try:
            overlap = timedelta(hours=form.cleaned_data["overlap_hours"])
            successor = services.rotate_credential(credential, overlap=overlap)
        except ValidationError as refusal:
            form.add_error(None, refusal)
            return self._form_page(request, credential, form)
        keep_unseen(request, successor)
        return go_and_see(request)

    def _form_page(self, request: HttpRequest, credential: Credential, form: RotationForm) -> HttpResponse:
        context = {
            "explanation": _("A new key pair is made now and shown once."),
            "form": form,
            "button": _("Rotate"),
        }
        return page(request, "form", self._about_rotation(credential) | context)

    def _about_rotation(self, credential: Credential) -> dict[str, Any]:
        return {"title": _("Rotate %s") % credential, "back": self.list_address}

    def secret_view(self, request: HttpRequest, credential_id: int) -> HttpResponse:
        refuse_unless(self.may_read(request))
        credential = self.get_object(request, str(credential_id))
        if credential is None:
            return self.not_found(request, credential_id)
        if not is_unseen(request, credential_id):
            messages.warning(request, _("A secret is shown once only. Rotate the credential to get a new one."))
            return redirect("admin:tenants_credential_change", credential_id)
        mark_seen(request)
        shown = {"title": _("Secret"), "credential": credential} | self.above
        shown["setups"] = self._setups(request, credential, secret=credential.secret)
        return page(request, "secret", shown)

    @action(description=_("Client configuration"), url_path="clients", permissions=["change"], icon="code")
    def clients(self, request: HttpRequest, object_id: str) -> HttpResponse:
        credential = self.get_object(request, object_id)
        if credential is None:
            return self.not_found(request, object_id)
        return self.clients_page(request, credential, self._setups(request, credential, YOUR_SECRET))

    def _setups(self, request: HttpRequest, credential: Credential, secret: str) -> Any:
        return self.setups(request, credential.tenant, {CREDENTIAL}, key_id=credential.key_id, secret=secret)

    @action(description=_("Interfaces"), url_path="interfaces", permissions=["rule"], icon="hub")
    def interfaces(self, request: HttpRequest) -> HttpResponse:
        tenant = tenant_ruled(request)
        form = InterfacesForm(request.POST or None, tenant=tenant, names=dialect_names())
        if form.is_valid():
            services.choose_dialects(tenant, form.chosen)
            messages.success(request, _("The interfaces are changed."))
            return redirect(self.list_address)
        context = {
            "title": _("Interfaces"),
            "explanation": _("Clients of all others are refused from the next request on."),
            "form": form,
            "button": _("Save"),
            "back": self.list_address,
        }
        return page(request, "form", context)


@admin.register(AccessToken)
class AccessTokenAdmin(OpenerAdmin):
    trail_kind = "token"
    said_of_deletion = OF_TOKENS
    form = TokenForm
    list_display = ["__str__", "state", "opens", "expires", "last_used", "created"]
    search_fields = ["label"]
    actions_detail = ["clients"]
    fixed_fields = ["opens", "expires", "last_used", "created"]

    def remove(self, opener: AccessToken) -> None:
        services.delete_token(opener)

    def switch(self, opener: AccessToken, *, enabled: bool) -> None:
        services.change_token(opener, label=opener.label, enabled=enabled)

    def get_fields(self, request: HttpRequest, obj: AccessToken | None = None) -> list[str]:
        fields = ["label", *self.fixed_fields, "enabled"] if obj else ["label", "scopes", "expires"]
        return ["tenant", *fields] if is_platform_staff(request) else fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs | ({"form": TenantForm} if change else {}))

    @display(description=_("scopes"))
    def opens(self, token: AccessToken) -> str:
        return listed(str(Scope(scope).label) for scope in token.scopes)

    def save_model(self, request: HttpRequest, obj: AccessToken, form: Any, change: bool) -> None:
        if change:
            if form.has_changed():
                services.change_token(obj, label=obj.label, enabled=obj.enabled)
            return
        issued, plain = services.issue_token(obj.tenant, scopes=obj.scopes, label=obj.label, expires=obj.expires)
        obj.pk, obj.created = issued.pk, issued.created
        form.plain_text = plain

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing hangs on a token. Its text is here for this one answer and nowhere else."""
        request.token_text = getattr(form, "plain_text", "")  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: AccessToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        text = request.token_text  # type: ignore[attr-defined]
        shown = {"title": _("Access token"), "token": obj, "text": text, "setups": self._setups(request, obj, text)}
        return page(request, "token", self.above | shown)

    @action(description=_("Client configuration"), url_path="clients", permissions=["change"], icon="code")
    def clients(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self.get_object(request, object_id)
        if token is None:
            return self.not_found(request, object_id)
        return self.clients_page(request, token, self._setups(request, token, YOUR_TOKEN))

    def _setups(self, request: HttpRequest, token: AccessToken, text: str) -> Any:
        """A secret path is for clients of its own, beside what the other scopes open."""
        opens_with = {PATH if scope == Scope.PATH else TOKEN for scope in token.scopes}
        return self.setups(request, token.tenant, opens_with, token=text)


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    trail_kind = "member"
    said_of_deletion = OF_MEMBERS
    list_display = ["user", "role_badge", "two_factors"]
    list_filter = ["role"]
    list_select_related = ["user__second_factor", "tenant"]
    actions_list = ["invite", "two_factor_rule"]
    search_fields = ["user__username"]
    fixed_fields = ["user", "name"]
    actions = None

    def may_read(self, request: HttpRequest) -> bool:
        return may_manage_access(request)

    def may_write(self, request: HttpRequest) -> bool:
        return may_manage_access(request)

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> list[str]:
        if is_platform_staff(request):
            return ["tenant", "user" if obj else "user_name", "role"]
        return ["name" if obj else "user_name", "role"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, form=MemberForm if change else NewMemberForm, **kwargs)
        form.keeps_an_owner = not is_platform_staff(request)
        return form

    def has_delete_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or is_platform_staff(request) or not is_last_owner(obj))

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if change:
            if form.has_changed():
                members.change_role(obj, obj.role)
        else:
            obj.pk = members.add_member(obj.tenant, obj.user, obj.role).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        members.remove_member(obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Owners invite: nobody becomes a member unasked. Platform staff answer for those whom they add."""
        return is_platform_staff(request)

    @action(description=_("Invite"), url_path="invite", icon="person_add")
    def invite(self, request: HttpRequest) -> HttpResponse:
        refuse_unless(self.may_write(request))
        return redirect("admin:tenants_invitation_add")

    @action(description=_("Two-factor rule"), url_path="two-factor-rule", permissions=["rule"])
    def two_factor_rule(self, request: HttpRequest) -> HttpResponse:
        tenant = tenant_ruled(request)
        if request.method == "POST":
            members.require_two_factors(tenant, request.POST.get("required") == "yes")
            messages.success(request, _("The rule is changed."))
            return redirect(self.list_address)
        asked = {"title": _("Two-factor sign-in"), "back": self.list_address}
        return page(request, "confirm", _asked_about_two_factors(tenant) | asked)

    @display(description=_("user"))
    def name(self, membership: Membership) -> str:
        """Without a link: accounts are the platform's."""
        return str(membership.user)

    @display(description=_("two-factor sign-in"), boolean=True)
    def two_factors(self, membership: Membership) -> bool:
        factor = getattr(membership.user, "second_factor", None)
        return factor is not None and factor.confirmed is not None

    @display(description=_("role"), ordering="role", label=ROLE_COLOURS)
    def role_badge(self, membership: Membership) -> tuple[str, str]:
        return membership.role, membership.get_role_display()


def _asked_about_two_factors(tenant: Tenant) -> dict[str, Any]:
    if tenant.two_factor_required:
        return {
            "repeated": [("required", "no")],
            "question": _("Let members of %s sign in with the password alone?") % tenant.name,
            "lead": _("Who has set up a second factor keeps it. No longer required of:"),
            "consequences": [_("all members")],
            "button": _("Require it no longer"),
        }
    without = members.members_without_second_factor(tenant)
    return {
        "repeated": [("required", "yes")],
        "question": _("Require two-factor sign-in of all members of %s?") % tenant.name,
        "lead": _("These must set it up before they see another page:"),
        "consequences": [ngettext("%d member", "%d members", without) % without],
        "button": _("Require it"),
    }


@admin.register(Invitation)
class InvitationAdmin(TenantAdmin):
    """Made and revoked, never changed."""

    trail_kind = "invitation"
    said_of_deletion = OF_INVITATIONS
    form = InvitationForm
    list_display = ["__str__", "role_badge", "state", "expires", "invited_by"]
    list_select_related = ["tenant", "invited_by"]
    search_fields = ["email"]
    fixed_fields = ["email", "role", "expires", "invited_by"]
    actions = None

    def may_read(self, request: HttpRequest) -> bool:
        return may_manage_access(request)

    def may_write(self, request: HttpRequest) -> bool:
        return may_manage_access(request)

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return obj is None and self.may_write(request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs | ({"form": TenantForm} if change else {}))

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> list[str]:
        fields = self.fixed_fields if obj else ["email", "role", "days"]
        return ["tenant", *fields] if is_platform_staff(request) else [*fields]

    @display(description=_("role"), ordering="role", label=ROLE_COLOURS)
    def role_badge(self, invitation: Invitation) -> tuple[str, str]:
        return invitation.role, invitation.get_role_display()

    @display(description=_("state"), ordering="expires", label={"waiting": "success", "expired": "warning"})
    def state(self, invitation: Invitation) -> tuple[str, Any]:
        return ("waiting", _("waiting")) if invitation.usable else ("expired", _("expired"))

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        made, token = invitations.invite(
            obj.tenant, role=obj.role, email=obj.email, days=form.cleaned_data["days"], by=request.user
        )
        obj.pk, obj.created, obj.expires = made.pk, made.created, made.expires
        request.invitation_token = token  # type: ignore[attr-defined]

    def delete_model(self, request: HttpRequest, obj: Invitation) -> None:
        invitations.revoke(obj)

    def response_add(self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None) -> HttpResponse:
        """Its link is here for this one answer and nowhere else."""
        link = public_url(request, reverse("admin:open_invitation", args=[request.invitation_token]))  # type: ignore[attr-defined]
        shown = {"title": _("Invitation"), "invitation": obj, "link": link, "mailed": send_invitation(obj, link)}
        return page(request, "invitation", self.above | shown)


def _why_they_stay(request: HttpRequest, users: Collection[Any]) -> Any:
    """Nothing where they may go, all together."""
    includes_oneself = request.user in users
    if members.is_last_platform_staff(*([request.user] if includes_oneself else users)):
        return NO_STAFF_LEFT
    return NOT_ONESELF if includes_oneself else ""


@admin.register(User)
class UserAdmin(DjangoUserAdmin, PlatformAdmin):  # type: ignore[type-arg,misc]
    trail_kind = "user"
    said_of_deletion = OF_USERS
    actions = ["delete_selected"]
    form = UserForm
    add_form = UserCreationForm
    change_password_form = PasswordOfAnotherForm
    actions_detail = ["turn_second_factor_off", "lift_lock_out"]
    list_display = ["username", "email", "is_active", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_superuser"]
    fieldsets = [
        (None, {"fields": ["username", "password", "first_name", "last_name", "email"]}),
        (_("Access"), {"fields": ["is_active", "is_superuser", "last_login", "date_joined"]}),
    ]
    readonly_fields = ["last_login", "date_joined"]
    add_fieldsets = [(None, {"fields": ["username", "password1", "password2"]})]
    filter_horizontal = ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in {"username", "first_name", "last_name"}:
            field.validators.append(refuse_unseen)
        return field

    def has_delete_permission(self, request: HttpRequest, obj: DjangoUser | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and not (obj and obj.is_superuser and _why_they_stay(request, [obj]))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if is_platform_staff(request) and object_id == str(request.user.pk):
            messages.error(request, _why_they_stay(request, [request.user]))
            return redirect("admin:auth_user_change", object_id)
        view: HttpResponse = super().delete_view(request, object_id, extra_context)
        return view

    @action(description=_("Delete"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[DjangoUser]) -> HttpResponse | None:
        if refusal := _why_they_stay(request, queryset):
            messages.error(request, refusal)
            return None
        return super().delete_selected(request, queryset)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        if not change:
            form.base_fields["username"].validators.append(refuse_mixed)
        form.changed_by = request.user
        return form

    def save_model(self, request: HttpRequest, obj: DjangoUser, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            signed_in.end_other_sessions(obj, None)

    @action(description=_("Turn off two-factor sign-in"), url_path="two-factor-off", icon="lock_open_right")
    def turn_second_factor_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For somebody who has lost both the app and the recovery codes."""
        return self._after_a_question(
            request,
            object_id,
            question=_("Turn off two-factor sign-in of %s?"),
            lead=_("The password alone lets them in then. Be sure that it is they who ask."),
            consequences=[_("the authenticator app"), _("all recovery codes"), _("all sessions")],
            carry_out=second_factors.turn_off,
            done=_("Two-factor sign-in is off."),
        )

    @action(description=_("Lift lock-out"), url_path="lift", icon="lock_clock")
    def lift_lock_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._after_a_question(
            request,
            object_id,
            question=_("Let %s try again at once?"),
            lead=_("This is forgotten:"),
            consequences=[_("failed attempts under this name")],
            carry_out=guessing.lift_of,
            done=_("The lock-out is lifted."),
        )

    def _after_a_question(
        self, request: HttpRequest, object_id: str, *, question: Any, carry_out: Any, done: Any, **said: Any
    ) -> HttpResponse:
        refuse_unless(is_platform_staff(request))
        user = self.get_object(request, object_id)
        if user is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        back = reverse("admin:auth_user_change", args=[user.pk])
        if request.method == "POST":
            carry_out(user)
            messages.success(request, done)
            return redirect(back)
        asked = {"title": _("Are you sure?"), "question": question % user, "button": _("Yes"), "back": back}
        return page(request, "confirm", asked | said)


@admin.register(Guesses)
class GuessesAdmin(PlatformAdmin):
    """Deleting one lifts it."""

    said_of_deletion = OF_LOCK_OUTS
    actions = ["delete_selected"]
    list_display = ["__str__", "failures", "last", "paused_until"]
    list_select_related = ["user"]
    search_fields = ["user__username", "address"]
    fields = readonly_fields = ["user", "address", "failures", "last", "paused_until"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Guesses]:
        return super().get_queryset(request).filter(failures__gt=0)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Guesses | None = None) -> bool:
        return obj is None and is_platform_staff(request)

    def delete_model(self, request: HttpRequest, obj: Guesses) -> None:
        guessing.lift(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Guesses]) -> None:
        for guesses in queryset.select_related("user"):
            guessing.lift(guesses)
