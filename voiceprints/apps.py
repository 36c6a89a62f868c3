from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VoiceprintsConfig(AppConfig):
    name = "voiceprints"
    verbose_name = _("Voiceprints")
