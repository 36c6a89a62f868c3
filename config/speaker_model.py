"""`python -m config.speaker_model`: get the model of OPENVPR_MODEL, and let new tenants begin with it.

The launcher runs it before anything serves. It is a process of its own because of the memory that a loaded model takes,
which the launcher would keep.
"""

from __future__ import annotations

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    django.setup()
    from config import settings
    from voiceprints.management.preparing import prepare
except ImproperlyConfigured as error:
    sys.exit(f"openvpr: {error}")

sys.exit(prepare(settings.MODEL))
