"""A name can be seen, whatever it is made of."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from tenants.names import refuse_mixed, visible


@pytest.mark.parametrize(
    "name",
    [
        "",
        "alice",
        "Jean Luc",
        "张伟",
        "q\u0301",
        "\ud55c\uad6d",
        "\u0915\u093c",
        "محمد",
        "علی\u200cرضا",
        "👩\u200d🚒",
        "3️⃣",
        "a\u3000b",
    ],
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
        ("jose\u0301 q\u0301", "jose⟨U+0301⟩ q\u0301"),
        ("\u1112\u1161\u11ab\uad6d", "\u1112⟨U+1161⟩⟨U+11AB⟩\uad6d"),
        ("\u212b", "⟨U+212B⟩"),
        ("\u2126\u0301", "⟨U+2126⟩⟨U+0301⟩"),
        ("\u0958", "⟨U+0958⟩"),
    ],
)
def test_what_has_no_shape_or_turns_others_around_is_shown_by_its_number(name, seen):
    assert visible(name) == seen


@pytest.mark.parametrize("name", ["аlice", "Αlice", "petrοv.petrov"])
def test_a_name_of_letters_that_look_like_others_is_refused(name):
    with pytest.raises(ValidationError):
        refuse_mixed(name)


@pytest.mark.parametrize("name", ["", "alice_1", "алиса", "张伟-wei", "たなか2", "müller", "김-kim"])
def test_a_name_of_one_alphabet_is_taken_also_beside_signs_that_look_like_no_letter_of_it(name):
    refuse_mixed(name)
