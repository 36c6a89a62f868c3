"""`python -m config`: the whole platform on one machine, until Ctrl-C.

`python -m config COMMAND …`: the same while that command runs; on a platform that is up already, only the command.
`python -m config --services COMMAND …`: only PostgreSQL and Redis while it runs, such as for a restoration.
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

command = sys.argv[1:]
services_only = command[:1] == ["--services"]
if services_only and not command[1:]:
    sys.exit("openvpr: --services needs a command")
sys.exit(main(command[services_only:], services_only=services_only))
