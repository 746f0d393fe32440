"""GATHER with constant indices, BROADCAST_TO, and RESIZE_NEAREST_NEIGHBOR."""

import numpy as np

from edgekd.program.operands import Values
from edgekd.program.ops import moves
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.moves import Moved
from edgekd.program.ops.operator import Operator, Option


def _gather_rule(op: CheckedOp) -> None:
    op.count([2])
    x, y, indices = op.operand(0), op.result, op.operand(1)
    op.copied((x, y))
    op.rank(x)
    axis = op.axis(op.op.options["axis"], len(x.shape))
    if op.op.options["batch_dims"] != 0:
        raise op.fail(f"batch_dims {op.op.options['batch_dims']} is not supported")
    for index in op.constant(1):
        if not 0 <= index < x.shape[axis]:
            raise op.fail(f"index {index} of {x.shape[axis]} along axis {axis} of '{x.name}'")
    op.shape(y, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _gather(x: Values, moved: Moved) -> list[Values]:
    axis = moved.op.options["axis"] % (x.ndim - 1)
    return [np.take(x, np.array(moved.integers(1), np.int64), axis=axis + 1)]  # the caller knows the indices' shape


def _broadcast_rule(op: CheckedOp) -> None:
    op.count([2])
    x, y = op.operand(0), op.result
    op.copied((x, y))
    op.rank(y, 5)
    op.shape(y, op.constant(1))
    try:
        fits = np.broadcast_shapes(x.shape, y.shape) == y.shape
    except ValueError:
        fits = False
    if not fits:
        raise op.fail(f"'{x.name}' of shape {list(x.shape)} cannot become {list(y.shape)}")


def _broadcast(x: Values, moved: Moved) -> list[Values]:
    shape = moved.outputs[0].shape
    return [np.broadcast_to(x.reshape(len(x), *(1,) * (len(shape) + 1 - x.ndim), *x.shape[1:]), (len(x), *shape))]


def _resize_rule(op: CheckedOp) -> None:
    op.count([2])
    x, y = op.operand(0), op.result
    op.copied((x, y))
    op.rank(x, 4, 4)
    height, width = op.constant(1, 2)
    if min(height, width) < 1 or max(height, width, *x.shape) > 2**15:
        raise op.fail(f"an image of {height} x {width}: 1 to 32768 are supported")
    op.shape(y, (x.shape[0], height, width, x.shape[3]))


def _resize(x: Values, moved: Moved) -> list[Values]:
    for axis in (1, 2):
        x = x.take(_nearest(x.shape[axis + 1], moved.outputs[0].shape[axis], moved), axis=axis + 1)
    return [x]


def _nearest(size: int, wanted: int, moved: Moved) -> Values:
    """The places that are taken, computed in float32 as TFLite does."""
    corners, half = moved.op.options["align_corners"], moved.op.options["half_pixel_centers"]
    aligned = bool(corners) and wanted > 1
    scale = np.float32(size - 1) / np.float32(wanted - 1) if aligned else np.float32(size) / np.float32(wanted)
    offset = np.float32(0.5) if half else np.float32(0)
    place = (np.arange(wanted, dtype=np.float32) + offset) * scale
    rounded = np.floor(place + np.float32(0.5)) if corners else np.floor(place)  # places are not negative
    return np.clip(rounded.astype(np.int64), 0, size - 1)


OPERATORS = (
    Operator(
        name="GATHER",
        resolver="AddGather",
        rule=_gather_rule,
        reference=moves.reference(_gather),
        lower=moves.lower(_gather),
        options={"axis": Option(0), "batch_dims": Option(1)},
        options_table=23,
        float32=True,
        moves=True,
        types="int8",
        limits="constant indices, up to 4 axes",
    ),
    Operator(
        name="BROADCAST_TO",
        resolver="AddBroadcastTo",
        rule=_broadcast_rule,
        reference=moves.reference(_broadcast),
        lower=moves.lower(_broadcast),
        float32=True,
        moves=True,
        limits="up to 5 axes",
    ),
    Operator(
        name="RESIZE_NEAREST_NEIGHBOR",
        resolver="AddResizeNearestNeighbor",
        rule=_resize_rule,
        reference=moves.reference(_resize),
        lower=moves.lower(_resize),
        options={"align_corners": Option(0, "bool"), "half_pixel_centers": Option(1, "bool")},
        options_table=74,
        float32=True,
        moves=True,
    ),
)
