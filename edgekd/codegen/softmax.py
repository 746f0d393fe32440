"""SOFTMAX -> calls of kernels, with tables of exponentials."""

from collections.abc import Sequence

import numpy as np

from edgekd.codegen.elementwise import split_multiplier
from edgekd.codegen.ir import Array, Buffer, Call, Struct
from edgekd.contracts.errors import ModelError
from edgekd.program import reference
from edgekd.program.kernels.softmax import exponential_table_16, exponentials_8, reciprocal_table_16, table_units_16
from edgekd.program.program import Op, Tensor
from edgekd.program.requantize import I64

LARGEST_SHIFT = 30


def softmax(op: Op, tensors: Sequence[Tensor], x: Buffer, out: Buffer, what: str) -> Call:
    """Lower SOFTMAX over the last axis."""
    scale = reference.scale_of(tensors[0], what) * float(np.float32(op.options["beta"]))
    size = tensors[0].shape[-1]
    layer = _of_8_bits(scale, x, size, out) if x.dtype == "int8" else _of_16_bits(scale, x, size, out, what)
    name = f"edgekd_softmax_s{np.iinfo(x.dtype).bits}"
    return Call(kernel=name, function=name, op=op.kind, sources=[x], out=out, layer=layer)


def _of_8_bits(scale: float, x: Buffer, size: int, out: Buffer) -> Struct:
    table = exponentials_8(-np.arange(256, dtype=np.int64), scale)
    entries = int(np.count_nonzero(table))
    return Struct(
        c_type="edgekd_softmax",
        members={
            "exponentials": _array(out, "exponentials", "int32_t", table[:entries]),
            "entries": entries,
            "rows": x.size // size,
            "size": size,
            "bits": np.iinfo(out.dtype).bits,
        },
    )


def _of_16_bits(scale: float, x: Buffer, size: int, out: Buffer, what: str) -> Struct:
    multiplier, shift = table_units_16(scale)
    if shift > LARGEST_SHIFT:
        raise ModelError(f"{what}: '{out.name}' comes from a scale of {scale:.3g}, which is out of range")
    return Struct(
        c_type="edgekd_softmax_tables",
        members={
            "exponentials": _array(out, "exponentials", "int16_t", exponential_table_16()),
            "reciprocals": _array(out, "reciprocals", "int16_t", reciprocal_table_16()),
            "rows": x.size // size,
            "size": size,
            **split_multiplier(multiplier, shift),
        },
    )


def _array(out: Buffer, title: str, c_type: str, values: I64) -> Array:
    return Array(name=f"{out.name}_{title}", c_type=c_type, values=values, comment=f"{title} of SOFTMAX")
