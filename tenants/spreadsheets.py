"""What people export and open in a spreadsheet, which takes some texts for formulas. Clients choose their names."""

from __future__ import annotations

from typing import Any, Final

# As they are on a keyboard, and as wide as Chinese characters.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def harmless(cell: Any) -> Any:
    """A text that is one in a spreadsheet, too; whatever is no text stays as it is."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
