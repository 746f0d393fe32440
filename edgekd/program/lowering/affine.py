"""Integer operators as one multiply-add and a shift, found by search and proved on every input.

TFLite rounds an int8 operator two or three times in 32 bits. What comes out is a staircase, and nearly always a plain
`(x * factor + offset) >> shift` with well-chosen integers climbs the very same stairs, in 2 instructions for 8 to 11.
A form is returned only when it equals the reference for all 256 (or 65,536) inputs; otherwise None, and the
caller keeps TFLite's own sequence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

X8 = np.arange(-128, 128, dtype=np.int64)
"""Every int8 input."""
LARGEST_SHIFT = 24
NEIGHBORS = 12
NEAR = 2.0**-8
"""Distance to a stair, in steps of the output, below which an input constrains the binary search; on each side of the
stairs, the nearest inputs do in any case."""


@dataclass(frozen=True, kw_only=True)
class Affine:
    """clamp((sum of x * factors + offset) >> shift): factors one per operand, [n] or [1] each, like `offset`."""

    factors: tuple[I64, ...]
    offset: I64
    shift: int
    bounded: bool
    """Whether no sum leaves the limits, so that no clamp is needed."""

    @property
    def is_identity(self) -> bool:
        """Whether the result is the operand."""
        same = all((factor == 1).all() for factor in self.factors) and not self.offset.any()
        return self.bounded and len(self.factors) == 1 and self.shift == 0 and same


def unary(stairs: I64, low: int, high: int) -> Affine | None:
    """Find the form of n functions of one int8: stairs [n, 256], clamped to [low, high], in the order of `X8`."""
    slope, start = _line(stairs, low, high)
    shift = _shift(np.abs(slope) * 128 + np.abs(start) + 1)
    factor = _bisect(stairs, low, high, slope, shift)
    smallest, largest = _offsets(stairs, low, high, factor[:, None] * X8, shift)
    offset = _roundest(smallest, largest)
    return _proved(stairs, ((factor, factor[:, None] * X8),), offset, shift, (low, high))


def binary(stairs: I64, low: int, high: int, slopes: tuple[float, float], start: float) -> Affine | None:
    """Find the form of a function of two int8: stairs [256, 256], near slopes[0] * a + slopes[1] * b + start."""
    shift = _shift(np.array([(abs(slopes[0]) + abs(slopes[1])) * 128 + abs(start) + 1]))
    value = slopes[0] * X8[:, None] + slopes[1] * X8[None, :] + start + 0.5
    distance = value - np.round(value)
    near = (-distance <= max(NEAR, -distance[distance < 0].max(initial=-1.0))) & (distance < 0)
    near |= (distance <= max(NEAR, distance[distance >= 0].min(initial=1.0))) & (distance >= 0)
    a, b, y = (np.broadcast_to(values, near.shape)[near] for values in (X8[:, None], X8[None, :], stairs))
    steps = np.arange(-NEIGHBORS, NEIGHBORS + 1)
    first, second = (int(round(slope * 2**shift)) + steps for slope in slopes)
    best: tuple[int, int, int, I64] | None = None
    for factor in first:
        sums = factor * a + second[:, None] * b
        smallest, largest = _offsets(np.broadcast_to(y, sums.shape), low, high, sums, shift)
        widest = int(np.argmax(largest - smallest))
        room = int(largest[widest] - smallest[widest])
        if best is None or room > best[0]:
            best = room, int(factor), int(second[widest]), _roundest(smallest[[widest]], largest[[widest]])
    assert best is not None
    _, left, right, offset = best
    parts = (np.array([left]), left * X8[:, None]), (np.array([right]), right * X8[None, :])
    return _proved(stairs, parts, offset, shift, (low, high))


def _line(stairs: I64, low: int, high: int) -> tuple[F64, F64]:
    """Slope and start of a line through each staircase, by its two outermost stairs that are not clamped."""
    inside = (stairs > low) & (stairs < high)
    first, last = inside.argmax(axis=1), 255 - inside[:, ::-1].argmax(axis=1)
    rows = np.arange(len(stairs))
    width = np.maximum(last - first, 1)
    slope = np.where(inside.any(axis=1), (stairs[rows, last] - stairs[rows, first]) / width, 0.0)
    return slope, stairs[rows, first] - slope * X8[first]


def _shift(largest: F64) -> int:
    """Most bits behind the point with sums of up to `largest` in 31 bits."""
    return int(min(LARGEST_SHIFT, 30 - np.ceil(np.log2(largest.max()))))


def _offsets(stairs: I64, low: int, high: int, sums: I64, shift: int) -> tuple[I64, I64]:
    """Smallest and largest offset that put every sum on its stair; the first is above the second when none does."""
    unbounded = np.int64(1) << 40
    smallest = np.where(stairs > low, (stairs << shift) - sums, -unbounded).max(axis=-1)
    largest = np.where(stairs < high, ((stairs + 1) << shift) - 1 - sums, unbounded).min(axis=-1)
    one_step = np.int64(1) << shift  # a staircase that is clamped on one side leaves the other offset open
    smallest = np.where(smallest == -unbounded, largest - one_step, smallest)
    return smallest, np.where(largest == unbounded, smallest + one_step, largest)


def _bisect(stairs: I64, low: int, high: int, slope: F64, shift: int) -> I64:
    """Find the factors that leave the offsets most room: that is a concave function, climbed by its sign."""
    middle = np.round(slope * 2.0**shift).astype(np.int64)
    reach = np.maximum(np.abs(middle) >> 4, 1 << max(shift - 6, 1))
    lower, upper = middle - reach, middle + reach
    inside_low, inside_high = stairs > low, stairs < high
    far = np.int64(1) << 40
    for _ in range(int(reach.max()).bit_length() + 1):
        middle = (lower + upper) // 2
        sums = middle[:, None] * X8
        floor = np.where(inside_low, (stairs << shift) - sums, -far).argmax(axis=1)
        ceiling = np.where(inside_high, ((stairs + 1) << shift) - 1 - sums, far).argmin(axis=1)
        rise = X8[floor] - X8[ceiling]  # of the room between them, per step of the factor
        lower = np.where(rise > 0, middle, lower)
        upper = np.where(rise > 0, upper, middle)
    return middle


def _roundest(smallest: I64, largest: I64) -> I64:
    """The multiple of the highest power of two between both, which machine code holds in the fewest instructions."""
    roundest = (smallest + largest) // 2
    for bit in range(LARGEST_SHIFT + 1):
        rounded = -(-smallest >> bit) << bit
        roundest = np.where(rounded <= largest, rounded, roundest)
    return roundest


def _proved(
    stairs: I64, parts: tuple[tuple[I64, I64], ...], offset: I64, shift: int, limits: tuple[int, int]
) -> Affine | None:
    """The form in its smallest numbers; None unless it climbs the stairs. parts: factors, with their products."""
    total = sum((products for _, products in parts), np.zeros(1, np.int64)) + offset[:, None]
    y = total >> shift
    if (np.abs(total) >= 2**31).any() or (np.clip(y, *limits) != stairs).any():
        return None
    numbers = np.concatenate([offset, *(factor for factor, _ in parts)])
    spare = min(shift, _trailing_zeros(numbers))
    return Affine(
        factors=tuple(factor >> spare for factor, _ in parts),
        offset=offset >> spare,
        shift=shift - spare,
        bounded=bool((y == stairs).all()),
    )


def _trailing_zeros(numbers: I64) -> int:
    """Power of two that divides all of them."""
    together = int(np.bitwise_or.reduce(numbers))
    return (together & -together).bit_length() - 1 if together else LARGEST_SHIFT
