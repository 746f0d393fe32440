"""SPACE_TO_BATCH_ND and SPACE_TO_DEPTH, which make images or depth of the blocks of an image, and their inverses."""

import numpy as np

from edgekd.program.operands import Values
from edgekd.program.ops import moves
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.moves import Moved
from edgekd.program.ops.operator import Operator, Option


def _blocks(op: CheckedOp) -> tuple[list[int], list[tuple[int, int]]]:
    """Block sizes and paddings or crops along the axes behind the first."""
    op.count([3])
    x = op.operand(0)
    op.copied((x, op.result))
    op.zero(x)
    op.rank(x, 4, 3)
    sizes, numbers = op.constant(1), op.constant(2)
    if len(sizes) != len(x.shape) - 2 or len(numbers) != 2 * len(sizes) or min(sizes) < 1 or min(numbers) < 0:
        raise op.fail(f"blocks {sizes} and {numbers} of a tensor with {len(x.shape)} axes")
    return sizes, list(zip(numbers[::2], numbers[1::2], strict=True))


def _to_batch_rule(op: CheckedOp) -> None:
    sizes, paddings = _blocks(op)
    x = op.operand(0)
    shape = [int(np.prod(sizes)) * x.shape[0]]
    for n, size, (before, after) in zip(x.shape[1:-1], sizes, paddings, strict=True):
        if (n + before + after) % size:
            raise op.fail(f"{n + before + after} places of '{x.name}' are no blocks of {size}")
        shape.append((n + before + after) // size)
    op.shape(op.result, (*shape, x.shape[-1]))


def _to_space_rule(op: CheckedOp) -> None:
    sizes, crops = _blocks(op)
    x = op.operand(0)
    if x.shape[0] % int(np.prod(sizes)):
        raise op.fail(f"{x.shape[0]} images of '{x.name}' are no blocks of {sizes}")
    shape = [x.shape[0] // int(np.prod(sizes))]
    for n, size, (before, after) in zip(x.shape[1:-1], sizes, crops, strict=True):
        if before + after >= n * size:
            raise op.fail(f"crops of {before} and {after} leave nothing of {n * size} places")
        shape.append(n * size - before - after)
    op.shape(op.result, (*shape, x.shape[-1]))


def _to_batch(x: Values, moved: Moved) -> list[Values]:
    """[B, N, H, W, C] -> [B, blocks * N, H / b, W / b, C], padded before with what stands for zero.

    As TFLite; TFLite-Micro reads a variable here that it never sets, and pads with what lies in the arena.
    """
    sizes, numbers = moved.integers(1), moved.integers(2)
    padding = list(zip(numbers[::2], numbers[1::2], strict=True))
    x = np.pad(x, [(0, 0), (0, 0), *padding, (0, 0)], constant_values=moved.fill)
    windows, images, *spatial, channels = x.shape
    split = [part for n, size in zip(spatial, sizes, strict=True) for part in (n // size, size)]
    x = x.reshape(windows, images, *split, channels)
    rank = len(sizes)
    inner, outer = [3 + 2 * i for i in range(rank)], [2 + 2 * i for i in range(rank)]
    return [x.transpose(0, *inner, 1, *outer, 2 + 2 * rank)]


def _to_space(x: Values, moved: Moved) -> list[Values]:
    """[B, blocks * N, H, W, C] -> [B, N, H * b, W * b, C], cropped behind."""
    sizes, crops = moved.integers(1), moved.integers(2)
    windows, images, *spatial, channels = x.shape
    rank, images = len(sizes), images // int(np.prod(sizes))
    x = x.reshape(windows, *sizes, images, *spatial, channels)
    order = [part for i in range(rank) for part in (2 + rank + i, 1 + i)]
    x = x.transpose(0, 1 + rank, *order, 2 + 2 * rank)
    x = x.reshape(windows, images, *(n * size for n, size in zip(spatial, sizes, strict=True)), channels)
    ends = [slice(crops[2 * i], x.shape[2 + i] - crops[2 * i + 1]) for i in range(rank)]
    return [x[(slice(None), slice(None), *ends)]]


def _depth(op: CheckedOp) -> tuple[int, tuple[int, ...]]:
    op.count([1])
    x, size = op.operand(0), op.op.options["block_size"]
    op.copied((x, op.result))
    op.rank(x, 4, 4)
    if size < 1:
        raise op.fail(f"blocks of {size}")
    return size, x.shape


def _to_depth_rule(op: CheckedOp) -> None:
    size, (n, h, w, c) = _depth(op)
    if h % size or w % size:
        raise op.fail(f"an image of {h} x {w} has no blocks of {size}")
    op.shape(op.result, (n, h // size, w // size, c * size * size))


def _from_depth_rule(op: CheckedOp) -> None:
    size, (n, h, w, c) = _depth(op)
    if c % (size * size):
        raise op.fail(f"{c} channels are no blocks of {size} x {size}")
    op.shape(op.result, (n, h * size, w * size, c // (size * size)))


def _to_depth(x: Values, moved: Moved) -> list[Values]:
    size = moved.op.options["block_size"]
    b, n, h, w, c = x.shape
    return [x.reshape(b, n, h // size, size, w // size, size, c).transpose(0, 1, 2, 4, 3, 5, 6)]


def _from_depth(x: Values, moved: Moved) -> list[Values]:
    size = moved.op.options["block_size"]
    b, n, h, w, c = x.shape
    return [x.reshape(b, n, h, w, size, size, c // size**2).transpose(0, 1, 2, 4, 3, 5, 6)]


OPERATORS = (
    Operator(
        name="SPACE_TO_BATCH_ND",
        resolver="AddSpaceToBatchNd",
        rule=_to_batch_rule,
        reference=moves.reference(_to_batch),
        lower=moves.lower(_to_batch),
        types="int8",
        limits="constant blocks, 3 or 4 axes; padding as in TFLite, in TFLite-Micro it is undefined",
    ),
    Operator(
        name="BATCH_TO_SPACE_ND",
        resolver="AddBatchToSpaceNd",
        rule=_to_space_rule,
        reference=moves.reference(_to_space),
        lower=moves.lower(_to_space),
        types="int8",
        limits="constant blocks, 3 or 4 axes",
    ),
    Operator(
        name="SPACE_TO_DEPTH",
        resolver="AddSpaceToDepth",
        rule=_to_depth_rule,
        reference=moves.reference(_to_depth),
        lower=moves.lower(_to_depth),
        options={"block_size": Option(0)},
        options_table=19,
        types="int8",
    ),
    Operator(
        name="DEPTH_TO_SPACE",
        resolver="AddDepthToSpace",
        rule=_from_depth_rule,
        reference=moves.reference(_from_depth),
        lower=moves.lower(_from_depth),
        options={"block_size": Option(0)},
        options_table=94,
        types="int8",
    ),
)
