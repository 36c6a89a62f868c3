#!/usr/bin/env python
"""Django's command line for this installation."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError


def in_words(error: OperationalError) -> str:
    first_line = str(error).partition("\n")[0]
    advice = "\nIt is the platform's own, which has to run meanwhile: `make run`." if settings.EMBEDDED_POSTGRES else ""
    return f"openvpr: the database fails: {first_line}{advice}"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"openvpr: {error}")
    except OperationalError as error:
        sys.exit(in_words(error))
    except KeyboardInterrupt:
        sys.exit(130)
