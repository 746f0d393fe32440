"""Text from outside, made safe to show."""

import sys
import unicodedata

import pytest

from edgekd.contracts.text import LONGEST, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("capacity (Ah) ÄÖ 容量", "capacity (Ah) ÄÖ 容量"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b2J", r"\x9b2J"),  # the same sequence in one 8-bit character
        ("a\u202eb\u2066c\u200b", r"a\u202eb\u2066c\u200b"),
        ("one\r\ntwo\tthree\x00", r"one\r\ntwo\tthree\x00"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_character_reaches_the_terminal_that_moves_or_colors_anything() -> None:
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    for code in range(sys.maxunicode + 1):
        shown = printable(chr(code))
        assert not hidden & {unicodedata.category(character) for character in shown}, hex(code)


def test_a_long_text_is_cut_and_says_how_long_it_is() -> None:
    shown = printable("9" * 6_000)
    assert shown == "9" * LONGEST + "… (6,000 characters)"
    assert printable("\x1b" * 6_000).startswith(r"\x1b" * LONGEST + "…")
    assert printable("9" * LONGEST) == "9" * LONGEST
