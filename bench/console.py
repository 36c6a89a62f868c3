"""`python -m bench.console`: server time and queries of every page of the console, with 100 000 speakers in the tenant.

Starts a platform of its own and fills it, which takes some minutes.
"""

from __future__ import annotations

import sys

from bench.own_platform import run_in_one

if __name__ == "__main__":
    sys.exit(run_in_one("bench.console_pages"))
