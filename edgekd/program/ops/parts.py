"""SPLIT, SPLIT_V, UNPACK, SLICE and STRIDED_SLICE: parts of a tensor."""

from collections.abc import Callable, Sequence

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.regions import Picks, picked
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, Option
from edgekd.program.program import Op

MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _split_rule(op: CheckedOp) -> None:
    op.count([2], None)
    x = op.operand(1)
    op.copied((x, *op.outputs))
    axis = op.axis(op.constant(0, 1)[0], len(x.shape))
    op.promised(len(op.outputs))
    if x.shape[axis] % len(op.outputs):
        raise op.fail(f"{x.shape[axis]} along axis {axis} are not {len(op.outputs)} equal parts")
    for y in op.outputs:
        op.shape(y, (*x.shape[:axis], x.shape[axis] // len(op.outputs), *x.shape[axis + 1 :]))


def _split_v_rule(op: CheckedOp) -> None:
    op.count([3], None)
    x = op.operand(0)
    op.copied((x, *op.outputs))
    axis = op.axis(op.constant(2, 1)[0], len(x.shape))
    op.promised(len(op.outputs))
    sizes = op.constant(1)
    if len(sizes) != len(op.outputs) or min(sizes) < -1 or sizes.count(-1) > 1:
        raise op.fail(f"parts of {sizes} for {len(op.outputs)} results")
    sizes = _filled_in(sizes, x.shape[axis])
    if min(sizes) < 1 or sum(sizes) != x.shape[axis]:
        raise op.fail(f"parts of {sizes} of {x.shape[axis]} along axis {axis}")
    for y, size in zip(op.outputs, sizes, strict=True):
        op.shape(y, (*x.shape[:axis], size, *x.shape[axis + 1 :]))


def _filled_in(sizes: list[int], total: int) -> list[int]:
    """Sizes with what is left in place of -1."""
    left = total - sum(size for size in sizes if size >= 0)
    return [left if size == -1 else size for size in sizes]


def _unpack_rule(op: CheckedOp) -> None:
    op.count([1], None)
    x = op.operand(0)
    op.copied((x, *op.outputs))
    op.promised(len(op.outputs))
    axis = op.axis(op.op.options["axis"], len(x.shape))
    for y in op.outputs:
        op.shape(x, (*y.shape[:axis], len(op.outputs), *y.shape[axis:]))


def _slice_rule(op: CheckedOp) -> None:
    op.count([3])
    x, y = op.operand(0), op.result
    op.copied((x, y))
    op.rank(x)
    begins, sizes = op.constant(1, len(x.shape)), op.constant(2, len(x.shape))
    for have, begin, size in zip(x.shape, begins, sizes, strict=True):
        if begin < 0 or (size != -1 and not 1 <= size <= have - begin) or begin >= have:
            raise op.fail(f"{size} from {begin} of {have} elements of '{x.name}'")
    op.shape(y, [n - b if size == -1 else size for n, b, size in zip(x.shape, begins, sizes, strict=True)])


def _strided_slice_rule(op: CheckedOp) -> None:
    op.count([4])
    x, y, options = op.operand(0), op.result, op.op.options
    op.copied((x, y))
    op.rank(x)
    for name in ("ellipsis_mask", "new_axis_mask"):
        if options[name]:
            raise op.fail(f"{name} {options[name]} is not supported")
    rows = [op.constant(i, len(x.shape)) for i in (1, 2, 3)]
    wanted = []
    for axis, (begin, stride) in enumerate(zip(rows[0], rows[2], strict=True)):
        shrunk = options["shrink_axis_mask"] >> axis & 1
        first = 0 if options["begin_mask"] >> axis & 1 else begin
        if stride == 0 or (shrunk and (stride != 1 or not -x.shape[axis] <= first < x.shape[axis])):
            raise op.fail(f"index {begin} with stride {stride} of {x.shape[axis]} elements of '{x.name}'")
    for axis, picks in enumerate(strided_ranges(op.op, x.shape, rows)):
        if not options["shrink_axis_mask"] >> axis & 1:
            wanted.append(len(range(*picks)))
    op.shape(y, wanted)


def strided_ranges(op: Op, shape: Sequence[int], rows: list[list[int]]) -> Picks:
    """Start, stop and stride along each axis, as Python's slices count them; `rows` are begins, ends and strides."""
    ranges = []
    for axis, (begin, end, stride) in enumerate(zip(*rows, strict=True)):
        first = None if op.options["begin_mask"] >> axis & 1 else begin
        last = None if op.options["end_mask"] >> axis & 1 else end
        start, stop, step = slice(first, last, stride).indices(shape[axis])
        ranges.append((start, start + 1, 1) if op.options["shrink_axis_mask"] >> axis & 1 else (start, stop, step))
    return ranges


# Every kind says what its outputs take of its operand; reference and lowering follow from that.


def _split_picks(op: Op, shape: Sequence[int], integers: Callable[[int], list[int]]) -> list[Picks]:
    axis = integers(0)[0] % len(shape)
    return _along(shape, axis, [shape[axis] // len(op.outputs)] * len(op.outputs))


def _split_v_picks(op: Op, shape: Sequence[int], integers: Callable[[int], list[int]]) -> list[Picks]:
    axis = integers(2)[0] % len(shape)
    return _along(shape, axis, _filled_in(integers(1), shape[axis]))


def _unpack_picks(op: Op, shape: Sequence[int], integers: Callable[[int], list[int]]) -> list[Picks]:
    return _along(shape, op.options["axis"] % len(shape), [1] * len(op.outputs))


def _slice_picks(op: Op, shape: Sequence[int], integers: Callable[[int], list[int]]) -> list[Picks]:
    begins, sizes = integers(1), integers(2)
    ends = [n if size == -1 else begin + size for n, begin, size in zip(shape, begins, sizes, strict=True)]
    return [[(begin, end, 1) for begin, end in zip(begins, ends, strict=True)]]


def _strided_slice_picks(op: Op, shape: Sequence[int], integers: Callable[[int], list[int]]) -> list[Picks]:
    return [strided_ranges(op, shape, [integers(i) for i in (1, 2, 3)])]


def _along(shape: Sequence[int], axis: int, sizes: Sequence[int]) -> list[Picks]:
    """Parts of these sizes along an axis, one after another."""
    every: Picks = [(0, n, 1) for n in shape]
    ends = np.cumsum(sizes)
    return [
        [*every[:axis], (int(end) - size, int(end), 1), *every[axis + 1 :]]
        for end, size in zip(ends, sizes, strict=True)
    ]


PICKS = {
    "SPLIT": _split_picks,
    "SPLIT_V": _split_v_picks,
    "UNPACK": _unpack_picks,
    "SLICE": _slice_picks,
    "STRIDED_SLICE": _strided_slice_picks,
}


def _operand(op: Op) -> int:
    """Position of the tensor that is taken apart."""
    return 1 if op.kind == "SPLIT" else 0


def _reference(context: KernelContext) -> list[Values]:
    """Take each output's part. Axes of length 1 are taken away by the caller, who knows the output's shape."""
    op, x = context.op, context.raw(_operand(context.op))
    parts = []
    for picks in PICKS[op.kind](op, x.shape[1:], context.integers):
        part = x
        for axis, (start, stop, stride) in enumerate(picks):
            part = part.take(np.arange(start, stop, stride), axis=axis + 1)
        parts.append(part)
    return parts


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    at = _operand(op.op)
    x = graph.required(op.op.inputs[at], op.what)
    shape = op.tensor(at).shape
    for index, picks in zip(op.op.outputs, PICKS[op.op.kind](op.op, shape, op.integers), strict=True):
        graph.take(index, x, picked(shape, picks), op.op.kind)


OPERATORS = (
    Operator(
        name="SPLIT",
        resolver="AddSplit",
        rule=_split_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        moves=True,
        options={"count": Option(0)},
        options_table=35,
    ),
    Operator(
        name="SPLIT_V",
        resolver="AddSplitV",
        rule=_split_v_rule,
        reference=_reference,
        lower=_lower,
        options={"count": Option(0)},
        options_table=79,
        float32=True,
        moves=True,
        limits="constant sizes",
    ),
    Operator(
        name="UNPACK",
        resolver="AddUnpack",
        rule=_unpack_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        moves=True,
        options={"count": Option(0), "axis": Option(1)},
        options_table=64,
    ),
    Operator(
        name="SLICE",
        resolver="AddSlice",
        rule=_slice_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        moves=True,
        limits="constant places, up to 4 axes",
    ),
    Operator(
        name="STRIDED_SLICE",
        resolver="AddStridedSlice",
        rule=_strided_slice_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        moves=True,
        options={name: Option(number) for number, name in enumerate(MASKS)},
        options_table=32,
        limits="constant places, up to 4 axes, neither ellipsis nor new axes",
    ),
)
