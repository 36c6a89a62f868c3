"""Through what somebody comes in, as people call it."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.utils.translation import gettext as _

CONSOLE = "console"


def dialect_names() -> dict[str, str]:
    """Of all dialects: their apps know them."""
    return {dialect: str(apps.get_app_config(dialect).verbose_name) for dialect in settings.DIALECTS}


def interface_name(interface: str) -> str:
    """A command names itself, and whatever is unknown here stays as it was written."""
    if interface == CONSOLE:
        return _("Console")
    return dialect_names().get(interface, interface)
