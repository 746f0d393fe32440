"""What the monitor makes of a board's lines."""

from edgekd.deploy.link import checked
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
