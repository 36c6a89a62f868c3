"""gunicorn -c python:config.gunicorn config.wsgi

There is no access log: addresses carry signatures, and the edge of the API logs each request without them.
"""

import gc
import itertools
from typing import Any

from config import settings, startup, tracing
from config.worker import post_fork  # noqa: F401 - gunicorn calls it
from tenants import metrics
from tenants.metering import STORING
from tenants.postgresql.watching import WatchedConnection

NAME = "web"

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

if settings.LOG_FORMAT == "json":
    # A configuration of logging would turn the access log on.
    logger_class = "config.worker.JsonLogger"


def on_starting(_: Any) -> None:
    metrics.forget(settings.METRICS, f"{NAME}-*")


def pre_fork(server: Any, worker: Any) -> None:
    """Whoever comes in the place of another goes on counting in its file."""
    taken = {one.place for one in server.WORKERS.values()}
    worker.place = next(place for place in itertools.count() if place not in taken)


def post_worker_init(worker: Any) -> None:
    startup.refuse_half_configured()
    WatchedConnection.watched = True
    metrics.share(settings.METRICS, f"{NAME}-{worker.place}")
    STORING.begin()
    tracing.begin(NAME)
    # What is loaded now stays for good; the collector need not look through it again and again.
    gc.collect()
    gc.freeze()


def worker_exit(_: Any, __: Any) -> None:
    try:
        STORING.end()
    finally:
        tracing.end()
