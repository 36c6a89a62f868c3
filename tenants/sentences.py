"""How words are put together, which languages do with other signs and gaps."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from django.utils.translation import gettext as _


def labelled(name: Any, value: Any) -> str:
    return _("%(name)s: %(value)s") % {"name": name, "value": value}


def listed(parts: Iterable[str]) -> str:
    return _joined(_("%(before)s, %(after)s"), parts)


def in_a_row(sentences: Iterable[str]) -> str:
    return _joined(_("%(before)s %(after)s"), sentences)


def _joined(pattern: str, parts: Iterable[str]) -> str:
    found = [str(part) for part in parts]
    return reduce(lambda before, after: pattern % {"before": before, "after": after}, found) if found else ""
