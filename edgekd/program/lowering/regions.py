"""Regions of tensors that are copied: strided copies where one piece of memory will not do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering.ir import Array, Buffer, KernelCall, Member, Struct

Picks = list[tuple[int, int, int]]
"""Start, stop and step along each axis of a tensor."""
AXES = 4
"""Most axes of edgekd_copy_strided."""
LONGEST_FILL = 256
"""Elements of a constant that is copied as a whole."""
MOST_REGIONS = 256
_Piece = tuple[list[tuple[int, int, int]], int, int]
"""Axes as in Region, start in x (-1: a constant), start in y."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """Elements of x that go to y: axes as (size, stride in x, stride in y), joined as far as they can be."""

    axes: tuple[tuple[int, int, int], ...]
    x_start: int
    y_start: int = 0
    is_fill: bool = False
    """Whether x is a constant of `run` elements, which are repeated."""

    @property
    def is_one_piece(self) -> bool:
        """Whether the elements follow each other in memory."""
        return all(axis[1:] == (1, 1) for axis in self.axes)

    @property
    def run(self) -> int:
        """Elements side by side in x and in y."""
        return self.axes[-1][0] if self.axes and self.axes[-1][1:] == (1, 1) else 1


def picked(shape: Sequence[int], picks: Picks) -> Region:
    """The region of x [shape] that `picks` leaves, to a y of its own."""
    sizes = [len(range(*pick)) for pick in picks]
    strides = _strides(shape)
    start = sum(pick[0] * stride for pick, stride in zip(picks, strides, strict=True))
    x_strides = [pick[2] * stride for pick, stride in zip(picks, strides, strict=True)]
    return Region(axes=_joined(list(zip(sizes, x_strides, _strides(sizes), strict=True))), x_start=start)


def place(rows: int, size: int, to: int, start: int) -> Region:
    """Rows of `size` elements into rows of `to`, from `start` in each."""
    return Region(axes=_joined([(rows, size, to), (size, 1, 1)]), x_start=0, y_start=start)


def decompose(positions: NDArray[np.int64]) -> list[Region]:
    """Regions that make y [shape] of x, whose element at each place is given by its position, -1 for a constant.

    Slices along an axis that look alike, and follow one another at a fixed distance in x, are one region.
    """
    regions = []
    for axes, x_start, y_start in _pieces(positions, _strides(positions.shape)):
        joined = _joined(axes)
        if x_start < 0 and joined and joined[-1][2] == 1 and joined[-1][0] <= LONGEST_FILL:
            joined = (*joined[:-1], (joined[-1][0], 1, 1))
        regions.append(Region(axes=joined, x_start=max(x_start, 0), y_start=y_start, is_fill=x_start < 0))
    if len(regions) > MOST_REGIONS:
        raise ModelError(f"values are moved in {len(regions)} pieces, up to {MOST_REGIONS} are supported")
    return regions


def _pieces(positions: NDArray[np.int64], y_strides: Sequence[int]) -> list[_Piece]:
    if positions.ndim == 0:
        return [([], int(positions), 0)]
    bases = [_base(part) for part in positions]
    pieces: list[_Piece] = []
    start = 0
    while start < len(positions):
        pattern = _pattern(positions[start], bases[start])
        end, step = start + 1, bases[start + 1] - bases[start] if start + 1 < len(positions) else 0
        while (
            end < len(positions)
            and bases[end] - bases[end - 1] == step
            and np.array_equal(_pattern(positions[end], bases[end]), pattern)
        ):
            end += 1
        for axes, x_start, y_start in _pieces(positions[start], y_strides[1:]):
            axis = (end - start, step if x_start >= 0 else 0, y_strides[0])
            pieces.append(([axis, *axes], x_start, y_start + start * y_strides[0]))
        start = end
    return pieces


def _base(positions: NDArray[np.int64]) -> int:
    """The first position that is none of a constant; 0 when there is none."""
    moved = positions[positions >= 0].reshape(-1)
    return int(moved[0]) if len(moved) else 0


def _pattern(positions: NDArray[np.int64], base: int) -> NDArray[np.int64]:
    """Positions relative to `base`, and a mark for constants."""
    return np.where(positions < 0, np.iinfo(np.int64).min, positions - base)


def copy_of(region: Region, op: str, x: Buffer | Array, out: Buffer) -> KernelCall:
    """Call that copies a region."""
    itemsize = np.dtype(out.dtype).itemsize
    axes, run = list(region.axes), 1
    if axes and axes[-1][1:] == (1, 1):
        run = axes.pop()[0]
    if len(axes) > AXES:
        raise ModelError(f"{op} of '{out.name}' runs along {len(axes)} axes, up to {AXES} are supported")
    axes = [(1, 0, 0)] * (AXES - len(axes)) + axes
    factors = (1, itemsize, itemsize)
    members: dict[str, Member] = {
        name: Struct(c_type="int32_t", members={str(i): axis[row] * factors[row] for i, axis in enumerate(axes)})
        for row, name in enumerate(("sizes", "x_strides", "y_strides"))
    }
    members |= {
        "x_start": region.x_start * itemsize,
        "y_start": region.y_start * itemsize,
        "bytes": run * itemsize,
    }
    return KernelCall(
        kernel="edgekd_copy_strided",
        function="edgekd_copy_strided",
        op=op,
        sources=[x],
        out=out,
        layer=Struct(c_type="edgekd_strides", members=members),
    )


def _strides(shape: Sequence[int]) -> list[int]:
    """Elements from one index of an axis to the next."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _joined(axes: list[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    """Axes of more than one element, neighbors that run on in x and in y as one."""
    joined: list[tuple[int, int, int]] = []
    for size, x, y in axes:
        if size == 1:
            continue
        if joined and joined[-1][1:] == (x * size, y * size):
            size *= joined.pop()[0]
        joined.append((size, x, y))
    return tuple(joined)
