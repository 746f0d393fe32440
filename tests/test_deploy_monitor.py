"""What the monitor makes of a board's lines."""

import math
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgekd.deploy.link import Link, checked
from edgekd.deploy.monitor import describe, numbers, picture


def test_lines_for_people() -> None:
    assert describe("1,2,3") == "forecast 1 … 3  ▁▅█"
    assert describe("# 3 of 100 samples") == "# 3 of 100 samples"
    assert describe(checked("error: what")) == "error: what"
    assert describe("error: what *00000000") == "(damaged) error: what *00000000"


def test_numbers_and_pictures() -> None:
    assert numbers("1,x") == []
    assert picture([5.0, 5.0]) == "▁▁"
    assert len(picture([float(n) for n in range(100)])) <= 40


@pytest.mark.parametrize("line", ["nan,1,2", "inf", "-inf,3", "1e999", "9" * 6_000, "1_000", "٣", "0x10", "1,,2"])
def test_what_is_no_forecast_is_shown_as_text(line: str) -> None:
    assert numbers(line) == []
    assert describe(line).startswith(line[:3].replace("٣", "٣"))
    assert len(describe(line)) < 300


def test_the_widest_forecast_is_drawn() -> None:
    assert describe("1e308,-1e308,0") == "forecast 1e+308 … 0  █▁▅"
    assert picture([0.0, 0.0]) == "▁▁"
    assert picture([5e-324, 0.0]) == "█▁"


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1")), st.lists(st.floats()).map(str)))
@example("\x1b[2J\x1b]0;owned\x07")
@example("\u202e1,2\u2066")
@example(checked("error: \x1b[31m"))
def test_nothing_that_a_board_says_ends_the_monitor_or_moves_the_cursor(line: str) -> None:
    shown = describe(line)
    assert not {"Cc", "Cf", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in shown}
    assert all(map(math.isfinite, numbers(line)))


class Noise:
    """A serial port that sends what it was given, then nothing."""

    timeout: float | None = None

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def in_waiting(self) -> int:
        return len(self.data)

    def read(self, size: int = 1) -> bytes:
        read, self.data = self.data[:size], self.data[size:]
        return read

    def write(self, data: bytes) -> int:
        return len(data)

    def close(self) -> None: ...


def test_a_line_without_an_end_does_not_grow_for_ever() -> None:
    link = Link(Noise(b"x" * 200_000 + b"\n1,2\n"), "noise")
    lengths = [len(link.line(math.inf) or "") for _ in range(4)]
    assert lengths == [65_536, 65_536, 65_536, 200_000 - 3 * 65_536]
    assert link.line(math.inf) == "1,2"
