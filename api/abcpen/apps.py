from django.apps import AppConfig


class AbcpenConfig(AppConfig):
    name = "api.abcpen"
