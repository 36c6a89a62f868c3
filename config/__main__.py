"""`python -m config`: the whole platform on one machine, until Ctrl-C.

`python -m config COMMAND …`: the same while that command runs; on a platform that is up already, only the command.
"""

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

sys.exit(main(sys.argv[1:]))
