"""Names that clients gave, as people see them: what has no shape, or turns others around, is told by its number."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

JOINERS: Final = "\u200c\u200d"
"""Without a shape, but Persian, Indian languages and emoji are written with them."""

FILLERS: Final = "\u034f\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs by their category, which are drawn as nothing."""

TURNERS: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They say in which direction others are read."""

LOOK_ALIKES: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
"""Alphabets of which letters look the same, by the first words of their names."""

SHAPES: Final = frozenset("LNPS")
"""First letters of the categories of what is drawn by itself."""

UNSEEN_SPACES: Final = re.compile(r"^\s+|\s+$|\s{2,}")


def visible(name: str) -> str:
    """Of whatever it is made, there is something to see and to click; the empty one stays empty."""
    kept = "" if shows_nothing(name) else JOINERS
    shown = UNSEEN_SPACES.sub(_as_numbers, name)
    if not unicodedata.is_normalized("NFC", shown):
        shown = "".join(map(_told_apart, _signs(shown)))
    return "".join(_seen(character, kept) for character in shown)


def shows_nothing(name: str) -> bool:
    return not any(_has_shape(character) for character in name)


def turns_around(name: str) -> bool:
    return any(character in TURNERS for character in name)


def refuse_unseen(name: str) -> None:
    """A validator of names that are given in the console; the empty one is left to others."""
    if name and shows_nothing(name):
        raise ValidationError(_("Nobody could see this name: it shows nothing."), code="unseen")
    if turns_around(name):
        raise ValidationError(_("It holds characters that turn around what stands beside them."), code="turned")


def refuse_mixed(name: str) -> None:
    """A validator of names by which people know each other: letters of another alphabet may look like theirs."""
    first_words = {unicodedata.name(letter, "").partition(" ")[0] for letter in name if letter.isalpha()}
    if len(first_words & LOOK_ALIKES) > 1:
        raise ValidationError(_("It mixes alphabets of which letters look the same."), code="mixed")


def of_library(org_id: str, tag_id: str) -> str:
    """As it was given."""
    return " / ".join(filter(None, (org_id, tag_id)))


def _has_shape(character: str) -> bool:
    return character not in FILLERS and unicodedata.category(character)[0] in SHAPES


def _signs(name: str) -> list[str]:
    """In pieces that are composed each for itself: a letter and its accents."""
    signs: list[str] = []
    for character in name:
        if signs and _is_composed_with(signs[-1], character):
            signs[-1] += character
        else:
            signs.append(character)
    return signs


def _is_composed_with(before: str, character: str) -> bool:
    if unicodedata.combining(character):
        return True
    normal = unicodedata.normalize
    return normal("NFC", before + character) != normal("NFC", before) + normal("NFC", character)


def _told_apart(sign: str) -> str:
    """One that looks like another, of which other names are made, is shown by its numbers."""
    if unicodedata.is_normalized("NFC", sign):
        return sign
    letter = sign[0] if unicodedata.is_normalized("NFC", sign[0]) else _number(sign[0])
    return letter + "".join(map(_number, sign[1:]))


def _seen(character: str, kept: str) -> str:
    category = unicodedata.category(character)
    if character in kept or category == "Zs":
        return character
    return _number(character) if character in FILLERS or category[0] in "CZ" else character


def _as_numbers(spaces: re.Match[str]) -> str:
    return "".join(map(_number, spaces[0]))


def _number(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
