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

    def get_form(self, form_class: Any = None) -> Any:
        form: Any = super().get_form(form_class)
        form.request = self.request
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        end_other_sessions(form.user, self.request.session.session_key)
        messages.success(self.request, _("The password is changed. All other sessions have ended."))
        return response
