from importlib import import_module

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.utils.translation import gettext_lazy as _


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = _("Access")

    def ready(self) -> None:
        user_logged_in.connect(import_module("tenants.sessions").remember_browser)
        # It asks for the accounts' own app, which comes later.
        import_module("tenants.accounts").watch()
        import_module("tenants.change_lists").make_headers_once()
