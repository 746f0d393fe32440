"""PAD, PADV2 and MIRROR_PAD."""

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops import moves
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.moves import Moved
from edgekd.program.ops.operator import Operator, Option

MOST_AXES = 4
MODES = {0: "reflect", 1: "symmetric"}


def _widths(op: CheckedOp) -> list[tuple[int, int]]:
    x = op.operand(0)
    op.copied((x, op.result))
    op.zero(x)
    op.rank(x, MOST_AXES)
    numbers = op.constant(1)
    if len(numbers) != 2 * len(x.shape) or min(numbers) < 0:
        raise op.fail(f"paddings {numbers} of a tensor with {len(x.shape)} axes")
    widths = list(zip(numbers[::2], numbers[1::2], strict=True))
    op.shape(op.result, [n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)])
    return widths


def _pad_rule(op: CheckedOp) -> None:
    op.count([2])
    _widths(op)
    if op.result.dtype in ("int8", "int16"):
        op.same_quant((op.operand(0), op.result))


def _padv2_rule(op: CheckedOp) -> None:
    op.count([3])
    _widths(op)
    value = op.operand(2)
    if value.data is None or value.data.size != 1 or value.dtype != op.result.dtype:
        raise op.fail(f"'{value.name}' must be one constant of type {op.result.dtype}")


def _mirror_rule(op: CheckedOp) -> None:
    op.count([2])
    x, room = op.operand(0), int(op.op.options["mode"] == "reflect")
    for size, width in zip(x.shape, _widths(op), strict=True):
        if max(width) > size - room:
            raise op.fail(f"{max(width)} places beside {size} of '{x.name}' cannot be mirrored")


def _padded(x: Values, moved: Moved) -> list[Values]:
    numbers = moved.integers(1)
    widths = [(0, 0), *zip(numbers[::2], numbers[1::2], strict=True)]
    if "mode" in moved.op.options:
        return [np.pad(x, widths, mode=moved.op.options["mode"])]
    return [np.pad(x, widths, constant_values=moved.fill)]


def _padv2(context: KernelContext) -> list[Values]:
    """Pad with a constant of the file."""
    value = context.constant(2).reshape(-1)[0]
    moved = Moved(op=context.op, outputs=context.outputs, integers=context.integers, fill=value)
    return _padded(context.raw(0), moved)


def _lower_padv2(graph: GraphBuilder, op: OpToLower) -> None:
    x, value = op.tensor(0), op.tensor(2).data
    assert value is not None
    positions = np.arange(int(np.prod(x.shape)), dtype=np.int64).reshape(1, *x.shape)
    moved = Moved(op=op.op, outputs=op.outputs, integers=op.integers, fill=-1)
    graph.gather(op.op.outputs[0], op.op, _padded(positions, moved)[0][0], value.reshape(-1)[0].item())


OPERATORS = (
    Operator(
        name="PAD",
        resolver="AddPad",
        rule=_pad_rule,
        reference=moves.reference(_padded),
        lower=moves.lower(_padded),
        float32=True,
        limits=f"constant paddings, up to {MOST_AXES} axes",
    ),
    Operator(
        name="PADV2",
        resolver="AddPadV2",
        rule=_padv2_rule,
        reference=_padv2,
        lower=_lower_padv2,
        float32=True,
        limits=f"constant paddings, up to {MOST_AXES} axes",
    ),
    Operator(
        name="MIRROR_PAD",
        resolver="AddMirrorPad",
        rule=_mirror_rule,
        reference=moves.reference(_padded),
        lower=moves.lower(_padded),
        options={"mode": Option(0, "int8", MODES)},
        options_table=77,
        float32=True,
        moves=True,
        types="int8",
        limits=f"constant paddings, up to {MOST_AXES} axes",
    ),
)
