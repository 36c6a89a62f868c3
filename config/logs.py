"""What stays out of the log."""

from __future__ import annotations

import logging

from django.conf import settings


class WithoutAddresses(logging.Filter):
    """Django repeats the address of a request that went wrong. Those of the API may be secrets or carry signatures.

    The edge of the API has a line of its own for each request, so only what broke on our side is kept, without it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is None or request.path.startswith(settings.CONSOLE_PATH):
            return True
        status = getattr(record, "status_code", None)
        record.msg, record.args = "an answer with status %s", (status,)
        # What we do not do, or cannot do just now, is in the line of the edge, too.
        return record.levelno >= logging.ERROR and status not in {501, 503, 504}
