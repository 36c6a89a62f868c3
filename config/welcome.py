"""What a start prints: where the platform is, how to get in, and two lines to try it with."""

from __future__ import annotations

import os
import shlex
import sys

from audio.store import BUNDLED
from config import settings
from tenants.services import Provisioned, default_model
from voiceprints.decisions import calibration_in_force

SAMPLES = "voiceprints/samples"


def welcome(new: Provisioned) -> str:
    url = settings.PUBLIC_URL or settings.LOCAL_URL
    return "\n".join(
        [
            "",
            "OpenVPR is running. Ctrl-C stops it.",
            "",
            f"  console    {url}{settings.CONSOLE_PATH}",
            f"  REST API   {url}/api/v1/docs",
            *_secrets_shown_once(new),
            *_model_lines(default_model()),
            f"  state      {settings.HOME}, logs in {settings.HOME / 'logs'}",
            "",
            "Enroll a voice, then ask who is speaking (from this folder, in another terminal):",
            "",
            *_curl_lines(settings.LOCAL_URL),
            "",
        ]
    )


def _model_lines(model: str) -> list[str]:
    """What new tenants begin with, how often it is wrong, and where a better one is."""
    said = f"  model      {model}, {_error_rate(model)}"
    if model == BUNDLED.name:
        return [said, "             for trying things out; docs/models.md says how to move to one of WeSpeaker's"]
    return [said]


def _error_rate(model: str) -> str:
    known = calibration_in_force(model).provenance
    return f"equal error rate {known.eer:.1%} on {known.data}" if known else "not measured yet: see docs/models.md"


def _secrets_shown_once(new: Provisioned) -> list[str]:
    login = [f"  login      {new.admin_name} / {new.admin_password}    (shown once)"] if new.admin_password else []
    if not new.credential:
        return login
    tenant = new.credential.tenant
    return [
        *login,
        f"  tenant     {tenant.slug}, app_id {tenant.app_id}",
        f"  key        {new.credential.key_id} / {new.credential.secret}    (secret shown once)",
    ]


def _curl_lines(url: str) -> list[str]:
    signed = f"$({shlex.quote(os.path.relpath(sys.executable))} manage.py abcpen_signature demo)"
    fields = "-F org_id=demo -F tag_id= -F spk_name=susan"
    return [
        f'  curl -s {fields} -F audio=@{SAMPLES}/susan/1.opus "{url}/voiceid/register?{signed}"',
        f'  curl -s -F org_id=demo -F audio=@{SAMPLES}/susan/2.opus "{url}/voiceid/recognize?{signed}"',
    ]
