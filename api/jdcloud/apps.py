from importlib import import_module

from django.apps import AppConfig


class JdcloudConfig(AppConfig):
    name = "api.jdcloud"
    verbose_name = "JD Cloud, NeuHub vpr"
    reaches = r"[!-~]{1,64}//[!-~]{0,64}"

    def ready(self) -> None:
        import_module("api.jdcloud.erasing").register()
