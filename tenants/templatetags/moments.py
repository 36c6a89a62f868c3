"""What a page of the console says of time."""

from __future__ import annotations

import re
from typing import Final

from django import template

register = template.Library()

MOMENT: Final = re.compile(r"\b(\d{4}-\d\d-\d\d|\d\d:\d\d)\b")
"""A day or a time of it, as `config.formats` writes them."""


@register.filter
def tells_times(page: str) -> bool:
    return MOMENT.search(page) is not None
