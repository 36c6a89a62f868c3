"""Loaded before Django's settings: a home of its own for the test run, away from any installation's."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

for name in [name for name in os.environ if name.startswith(("OPENVPR_", "DATABASE_URL", "REDIS_URL"))]:
    del os.environ[name]

HOME = Path(tempfile.mkdtemp(prefix="openvpr-test-"))
os.environ["OPENVPR_HOME"] = str(HOME)
os.environ["OPENVPR_EAGER"] = "1"
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
