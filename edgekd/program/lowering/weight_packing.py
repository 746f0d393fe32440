"""Weights in rows, packed as the kernels read them: which kernel computes them exactly, and its stream of words."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekd.program.lowering.elementwise import split_multiplier
from edgekd.program.lowering.ir import Array, Kernel, Member, Struct, Word
from edgekd.program.requantize import I64

ROWS = 4
"""Rows, and inputs, that the kernels take together."""
ODD_ROW_LIMIT = 1 << 23
"""A sum of an odd row is what is left of 32 bits above the 8 of the even row."""
LARGEST_16_BIT_FACTOR_SHIFT = -2
"""Shift of factors that the kernel for 32-bit sums of 16-bit activations takes: below 1/4."""


@dataclass(frozen=True, kw_only=True)
class PackedWeights:
    """w [N, K] int4 or int8, biases b [N] with the operand's zero point folded in, factors as multipliers and shifts.

    x_type and w_type: types of the activations and weights; limits: those of the result.
    """

    w: I64
    b: I64
    multipliers: I64
    shifts: I64
    x_type: str
    w_type: str
    zero: int
    limits: tuple[int, int]

    def __post_init__(self) -> None:
        """A factor that is 0 in fixed point makes a row of zeros: then any factor will do."""
        nothing = self.multipliers == 0
        object.__setattr__(self, "w", np.where(nothing[:, None], 0, self.w))
        object.__setattr__(self, "b", np.where(nothing, 0, self.b))

    def struct(self, name: str, groups: int = 1, kernel: str | None = None) -> tuple[Kernel, Struct, int]:
        """The kernel, its layer, and the words of one group of rows. kernel: one instead of the fastest exact one."""
        kernel = kernel or self.fastest()
        streams = [STREAMS[kernel](part) for part in self._parts(groups)]
        words = Array(
            name=f"{name}_words",
            c_type="uint32_t",
            values=np.concatenate(streams) & 0xFFFFFFFF,
            comment=f"biases, {self.w_type} weights [{self.w.shape[0]}, {self.w.shape[1]}], scales by four rows",
        )
        low, high = (self._repeated(limit) for limit in self.limits)
        members: dict[str, Member] = {
            "packed_weights": words,
            "inputs": self.w.shape[1],
            "outputs": len(self.w) // groups,
            "output_zero_point": self.zero,
            "low": low,
            "high": high,
        }
        return Kernel(name=kernel), Struct(c_type="edgekd_fully_connected", members=members), len(streams[0])

    def _repeated(self, limit: int) -> Word:
        """A limit in every byte or half of a word."""
        return Word((limit & 0xFF) * 0x01010101 if self.x_type == "int8" else (limit & 0xFFFF) * 0x00010001)

    def _parts(self, groups: int) -> "list[PackedWeights]":
        n = len(self.w) // groups
        return [self._slice(slice(i * n, (i + 1) * n)) for i in range(groups)]

    def _slice(self, rows: slice) -> "PackedWeights":
        return PackedWeights(
            w=self.w[rows], b=self.b[rows], multipliers=self.multipliers[rows], shifts=self.shifts[rows],
            x_type=self.x_type, w_type=self.w_type, zero=self.zero, limits=self.limits,
        )  # fmt: skip

    def fastest(self) -> str:
        if self.x_type == "int16":
            return "edgekd_fully_connected_s16" if self._fits_32_bits() else "edgekd_fully_connected_s16_s64acc"
        if self.w_type == "int4" and self.scales_below_half():
            return "edgekd_fully_connected_s4"
        return "edgekd_fully_connected_s8" if self._fits_pairs() else "edgekd_fully_connected_s8_s32acc"

    def scales_below_half(self) -> bool:
        """Whether every result is shifted to the right."""
        return bool((self._fractions()[1] <= -1).all())

    def fits_narrow_sums(self) -> bool:
        """Whether the kernels that need no wide sums or large scales are exact: s8 and s16."""
        return self._fits_32_bits() if self.x_type == "int16" else self._fits_pairs()

    def _fits_pairs(self) -> bool:
        smallest, largest = self._range(-128, 127)
        inside = smallest >= -ODD_ROW_LIMIT and largest < ODD_ROW_LIMIT
        return bool(inside and (np.abs(self.w) <= 127).all() and self.scales_below_half())

    def _fits_32_bits(self) -> bool:
        smallest, largest = self._range(-(2**15), 2**15 - 1)
        small = (self.shifts <= LARGEST_16_BIT_FACTOR_SHIFT) | (self.multipliers == 0)
        return bool(smallest >= -(2**31) and largest < 2**31 and small.all())

    def _range(self, low: int, high: int) -> tuple[int, int]:
        """Least and greatest sum that inputs of [low, high] can give."""
        least = self.b + np.minimum(low * self.w, high * self.w).sum(axis=1)
        most = self.b + np.maximum(low * self.w, high * self.w).sum(axis=1)
        return int(least.min()), int(most.max())

    def _fractions(self) -> tuple[I64, I64]:
        """Factors as edgekd_requantize takes them: fractions and shifts."""
        pairs = [split_multiplier(int(m), int(s)) for m, s in zip(self.multipliers, self.shifts, strict=True)]
        fraction, shift = (np.array([pair[key] for pair in pairs], np.int64) for key in ("fraction", "shift"))
        return fraction, shift

    def padded(self, columns: int = ROWS) -> I64:
        """Weights with zeros up to whole groups of rows and `columns` inputs: [groups, ROWS, blocks, columns]."""
        w = np.pad(self.w, ((0, -len(self.w) % ROWS), (0, -self.w.shape[1] % columns)))
        return w.reshape(-1, ROWS, w.shape[1] // columns, columns)

    def scales_up(self) -> I64:
        """Fractions and signed shifts of edgekd_requantize: [groups, 5]."""
        fraction, shift = self._fractions()
        return _scales(fraction, shift)

    def scales_down(self) -> I64:
        """Fractions and how far to shift to the right: [groups, 5]."""
        return _scales(*self.fractions_down())

    def fractions_down(self) -> tuple[I64, I64]:
        """Fractions and how far to shift to the right, of each row."""
        fraction, shift = self._fractions()
        return fraction, -shift

    def halved(self) -> tuple[I64, I64]:
        """Multipliers and shifts of edgekd_fully_connected_s16, of each row."""
        return self.reduced() << 16, np.where(self.multipliers == 0, 1, -1 - self.shifts)

    def reduced(self) -> I64:
        """Multipliers cut to 16 bits, as TFLite does for 64-bit sums."""
        return np.where(self.multipliers < 0x7FFF0000, (self.multipliers + (1 << 15)) >> 16, 0x7FFF)


def _grouped(values: I64) -> I64:
    """One value per row -> [groups, ROWS], padded with zeros."""
    return np.pad(values, (0, -len(values) % ROWS)).reshape(-1, ROWS)


def _scales(multiplier: I64, shift: I64) -> I64:
    """A word per multiplier, and the shifts as bytes of one."""
    return np.concatenate([_grouped(multiplier), joined(_grouped(shift), 8)[:, None]], axis=1)


def joined(values: I64, bits: int) -> I64:
    """The last axis as fields of one word, the lowest first."""
    mask, places = (1 << bits) - 1, bits * np.arange(values.shape[-1])
    joined: I64 = ((values & mask) << places).sum(axis=-1)
    return joined


def _stream(biases: I64, weights: I64, scales: I64) -> I64:
    """Of each group of rows in turn, [groups, ...] each."""
    groups = len(scales)
    return np.concatenate([biases, weights.reshape(groups, -1), scales], axis=1).reshape(-1)


def _paired(rows: PackedWeights) -> I64:
    """Words of edgekd_fully_connected_s8: two rows in one half, biases joined like weights."""
    w = rows.padded()
    grouped = w.reshape(len(w), 2, 2, *w.shape[2:])  # group, pair of rows, row, block, input
    halves = 256 * grouped[:, :, 1] + grouped[:, :, 0]
    words = np.stack([joined(halves[..., [0, 2]], 16), joined(halves[..., [1, 3]], 16)], axis=-1)
    pairs = _grouped(rows.b).reshape(-1, 2, 2)
    biases = np.stack([pairs[..., 1] * 256 + pairs[..., 0], pairs[..., 0]], axis=-1).reshape(-1, ROWS)
    scales = rows.scales_down()
    return _stream(biases, words.transpose(0, 2, 3, 1), scales)  # [group, block, 2, pair]


def _bytes(rows: PackedWeights) -> I64:
    """Words of edgekd_fully_connected_s8_s32acc: four inputs of a row."""
    words = joined(rows.padded(), 8)  # [group, row, block]
    return _stream(_grouped(rows.b), words.transpose(0, 2, 1), rows.scales_up())


def _nibbles(rows: PackedWeights) -> I64:
    """Words of edgekd_fully_connected_s4: eight inputs of a row, in the order 0 1 4 5 2 3 6 7, 8 added to each."""
    words = joined((rows.padded(8) + 8)[..., [0, 1, 4, 5, 2, 3, 6, 7]], 4)
    return _stream(_grouped(rows.b), words.transpose(0, 2, 1), rows.scales_down())


def _halves(rows: PackedWeights) -> I64:
    """Words of edgekd_fully_connected_s16: four inputs of a row, in the order 0 2 1 3."""
    words = joined(rows.padded()[..., [0, 2, 1, 3]], 8)
    return _stream(_grouped(rows.b), words.transpose(0, 2, 1), _scales(*rows.halved()))


def _wide_halves(rows: PackedWeights) -> I64:
    """Words of edgekd_fully_connected_s16_s64acc: the same with biases of two words."""
    words = joined(rows.padded()[..., [0, 2, 1, 3]], 8)
    b = _grouped(rows.b)
    biases = np.stack([b & 0xFFFFFFFF, b >> 32], axis=-1).reshape(len(b), -1)
    return _stream(biases, words.transpose(0, 2, 1), _scales(rows.reduced(), 15 - rows.shifts))


def _channels(rows: PackedWeights) -> I64:
    """Words of edgekd_depthwise_s8: one place of four channels, which are rows here."""
    w = np.pad(rows.w, ((0, -len(rows.w) % ROWS), (0, 0))).reshape(-1, ROWS, rows.w.shape[1])
    return _stream(_grouped(rows.b), joined(w.transpose(0, 2, 1), 8), rows.scales_down())


STREAMS: dict[str, Callable[[PackedWeights], I64]] = {
    "edgekd_fully_connected_s8": _paired,
    "edgekd_fully_connected_s8_s32acc": _bytes,
    "edgekd_fully_connected_s4": _nibbles,
    "edgekd_fully_connected_s16": _halves,
    "edgekd_fully_connected_s16_s64acc": _wide_halves,
    "edgekd_depthwise_s8": _channels,
}
"""The layout of each kernel's words."""
