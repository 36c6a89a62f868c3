"""What a web process is made of."""

import os
import subprocess
import sys

from django.conf import settings

HEAVY_MODULES = {"av", "matplotlib", "onnxruntime", "soxr", "torch"}


def test_a_web_process_has_neither_a_decoder_nor_a_model_runtime(tmp_path):
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, config.wsgi, config.urls; print(*sys.modules)"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"OPENVPR_EAGER": "0", "OPENVPR_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "voiceprints.services" in loaded
    assert not HEAVY_MODULES & set(loaded)
