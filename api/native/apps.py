from django.apps import AppConfig


class NativeConfig(AppConfig):
    name = "api.native"
