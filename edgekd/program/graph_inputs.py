"""Windows for the inputs of a graph: read from a file, or random over all that the graph takes."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import DataError, ModelError
from edgekd.program.package import quantize
from edgekd.program.program import Program, Tensor

Arrays = list[NDArray[Any]]
"""One array [N, ...] per input, or per output, of a graph."""
_UNREADABLE = (
    ValueError, EOFError, KeyError, TypeError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error
)  # fmt: skip
"""What NumPy raises for damaged files of arrays."""


def load_windows(path: Path, program: Program) -> Arrays:
    """Windows of a .npy file, or of a .npz file with an array per input: integers, or real numbers to be quantized.

    DataError unless shapes [N, ...] and types fit the graph's inputs.
    """
    arrays = _arrays(path)
    tensors = [program.tensors[index] for index in program.inputs]
    if len(arrays) != len(tensors):
        raise DataError(
            f"{path} holds {len(arrays)} arrays, the graph has {len(tensors)} inputs",
            hint=f"save them in this order: {', '.join(tensor.name for tensor in tensors)}",
        )
    return [_window_array(path, array, tensor) for array, tensor in zip(arrays, tensors, strict=True)]


def _arrays(path: Path) -> Arrays:
    """All arrays of a .npy or .npz file, which are read here, so that damage is found here."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return [loaded] if isinstance(loaded, np.ndarray) else [loaded[name] for name in loaded.files]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except _UNREADABLE:
        raise DataError(
            f"{path} holds no arrays of numbers that can be read as .npy or .npz",
            hint="numpy.save(FILE, windows) writes one, numpy.savez for several inputs",
        ) from None


def random_inputs(program: Program, count: int, seed: int = 0) -> Arrays:
    """Draw `count` windows over the whole range of every input, as integers or as real numbers.

    RSQRT operands are kept at or above the zero point; TFLite aborts below it. Real numbers go a tenth beyond what the
    QUANTIZE that follows can hold. ModelError for another type of input.
    """
    rng = np.random.default_rng(seed)
    rooted = {op.inputs[0] for op in program.ops if op.kind == "RSQRT"}
    batch = []
    for index in program.inputs:
        tensor = program.tensors[index]
        if tensor.dtype == "float32":
            low, high = _real_range(program, index)
            batch.append(rng.uniform(low, high, (count, *tensor.window)).astype(np.float32))
            continue
        if tensor.dtype not in ("int8", "int16", "uint8"):
            raise ModelError(f"input '{tensor.name}' is {tensor.dtype}", hint="quantize the model's inputs, too")
        limits = np.iinfo(tensor.dtype)
        least = limits.min
        if index in rooted and tensor.quantization is not None:
            least = int(tensor.quantization.zero_point[0])
        batch.append(rng.integers(least, limits.max + 1, (count, *tensor.window)).astype(tensor.dtype))
    return batch


def _real_range(program: Program, index: int) -> tuple[float, float]:
    """What the first QUANTIZE that follows an input takes, and a tenth more."""
    reached = {index}
    for op in program.ops:
        if reached.isdisjoint(op.inputs):
            continue
        tensor = program.tensors[op.outputs[0]]
        if op.kind == "QUANTIZE" and tensor.quantization is not None:
            limits, scale = np.iinfo(tensor.dtype), float(tensor.quantization.scale[0])
            zero_point = int(tensor.quantization.zero_point[0])
            return 1.1 * scale * (limits.min - zero_point), 1.1 * scale * (limits.max - zero_point)
        reached.update(op.outputs)
    return -1.0, 1.0


def _window_array(path: Path, array: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    if tensor.dtype == "float32" and array.dtype.kind in "fiu":
        array = array.astype(np.float32)
    elif array.dtype.kind == "f" and np.isfinite(array).all():
        array = quantize(array.astype(np.float32), tensor)
    wanted = ", ".join(["N", *map(str, tensor.window)])
    if array.dtype != tensor.dtype or array.shape[1:] != tensor.window or len(array) == 0:
        raise DataError(
            f"{path}: input '{tensor.name}' is {tensor.dtype} [{wanted}], or finite real numbers; "
            f"got {array.dtype} {list(array.shape)}"
        )
    return array
