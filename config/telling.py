"""What the launcher says: to a person at a terminal, or line by line to whoever collects the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress

from config import settings
from config.welcome import secrets_shown_once, welcome
from tenants.origins import SAID
from tenants.services import Provisioned

logger = logging.getLogger("openvpr.launcher")


def tell(message: str, level: int = logging.INFO) -> None:
    if settings.LOG_FORMAT == "json":
        logger.log(level, message)
    else:
        with suppress(OSError):  # a file on a full disk, or a terminal that is gone
            print(f"openvpr: {message}", file=sys.stderr if level >= logging.ERROR else sys.stdout, flush=True)


def tell_that_it_runs(new: Provisioned, late: Sequence[str] = ()) -> None:
    """`late`: what is still starting. No secret goes to a log, where it would stay: others are made by command."""
    if settings.LOG_FORMAT == "text":
        print(welcome(new, late), flush=True)
        return
    url = settings.PUBLIC_URL or settings.LOCAL_URL
    where = {
        "console": f"{url}{settings.CONSOLE_PATH}",
        "api": f"{url}/api/v1/docs",
        "state": str(settings.HOME),
        "starting": list(late),
    }
    logger.info("the platform is running", extra={SAID: where})
    _tell_how_secrets_are_made(new)


def tell_secrets(new: Provisioned) -> None:
    """Where it is not told that the platform runs. They are told once, and nobody has them otherwise."""
    if settings.LOG_FORMAT == "json":
        _tell_how_secrets_are_made(new)
    elif lines := secrets_shown_once(new):
        with suppress(OSError):
            print("\n".join(lines), flush=True)


def _tell_how_secrets_are_made(new: Provisioned) -> None:
    if new.admin_password:
        logger.info("set the password of the administrator %r with `manage.py changepassword`", new.admin_name)
    if new.credential:
        logger.info("make a key for the tenant %r with `manage.py issue_credential`", new.credential.tenant.slug)
