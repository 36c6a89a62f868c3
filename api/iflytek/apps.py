from django.apps import AppConfig


class IflytekConfig(AppConfig):
    name = "api.iflytek"
    verbose_name = "iFlytek s1aa729d0, s782b4996"
