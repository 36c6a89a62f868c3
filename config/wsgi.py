"""The web application for gunicorn or any other WSGI server."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

CHARSET = re.compile(r";\s*charset\s*=[^;]*", re.IGNORECASE)


def speaking_utf8(serve: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Forget the charset a request claims: Django fails outright on names such as rot13, and we read UTF-8 alone."""

    def served(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
        return serve(environ, start_response)

    return served


try:
    application = speaking_utf8(get_wsgi_application())
except ImproperlyConfigured as error:
    sys.exit(f"openvpr: {error}")
