"""Other interpreters behind the twin's interface: TFLite-Micro, which is the oracle, and TFLite's reference kernels."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError, ToolMissing
from edgekd.program.reader import read_tflite

LARGEST_ARENA = 1 << 26

Shape = tuple[int, ...]


class TfliteMicro:
    """TFLite-Micro's interpreter, from the tflite-micro wheel. ModelError when it cannot prepare the graph."""

    def __init__(self, content: bytes, arena_size: int = LARGEST_ARENA) -> None:
        self._program = read_tflite(content)
        self._interpreter = prepare_micro(content, arena_size)
        self._interpreter.reset()

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph over a batch, window by window: inputs [B, ...] -> outputs [B, ...]."""
        tensors = self._program.tensors
        shapes = [tensors[i].shape for i in self._program.inputs]
        return _by_window(inputs, shapes, [tensors[i].window for i in self._program.outputs], self._one)

    def _one(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        for index, value in enumerate(inputs):
            self._interpreter.set_input(value, index)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ModelError(f"TFLite-Micro stopped: {error}") from None
        return [np.array(self._interpreter.get_output(index)) for index in range(len(self._program.outputs))]


class Tflite:
    """TFLite's interpreter with its reference kernels, for integer and float graphs."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with _silent():
            self._interpreter = Interpreter(
                model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
            )
            self._interpreter.allocate_tensors()
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph over a batch, window by window: inputs [B, ...] -> outputs [B, ...]."""
        shapes, windows = (
            [tuple(map(int, one["shape"])) for one in details] for details in (self._inputs, self._outputs)
        )
        return _by_window(inputs, shapes, [s[1:] if s[:1] == (1,) else s for s in windows], self._one)

    def _one(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        for details, value in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(details["index"], value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(details["index"]) for details in self._outputs]


def prepare_micro(content: bytes, arena_size: int) -> Any:
    """TFLite-Micro's interpreter with its tensors allocated. An arena that is far too small can crash the process."""
    try:
        from tflite_micro import runtime
    except ImportError:
        raise ToolMissing(
            "TFLite-Micro's interpreter is not installed",
            hint="pip install tflite-micro (Linux on x86-64, Python 3.10 to 3.13 only)",
        ) from None
    try:
        with _silent():
            return runtime.Interpreter.from_bytes(content, arena_size=arena_size)
    except Exception as error:  # its own reader trusts files, and fails in many ways
        raise ModelError(f"TFLite-Micro cannot run this graph: {error}") from None


def _by_window(
    inputs: Sequence[NDArray[Any]], shapes: Sequence[Shape], windows: Sequence[Shape], one: Any
) -> list[NDArray[Any]]:
    """Call `one` with inputs of `shapes`, window by window, and stack the results, each of a shape in `windows`."""
    rows = [
        one([value[i].reshape(shape) for value, shape in zip(inputs, shapes, strict=True)])
        for i in range(len(inputs[0]))
    ]
    return [
        np.stack([row[k].reshape(window) for row in rows]) if rows else np.zeros((0, *window))
        for k, window in enumerate(windows)
    ]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the C++ libraries' notes off the terminal; what is wrong comes as an exception."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
