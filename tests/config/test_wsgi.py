"""What a web process is made of."""

import io
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.test import RequestFactory

from config.wsgi import application

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


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/voiceid/delete-all", "/voiceid/del-spk-name", "/nothing-here"])
def test_an_answer_to_head_has_the_length_of_a_body_and_no_body(path):
    told = {}
    environ = RequestFactory().head(path).environ | {"wsgi.input": io.BytesIO()}
    body = application(environ, lambda status, headers: told.update(dict(headers), status=status))
    assert list(body) == []
    assert told["status"].startswith(("404", "405"))
    assert int(told["Content-Length"]) > 0
