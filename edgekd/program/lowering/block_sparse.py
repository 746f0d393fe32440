"""Rows of weights without their blocks of zeros: the streams of edgekd_block_sparse_*, and whether they pay.

A block is four neighbors in a row, as edgekd.compress.prune holds them at zero. One that stays costs a byte more than
in a dense layer and about twice the cycles, for x is unpacked for one row instead of four. A layer is sparse where it
takes no more flash, and its flash times its cycles, as estimated below, is less; a model, where that makes its layers
and their kernels together smaller. Layers of few rows gain, too, for a dense one is padded to four.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekd.program.lowering.ir import Array, Graph, KernelCall, Member, Struct
from edgekd.program.lowering.weight_packing import ROWS, PackedWeights, joined
from edgekd.program.requantize import I64

BLOCK = 4
MOST = 255
"""Blocks of a row, and the word of x where one may begin: both are bytes."""
KERNEL_BYTES = {
    "edgekd_fully_connected_s8": 552,
    "edgekd_fully_connected_s4": 432,
    "edgekd_fully_connected_s16": 468,
    "edgekd_block_sparse_s8": 224,
    "edgekd_block_sparse_s16": 212,
}
"""Flash of each kernel on a core with DSP instructions."""
DENSE_CYCLES = {
    "edgekd_fully_connected_s8": (78.0, 20.5),
    "edgekd_fully_connected_s4": (104.0, 26.5),
    "edgekd_fully_connected_s16": (78.0, 25.5),
}
SPARSE_CYCLES = {"edgekd_block_sparse_s8": (31.0, 10.0), "edgekd_block_sparse_s16": (28.0, 10.0)}
"""Cycles of a Cortex-M4 with zero wait states: per four rows, and for a block of each; per row, and per block."""


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """A layer of rows without their blocks of zeros, of which `blocks` are left."""

    kernel: str
    layer: Struct
    rows: int
    blocks: int

    @property
    def bytes(self) -> int:
        """Constants in flash."""
        return _bytes(self.layer)

    @property
    def cycles(self) -> float:
        """Estimate."""
        per_row, per_block = SPARSE_CYCLES[self.kernel]
        return self.rows * per_row + self.blocks * per_block


def blocks_of(rows: PackedWeights, name: str) -> Sparse | None:
    """Rows as blocks; None if no block-sparse kernel computes them exactly. name: of its arrays."""
    kernel, step, fields = KINDS[rows.x_type]
    starts = _starts(rows.w.shape[1], step)
    places = starts // step
    if not rows.fits_narrow_sums() or starts[-1] < 0 or len(starts) > MOST or places[-1] > MOST:
        return None
    w = _blocks(rows.w, starts)
    kept = np.any(w != 0, axis=-1)
    kept[~kept.any(axis=1), 0] = True  # the kernels take no row without blocks
    biases, weights, scales, shifts = fields(rows, w)
    words = [np.concatenate([[b], v[k], [s]]) for b, v, k, s in zip(biases, weights, kept, scales, strict=True)]
    columns = [np.concatenate([[k.sum()], places[k], [s]]) for k, s in zip(kept, shifts, strict=True)]
    return Sparse(kernel=kernel, layer=_struct(rows, name, words, columns), rows=len(w), blocks=int(kept.sum()))


def pays(sparse: Sparse, rows: PackedWeights, dense: Struct) -> bool:
    """Whether sparse rows save more flash than cycles against the dense layer, or both, and are not bigger."""
    size = _bytes(dense)
    return sparse.bytes <= size and sparse.bytes * sparse.cycles < size * dense_cycles(rows)


def dense_cycles(rows: PackedWeights) -> float:
    """Estimate for the dense layer of the same rows."""
    per_group, per_block = DENSE_CYCLES[rows.fastest()]
    return -(-len(rows.w) // ROWS) * (per_group + per_block * -(-rows.w.shape[1] // BLOCK))


def flash_bytes(graphs: Sequence[Graph]) -> int:
    """Constants of graphs that share an image, and their kernels of fully connected layers."""
    steps = [step for graph in graphs for step in graph.steps]
    kernels = {name for step in steps if isinstance(step, KernelCall) for name in step.kernels}
    arrays = {id(array): array for step in steps for array in step.arrays}
    code = sum(size for name, size in KERNEL_BYTES.items() if name in kernels)
    return code + sum(array.bytes for array in arrays.values())


def _bytes(layer: Struct) -> int:
    return sum(array.bytes for array in layer.arrays)


def _starts(inputs: int, step: int) -> I64:
    """First input of each block. The last one ends with the last whole word of x, `step` inputs wide."""
    starts = np.arange(0, inputs, BLOCK)
    starts[-1] = -(-inputs // step) * step - BLOCK
    return starts


def _blocks(w: I64, starts: I64) -> I64:
    """Weights [N, K] -> [N, blocks, BLOCK]; those of the block before are zeros in a last one that begins earlier."""
    w = np.pad(w, ((0, 0), (0, -w.shape[1] % BLOCK))).reshape(len(w), -1, BLOCK)
    late = BLOCK * (w.shape[1] - 1) - starts[-1]
    w[:, -1] = np.pad(w[:, -1], ((0, 0), (late, 0)))[:, :BLOCK]
    return w


Fields = tuple[I64, I64, I64, I64]
"""Biases [N], words of weights [N, blocks], scales [N] and shifts [N]."""


def _fields_s8(rows: PackedWeights, w: I64) -> Fields:
    """Of edgekd_block_sparse_s8: 256 * even - odd in each half; 128 is added to each even input."""
    even, odd = w[..., 0::2], w[..., 1::2]
    return (rows.b - 128 * even.sum(axis=(1, 2))) << 8, joined(256 * even - odd, 16), *rows.fractions_down()


def _fields_s16(rows: PackedWeights, w: I64) -> Fields:
    """Of edgekd_block_sparse_s16: inputs in the order 0 2 1 3."""
    return rows.b, joined(w[..., [0, 2, 1, 3]], 8), *rows.halved()


KINDS = {"int8": ("edgekd_block_sparse_s8", 4, _fields_s8), "int16": ("edgekd_block_sparse_s16", 2, _fields_s16)}
"""By type of the activations: the kernel, how many of them are in a word, and what it reads."""


def _struct(rows: PackedWeights, name: str, words: Sequence[I64], columns: Sequence[I64]) -> Struct:
    shape = f"{rows.w_type} weights [{rows.w.shape[0]}, {rows.w.shape[1]}]"
    members: dict[str, Member] = {
        "packed_weights": Array(
            name=f"{name}_words",
            c_type="uint32_t",
            values=np.concatenate(words) & 0xFFFFFFFF,
            comment=f"row by row: bias, blocks of {shape}, scale",
        ),
        "columns": Array(
            name=f"{name}_columns",
            c_type="uint8_t",
            values=np.concatenate(columns),
            comment="row by row: number of blocks, their places, shift of the scale",
        ),
        "outputs": len(rows.w),
        "output_zero_point": rows.zero,
        "low": rows.limits[0],
        "high": rows.limits[1],
    }
    return Struct(c_type="edgekd_block_sparse", members=members)
