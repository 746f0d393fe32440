"""Regions of tensors that are copied: strided copies where one piece of memory will not do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering.ir import Array, Buffer, Kernel, KernelCall, Struct, Word

Picks = list[tuple[int, int, int]]
"""Start, stop and step along each axis of a tensor."""
AXES = 4
"""Most axes of edgekd_copy_strided."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """Elements of x that go to y: axes as (size, stride in x, stride in y), joined as far as they can be."""

    axes: tuple[tuple[int, int, int], ...]
    x_start: int
    y_start: int = 0

    @property
    def is_one_piece(self) -> bool:
        return all(axis[1:] == (1, 1) for axis in self.axes)


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
    members: dict[str, int | Word | Array | Struct | Kernel | None] = {
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
    """Axes of more than one element, neighbours that run on in x and in y as one."""
    joined: list[tuple[int, int, int]] = []
    for size, x, y in axes:
        if size == 1:
            continue
        if joined and joined[-1][1:] == (x * size, y * size):
            size *= joined.pop()[0]
        joined.append((size, x, y))
    return tuple(joined)
