"""`make bench`: every figure of speed and memory, each beside what it is compared with, in one run.

Starts a platform of its own. The pages of the console are measured apart: `python -m bench.console`.
"""

from __future__ import annotations

import sys

from bench import analysis
from bench.own_platform import run_in_one


def main() -> int:
    print("One recording, step by step")
    analysis.main()
    return run_in_one("bench.platform")


if __name__ == "__main__":
    sys.exit(main())
