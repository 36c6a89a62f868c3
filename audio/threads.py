"""How many threads the numerical libraries may use, which they read when they are loaded."""

from __future__ import annotations

import os


def use_one_thread() -> None:
    """Call before numpy is imported: a process per core is the only parallelism that is wanted.

    OpenBLAS otherwise keeps a thread per core that waits by spinning, and each recording takes the time of a second
    core from the web server and the database. Who sets the variable knows better.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
