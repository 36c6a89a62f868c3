from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IflytekConfig(AppConfig):
    name = "api.iflytek"
    verbose_name = _("iFlytek s1aa729d0, s782b4996")
    reaches = r"[0-9A-Za-z_]{1,32}//[0-9A-Za-z_-]{0,32}"
