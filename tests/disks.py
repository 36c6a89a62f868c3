"""Disks of their own, as small as a test needs them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mounted there. Where nobody may mount a file system the test is skipped."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode:
        pytest.skip("nobody may mount a file system here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
