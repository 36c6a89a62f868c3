from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DolphinConfig(AppConfig):
    name = "api.dolphin"
    verbose_name = _("DolphinVoice on-premises")
    opens_with = "path"
    reaches = r"(0|[1-9]\d?)//([0-9A-Za-z_-]{4,16})?"

    def ready(self) -> None:
        # Nonsense in the settings of this dialect ends the start, not the first request.
        import_module("api.dolphin.conf")
