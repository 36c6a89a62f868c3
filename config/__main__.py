"""`python -m config`: the whole platform on one machine."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    django.setup()
    from config.run import main
except ImproperlyConfigured as error:
    sys.exit(f"openvpr: {error}")

sys.exit(main())
