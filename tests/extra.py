"""Tests that need the packages of requirements-wespeaker.txt."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import pytest


def require_wespeaker() -> None:
    """At the top of a module, before what needs the packages is imported: without them its tests are skipped.

    On the build server the imports that follow fail instead.
    """
    if find_spec("wespeaker") is None and not os.environ.get("CI"):
        pytest.skip("`make wespeaker` installs what these tests need", allow_module_level=True)


def hide_wespeaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without those packages, for the rest of a test."""
    for module in ("audio.conversion", "audio.toolkit"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
