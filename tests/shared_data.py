"""Recordings kept outside the repository: real speech, many formats, hostile files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

SHARED_DATA: Final = Path(__file__).parents[2] / "shared" / "data"


def shared(*parts: str) -> Path:
    """A shared file. Without the shared data a test that needs them is skipped, on the build server it fails."""
    if SHARED_DATA.is_dir():
        return SHARED_DATA.joinpath(*parts)
    if os.environ.get("CI"):
        pytest.fail(f"{SHARED_DATA} is missing")
    pytest.skip(f"{SHARED_DATA} is missing")


def expectations(folder: str) -> list[dict[str, str]]:
    """Rows of `formats_expected.tsv` about one folder; none where the shared data are absent."""
    table = SHARED_DATA / "formats_expected.tsv"
    if not table.exists():
        if os.environ.get("CI"):
            raise FileNotFoundError(table)
        return []
    header, *lines = table.read_text().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=False)) for line in lines]
    return [row for row in rows if row["file"].startswith(f"{folder}/")]
