from importlib import import_module

from django.apps import AppConfig


class AbcpenConfig(AppConfig):
    name = "api.abcpen"
    verbose_name = "ABCPen voiceid"

    def ready(self) -> None:
        # Nonsense in the settings of this dialect ends the start, not the first request.
        import_module("api.abcpen.conf")
