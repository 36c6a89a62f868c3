"""A name can be seen, whatever it is made of."""

from __future__ import annotations

import pytest

from tenants.names import visible


@pytest.mark.parametrize(
    "name", ["", "alice", "Jean Luc", "张伟", "a\u0301", "محمد", "علی\u200cرضا", "👩\u200d🚒", "3️⃣", "a\u3000b"]
)
def test_a_name_that_can_be_seen_stays_as_it_is(name):
    assert visible(name) == name


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("  ", "⟨U+0020⟩⟨U+0020⟩"),
        (" alice ", "⟨U+0020⟩alice⟨U+0020⟩"),
        ("\u3000", "⟨U+3000⟩"),
        ("a  b", "a⟨U+0020⟩⟨U+0020⟩b"),
        ("\u200b", "⟨U+200B⟩"),
        ("\u200d", "⟨U+200D⟩"),
        ("\u3164", "⟨U+3164⟩"),
        ("ali\u200bce", "ali⟨U+200B⟩ce"),
        ("\u202egnp.exe", "⟨U+202E⟩gnp.exe"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("a\tb", "a⟨U+0009⟩b"),
        ("a\u2028b", "a⟨U+2028⟩b"),
    ],
)
def test_what_has_no_shape_or_turns_others_around_is_shown_by_its_number(name, seen):
    assert visible(name) == seen
