"""gunicorn -c python:config.gunicorn config.wsgi

There is no access log: addresses carry signatures, and the edge of the API logs each request without them.
"""

import gc
from typing import Any

from config import settings, startup
from tenants.metering import STORING

bind = f"{settings.HOST}:{settings.PORT}" if ":" not in settings.HOST else f"[{settings.HOST}]:{settings.PORT}"
worker_class = "config.worker.Worker"
http_parser = "python"
workers = settings.WEB_PROCESSES
threads = settings.WEB_THREADS
timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
control_socket_disable = True
# Whether a proxy is believed is settled in one place, by OPENVPR_BEHIND_TLS_PROXY.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


def post_worker_init(_: Any) -> None:
    startup.refuse_half_configured()
    STORING.begin()
    # What is loaded now stays for good; the collector need not look through it again and again.
    gc.collect()
    gc.freeze()


def worker_exit(_: Any, __: Any) -> None:
    STORING.end()
