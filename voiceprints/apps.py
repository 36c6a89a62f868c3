from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class VoiceprintsConfig(AppConfig):
    name = "voiceprints"
    verbose_name = _("Voiceprints")

    def ready(self) -> None:
        # A web process sends tasks by name and never loads the decoder and the model that their bodies need.
        if settings.CELERY_TASK_ALWAYS_EAGER:
            import_module("voiceprints.tasks")
