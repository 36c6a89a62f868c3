from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JdcloudConfig(AppConfig):
    name = "api.jdcloud"
    verbose_name = _("JD Cloud, NeuHub vpr")
    reaches = r"[!-~]{1,64}//[!-~]{0,64}"

    def ready(self) -> None:
        import_module("api.jdcloud.erasing").register()
