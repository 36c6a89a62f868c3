"""What a start prints: where the platform is, how to get in, and two lines to try it with."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

from audio.published import find_published
from audio.store import BUNDLED
from config import settings
from tenants.services import Provisioned, default_model
from voiceprints.calibration import QUOTED_FALSE_ACCEPT_RATE, Provenance, Quoted
from voiceprints.decisions import calibration_in_force

SAMPLES = "voiceprints/samples"
A_BETTER_ONE = (
    "for trying things out; the way to one of WeSpeaker's, which errs less, is in docs/models.md and begins with"
)


def welcome(new: Provisioned, late: Sequence[str] = ()) -> str:
    url = settings.PUBLIC_URL or settings.LOCAL_URL
    return "\n".join(
        [
            "",
            "OpenVPR is running. Ctrl-C stops it.",
            "",
            f"  console    {url}{settings.CONSOLE_PATH}",
            f"  REST API   {url}/api/v1/docs",
            *secrets_shown_once(new),
            *_model_lines(default_model()),
            f"  state      {settings.HOME}, logs in {settings.HOME / 'logs'}",
            *_late_lines(late),
            "",
            *(_lines_to_try(settings.LOCAL_URL) if new.credential else []),
        ]
    )


def _model_lines(model: str) -> list[str]:
    """What new tenants begin with, how often it is wrong, and the way to a better one."""
    calibration = calibration_in_force(model)
    known, quoted = calibration.provenance, calibration.quoted
    first, *others = _measured(known, quoted) if known and quoted else _unmeasured(model)
    if model == BUNDLED.name:
        others += [A_BETTER_ONE, _command("models fetch resnet34-LM")]
    return [f"  model      {model}: {first}", *(f"             {other}" for other in others)]


def _measured(known: Provenance, quoted: Quoted) -> list[str]:
    said = f"equal error rate {quoted.eer:.1%}"
    if quoted.frr is not None:
        said += f", {quoted.frr:.1%} false rejects at {QUOTED_FALSE_ACCEPT_RATE:.0%} of false accepts"
    held_out = ", of speakers that it was not calibrated on" if quoted.held_out else ""
    return [said, f"on {known.data}{held_out}"]


def _unmeasured(model: str) -> list[str]:
    said, published = "not measured here", find_published(model)
    if published and published.error_rates:
        said += f"; published equal error rates in percent: {published.error_rates}"
    return [said, "until it is, a provisional threshold decides: docs/models.md, Calibrating it"]


def _late_lines(late: Sequence[str]) -> list[str]:
    return [f"  starting   {', '.join(late)}: in a few seconds, and no request waits for it"] if late else []


def secrets_shown_once(new: Provisioned) -> list[str]:
    login = [f"  login      {new.admin_name} / {new.admin_password}    (shown once)"] if new.admin_password else []
    if not new.credential:
        return login
    tenant = new.credential.tenant
    return [
        *login,
        f"  tenant     {tenant.slug}, app_id {tenant.app_id}",
        f"  key        {new.credential.key_id} / {new.credential.secret}    (secret shown once)",
    ]


def _lines_to_try(url: str) -> list[str]:
    """For the demo tenant while nobody is enrolled in it: a second time, the name would be taken."""
    signed = f"$({_command('abcpen_signature demo')})"
    fields = "-F org_id=demo -F tag_id= -F spk_name=susan"
    return [
        "Enroll a voice, then ask who is speaking (from this folder, in another terminal):",
        "",
        f'  curl -s -w "\\n" {fields} -F audio=@{SAMPLES}/susan/1.opus "{url}/voiceid/register?{signed}"',
        f'  curl -s -w "\\n" -F org_id=demo -F audio=@{SAMPLES}/susan/2.opus "{url}/voiceid/recognize?{signed}"',
        "",
    ]


def _command(words: str) -> str:
    """For a shell that knows nothing of where this platform keeps its state."""
    home = f"OPENVPR_HOME={shlex.quote(str(settings.HOME))} " if settings.HOME != settings.USUAL_HOME else ""
    return f"{home}{python_here()} manage.py {words}"


def python_here() -> str:
    """The interpreter of this installation, as a shell in its folder calls it."""
    return shlex.quote(os.path.relpath(sys.executable))
