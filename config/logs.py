"""How the log is written, and what stays out of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings

from tenants.origins import SAID, origin
from tenants.tracing import trace_id

INVITATIONS: Final = f"{settings.CONSOLE_PATH}join/"
"""Behind it stands the secret of a link."""


class WithoutAddresses(logging.Filter):
    """Django repeats the address of a request that went wrong. Those of the API may be secrets or carry signatures.

    The edge of the API has a line of its own for each request, and one for each failure that it answered. So only what
    broke elsewhere is kept, without the address. Those of the console are kept, but for the links of invitations.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is None or _may_be_written_down(request.path):
            return True
        status = getattr(record, "status_code", None)
        record.msg, record.args = "an answer with status %s", (status,)
        return record.levelno >= logging.ERROR and record.exc_info is not None


class RefusalsInOneLine(logging.Filter):
    """What somebody was not given is nothing that broke: a warning, and where it was refused in the code helps nobody.

    Django calls a request that looks suspicious to it an error.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR) < HTTPStatus.INTERNAL_SERVER_ERROR:
            record.exc_info = None
            record.levelno = min(record.levelno, logging.WARNING)
            record.levelname = logging.getLevelName(record.levelno)
        return record.levelno >= logging.getLogger(record.name).getEffectiveLevel()


def _may_be_written_down(path: str) -> bool:
    return path.startswith(settings.CONSOLE_PATH) and not path.startswith(INVITATIONS)


class JsonLines(logging.Formatter):
    """An object in each line, whatever is in it. Beside what was said stands on whose request or job it was."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **_whereabouts(),
            **getattr(record, SAID, {}),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def _whereabouts() -> dict[str, Any]:
    """What is known of it where the line is written."""
    source = origin()
    known = {"request_id": source.request_id, "interface": source.interface, "job": source.job, "trace_id": trace_id()}
    return {name: value for name, value in known.items() if value}
