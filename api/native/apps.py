from importlib import import_module

from django.apps import AppConfig


class NativeConfig(AppConfig):
    name = "api.native"
    verbose_name = "REST API"
    opens_with = "token"

    def ready(self) -> None:
        # Workers too say what an enrollment is answered.
        import_module("api.native.answers").register()
        import_module("api.native.erasing").register()
