from django.apps import AppConfig


class IflytekConfig(AppConfig):
    name = "api.iflytek"
