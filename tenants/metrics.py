"""What Prometheus is told of what happened: counted where it happens, in files that processes share.

Each process that counts has files of its own name; one that takes another's place takes its files over, so there are
never more of them than processes. Names of tenants are in none of it, and nothing that anybody said.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, multiprocess, values
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
PRIVATE_FOLDER: Final = 0o700
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)
NO_OPERATION: Final = "none"
SHARED_KINDS: Final = ("counter", "histogram")
# Several times what it takes to count every operation of every interface.
SHARED_BYTES: Final = 1 << 21

REGISTRY: Final = CollectorRegistry(auto_describe=True)
"""Of this process, while it shares nothing."""

REQUESTS: Final = Counter(
    "openvpr_requests",
    "Requests by interface, by what was asked for, and by how it ended: ok, accepted, rejected, refused or failed.",
    ("interface", "operation", "result"),
    registry=REGISTRY,
)
REFUSALS: Final = Counter(
    "openvpr_refusals",
    "Requests that were refused or failed, by the class of the error.",
    ("reason",),
    registry=REGISTRY,
)
REQUEST_SECONDS: Final = Histogram(
    "openvpr_request_seconds",
    "How long requests took, from when they were read to when they were answered.",
    ("interface", "operation"),
    buckets=SECONDS,
    registry=REGISTRY,
)


def count_request(interface: str, operation: str | None, *, result: str, reason: str, seconds: float) -> None:
    """`reason`: the class of the error, if there was one."""
    named = operation or NO_OPERATION
    REQUESTS.labels(interface, named, result).inc()
    REQUEST_SECONDS.labels(interface, named).observe(seconds)
    if reason:
        REFUSALS.labels(reason).inc()


def share(folder: Path, name: str) -> None:
    """From now on this process, the only one of that name, counts in files of the folder; before it counts anything."""
    try:
        folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        for kind in SHARED_KINDS:
            _take_room(folder / f"{kind}_{name}.db")
    except OSError as error:
        logger.warning("what is counted here is told by this process alone: %s", type(error).__name__)
        forget(folder, name)
        return
    os.environ[FOLDER_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]


def _take_room(file: Path) -> None:
    """On the disk, now: a process that writes to a page of memory for which there is none left later is killed."""
    file.touch()
    # Not to append: where a file system cannot take room by itself, the C library writes into each block.
    with file.open("r+b") as opened:
        os.posix_fallocate(opened.fileno(), 0, SHARED_BYTES)


def forget(folder: Path, names: str) -> None:
    """What processes of these names counted, a pattern, before the first of them begins."""
    for file in folder.glob(f"*_{names}.db"):
        file.unlink(missing_ok=True)


def counted() -> Iterable[Collector]:
    """By all processes of this machine, or by this one where they share nothing."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return [REGISTRY]
    return [multiprocess.MultiProcessCollector(None, path=folder)]  # type: ignore[no-untyped-call]
