"""What people export and open in a spreadsheet, which takes some texts for formulas. Clients choose their names."""

from __future__ import annotations

from typing import Any, Final

# As they are on a keyboard, and as wide as Chinese characters.
MARK: Final = "'"
FORMULA_STARTS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def harmless(cell: Any) -> Any:
    """A text that is one in a spreadsheet, too; whatever is no text stays as it is.

    What looks as if this had made it harmless gets one more `'`, so that `as_it_was` is the way back from everything.
    """
    return f"{MARK}{cell}" if isinstance(cell, str) and _starts_a_formula(cell) else cell


def as_it_was(cell: str) -> str:
    """The text that `harmless` made this of. An apostrophe before anything else, as of 't Hooft, is the text's own."""
    return cell.removeprefix(MARK) if _starts_a_formula(cell) else cell


def _starts_a_formula(cell: str) -> bool:
    return cell.lstrip(MARK).startswith(FORMULA_STARTS)
