"""SPACE_TO_BATCH_ND -> convolution -> BATCH_TO_SPACE_ND as one dilated convolution, which is what they compute.

Around a convolution of sequences, converters put EXPAND_DIMS or RESHAPE between them.
"""

from dataclasses import replace

from edgekd.program.program import Op, Program, Tensor

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
VIEWS = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")


def with_dilations(program: Program) -> Program:
    """The same program with dilated convolutions in place of such groups of operators."""
    makers = {index: op for op in program.ops for index in op.outputs}
    readers: dict[int, list[Op]] = {}
    for op in program.ops:
        for index in op.inputs:
            readers.setdefault(index, []).append(op)
    alone = {index for index, ops in readers.items() if len(ops) == 1} - set(program.outputs)
    tensors, ops = list(program.tensors), []
    for op in program.ops:
        ops += _dilated(op, makers, alone, tensors) or [op]
    return replace(program, tensors=tuple(tensors), ops=tuple(ops))


def _dilated(last: Op, makers: dict[int, Op], alone: set[int], tensors: list[Tensor]) -> list[Op] | None:
    """Operators that take the place of a BATCH_TO_SPACE_ND, or None. What it made useless is not lowered."""
    if last.kind != "BATCH_TO_SPACE_ND":
        return None
    conv = _before(last, makers, alone)
    first = _before(conv, makers, alone) if conv and conv.kind in CONVOLUTIONS else None
    if conv is None or first is None or first.kind != "SPACE_TO_BATCH_ND":
        return None
    blocks, crops = (_integers(tensors[index]) for index in last.inputs[1:])
    wanted, paddings = (_integers(tensors[index]) for index in first.inputs[1:])
    made, result, x = tensors[conv.outputs[0]], tensors[last.outputs[0]], tensors[first.inputs[0]]
    steps = {conv.options[f"{name}_{side}"] for name in ("stride", "dilation") for side in "hw"}
    pads = [before - crop for before, crop in zip(paddings[::2], crops[::2], strict=True)]
    plain = conv.options["padding"] == "VALID" and steps == {1}
    if blocks != wanted or not plain or min(pads) < 0 or x.shape[0] != 1 or not _same_quant(made, result):
        return None
    if len(blocks) == 1:
        if tensors[conv.inputs[0]].shape[1] != 1:  # the sequence is the image's height
            return None
        blocks, pads = [1, *blocks], [0, *pads]
    options = conv.options | {"dilation_h": blocks[0], "dilation_w": blocks[1], "pads": tuple(pads)}
    if len(x.shape) == 4:
        return [replace(conv, inputs=(first.inputs[0], *conv.inputs[1:]), outputs=last.outputs, options=options)]
    image, output = _image(x), _image(result)
    tensors += [image, output]
    start = len(tensors) - 2
    return [
        replace(first, kind="RESHAPE", inputs=(first.inputs[0],), outputs=(start,), options={}),
        replace(conv, inputs=(start, *conv.inputs[1:]), outputs=(start + 1,), options=options),
        replace(last, kind="RESHAPE", inputs=(start + 1,), options={}),
    ]


def _before(op: Op, makers: dict[int, Op], alone: set[int]) -> Op | None:
    """What makes the first operand for this operator alone, views left out."""
    index = op.inputs[0]
    while index in alone and index in makers:
        maker = makers[index]
        if maker.kind not in VIEWS:
            return maker
        index = maker.inputs[0]
    return None


def _integers(tensor: Tensor) -> list[int]:
    assert tensor.data is not None
    return [int(number) for number in tensor.data.reshape(-1)]


def _same_quant(a: Tensor, b: Tensor) -> bool:
    if a.quantization is None or b.quantization is None or a.dtype != b.dtype:
        return False
    p, q = a.quantization, b.quantization
    return bool(p.scale == q.scale and p.zero_point == q.zero_point)


def _image(tensor: Tensor) -> Tensor:
    """A sequence with an axis of height."""
    return replace(tensor, shape=(tensor.shape[0], 1, *tensor.shape[1:]))
