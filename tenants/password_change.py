"""Changing one's own password, which ends all other sessions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from tenants.sign_in_forms import OwnPasswordForm
from tenants.signed_in import end_other_sessions


class PasswordChange(PasswordChangeView):
    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:account")
    template_name = "console/form.html"

    def get_form(self, form_class: Any = None) -> Any:
        form: Any = super().get_form(form_class)
        form.request = self.request
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        title, said = _("Change password"), _("At least 12 characters. Changing it ends all other sessions.")
        above = {"parent": _("Sign-in and sessions"), "back": self.success_url}
        return super().get_context_data(**kwargs) | above | {"title": title, "explanation": said, "button": title}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        end_other_sessions(form.user, self.request.session.session_key)
        messages.success(self.request, _("The password is changed. All other sessions have ended."))
        return response
