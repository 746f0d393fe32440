"""What a board says, line by line, as it comes."""

import time
from collections.abc import Iterator

from edgekd.deploy.link import Link, verified

MARKS = "▁▂▃▄▅▆▇█"


def listen(link: Link, seconds: float | None = None) -> Iterator[str]:
    """Lines that the board sends, for people, until so many seconds have passed; for ever when None."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        line = link.line(time.monotonic() + 0.5 if end is None else min(end, time.monotonic() + 0.5))
        if line:
            yield describe(line)


def describe(line: str) -> str:
    """A forecast as a picture, a checked line without its checksum, a damaged one marked as such."""
    values = numbers(line)
    if values:
        return f"forecast {values[0]:.6g} … {values[-1]:.6g}  {picture(values)}"
    if " *" in line:
        return verified(line) or f"(damaged) {line}"
    return line


def numbers(line: str) -> list[float]:
    """The values of a line of numbers and commas, none for another line."""
    try:
        return [float(text) for text in line.split(",")]
    except ValueError:
        return []


def picture(values: list[float]) -> str:
    """Values as a line of bars, at most 40."""
    shown = values[:: -(-len(values) // 40)]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(MARKS[round((value - low) / span * (len(MARKS) - 1))] for value in shown)
