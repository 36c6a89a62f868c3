"""What is tested is what runs."""

from __future__ import annotations

import re
from collections import Counter

from django.conf import settings

PIN = re.compile(r"^([a-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def test_a_package_in_two_lists_is_pinned_to_one_version():
    lists = sorted(settings.BASE_DIR.glob("requirements*.txt"))
    assert len(lists) == 3
    pins = {pin for file in lists for pin in PIN.findall(file.read_text())}
    assert len(pins) > 100
    versions = Counter(name for name, _ in pins)
    assert [name for name, count in versions.items() if count > 1] == []
