from django.apps import AppConfig


class SpeakinConfig(AppConfig):
    name = "api.speakin"
    verbose_name = "SpeakIn num"
