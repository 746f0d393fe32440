"""Axes of a drawing: numbers to pixels, and ticks at round numbers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SAME = 1e-6  # a smaller range, relative to the values, is no range


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A position on an axis and what stands there."""

    value: float
    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Maps low..high to the pixels start..end."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= value <= self.high

    def ticks(self, most: int) -> list[Tick]:
        """At most `most` ticks at round numbers."""
        values = (_powers if self.log else _round_numbers)(self.low, self.high, most)
        decimals = max((_decimals(value) for value in values), default=0)
        return [Tick(value=value, at=self(value), label=f"{value:,.{decimals}f}") for value in values]


def scale(
    values: Iterable[float], start: float, end: float, *, margin: float = 0.06, log_from: float = math.inf
) -> Scale:
    """A scale over all values, with a margin on both sides (a fraction of the range).

    It is logarithmic where positive values span more than the factor `log_from`.
    """
    known = list(values)
    low, high = min(known), max(known)
    if high - low <= SAME * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1.0) * 0.1, high + (abs(high) or 1.0) * 0.1
    if low > 0 and high / low > log_from:
        factor = (high / low) ** margin
        return Scale(low=low / factor, high=high * factor, start=start, end=end, log=True)
    space = (high - low) * margin
    return Scale(low=low - space, high=high + space, start=start, end=end)


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions so that neighbors are `gap` apart, within low..high as far as there is room."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = list(positions)
    floor = low
    for i in order:
        placed[i] = max(placed[i], floor)
        floor = placed[i] + gap
    ceiling = high
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return placed


def _round_numbers(low: float, high: float, most: int) -> list[float]:
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 2.5, 5, 10, 20):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [i * step for i in range(first, last + 1)]
    raise AssertionError("a step of twenty times a power of ten always leaves fewer than `most` ticks")


def _powers(low: float, high: float, most: int) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values: list[float] = []
    for factors in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        values = [f * 10.0**e for e in exponents for f in factors if low <= f * 10.0**e <= high]
        if len(values) <= most:
            return values
    return values[:: -(-len(values) // most)]


def _decimals(value: float) -> int:
    text = f"{value:.12f}".rstrip("0")
    return len(text.partition(".")[2])
