"""Analyse every file of a folder and print, as JSON, what came of each and what it cost: run by test_hostile."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

from audio.analysis import analyze
from audio.errors import AudioError

# A decompression bomb that got through would otherwise take the machine down with it.
ADDRESS_SPACE_BYTES: Final = 4 * 1024**3


def outcome(path: Path) -> dict[str, Any]:
    started = time.process_time()
    result = _result(path.read_bytes())
    return result | {"cpu_seconds": time.process_time() - started, "peak_megabytes": peak_megabytes()}


def peak_megabytes() -> float:
    """Of this program alone: getrusage would count the larger process that it was forked from."""
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def _result(content: bytes) -> dict[str, Any]:
    try:
        analysis = analyze(content)
    except AudioError as error:
        return {"refused": type(error).__name__, **error.numbers}
    quality = analysis.quality
    return {"refused": None, "duration": quality.duration_seconds, "warnings": quality.warnings}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    files = sorted(Path(sys.argv[1]).iterdir())
    outcome(files[0])
    json.dump({file.name: outcome(file) for file in files}, sys.stdout)
