"""AVERAGE_POOL_2D and MAX_POOL_2D -> calls of kernels."""

from collections.abc import Sequence

from edgekd.codegen.dense import padding_before
from edgekd.codegen.ir import Buffer, Call, Struct
from edgekd.program import reference
from edgekd.program.program import Op, Tensor


def pool_2d(op: Op, tensors: Sequence[Tensor], x: Buffer, out: Buffer, what: str) -> Call:
    """Lower pooling of x [1, H, W, C] to out [1, H', W', C]."""
    assert out.tensor is not None
    options = op.options
    _, height, width, channels = tensors[0].shape
    _, out_height, out_width, _ = out.shape
    kernel = (options["filter_h"], options["filter_w"])
    before = [padding_before(options, axis, (height, width), (out_height, out_width), kernel) for axis in (0, 1)]
    low, high = reference.activation_limits(out.tensor, options["activation"], what)
    layer = Struct(
        c_type="edgekd_pool_2d",
        members={
            "height": height,
            "width": width,
            "channels": channels,
            "out_height": out_height,
            "out_width": out_width,
            "kernel_height": kernel[0],
            "kernel_width": kernel[1],
            "stride_height": options["stride_h"],
            "stride_width": options["stride_w"],
            "top": before[0],
            "left": before[1],
            "low": low,
            "high": high,
        },
    )
    kind = "max" if op.kind == "MAX_POOL_2D" else "average"
    name = f"edgekd_{kind}_pool_s{8 if out.dtype == 'int8' else 16}"
    return Call(kernel=name, function=name, op=op.kind, sources=[x], out=out, layer=layer)
