from django.apps import AppConfig


class SpeakinConfig(AppConfig):
    name = "api.speakin"
    verbose_name = "SpeakIn num"
    reaches = r"speakin//[!#-.0-\[\]-~]{0,128}"
