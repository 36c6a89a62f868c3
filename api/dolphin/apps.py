from importlib import import_module

from django.apps import AppConfig


class DolphinConfig(AppConfig):
    name = "api.dolphin"
    verbose_name = "DolphinVoice on-premises"
    opens_with = "path"

    def ready(self) -> None:
        # Nonsense in the settings of this dialect ends the start, not the first request.
        import_module("api.dolphin.conf")
