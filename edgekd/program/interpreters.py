"""Other interpreters behind the twin's interface: TFLite-Micro, which is the oracle, and TFLite's reference kernels."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError, ToolMissing
from edgekd.program.operands import windows_of
from edgekd.program.program import Program
from edgekd.program.reader import read_tflite

LARGEST_ARENA = 1 << 26


class TfliteMicro:
    """TFLite-Micro's interpreter, from the tflite-micro wheel. ModelError when it cannot prepare the graph.

    It trusts the file: parts that `read_tflite` has no use for, and so does not check, can crash the process.
    """

    def __init__(self, content: bytes, arena_size: int = LARGEST_ARENA) -> None:
        self._program = read_tflite(content)
        self._prepare = partial(prepare_micro, content, arena_size)
        self._interpreter = self._prepare()

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph over a batch, window by window: inputs [B, ...] -> outputs [B, ...]."""
        if self._program.variables:
            self._interpreter = self._prepare()  # a batch is a stream, from its start
        return _by_window(self._program, inputs, self._one)

    def _one(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        if any(tensor.is_variable for tensor in self._program.tensors):
            self._interpreter.reset()
        for index, value in enumerate(inputs):
            self._interpreter.set_input(value, index)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ModelError(f"TFLite-Micro stopped: {error}") from None
        return [np.array(self._interpreter.get_output(index)) for index in range(len(self._program.outputs))]


class Tflite:
    """TFLite's interpreter with its reference kernels, for integer and float graphs. It trusts the file, too."""

    def __init__(self, content: bytes) -> None:
        self._program = read_tflite(content)
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError:
            raise ToolMissing("TFLite's interpreter is not installed", hint="pip install ai-edge-litert") from None
        try:
            with _silent():
                self._interpreter = Interpreter(
                    model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
                )
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"TFLite cannot run this graph: {error}") from None
        self._inputs = [details["index"] for details in self._interpreter.get_input_details()]
        self._outputs = [details["index"] for details in self._interpreter.get_output_details()]

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph over a batch, window by window: inputs [B, ...] -> outputs [B, ...]."""
        return _by_window(self._program, inputs, self._one)

    def _one(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        for index, value in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


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


def _by_window(program: Program, inputs: Sequence[NDArray[Any]], run_window: Any) -> list[NDArray[Any]]:
    """Call `run_window` for every window, and put its results together."""
    windows = windows_of(program, inputs)
    given, made = ([program.tensors[i] for i in indices] for indices in (program.inputs, program.outputs))
    results = [np.zeros((windows, *tensor.window), tensor.dtype) for tensor in made]
    for i in range(windows):
        rows = run_window([value[i].reshape(tensor.shape) for value, tensor in zip(inputs, given, strict=True)])
        for result, row in zip(results, rows, strict=True):
            result[i] = row.reshape(result.shape[1:])
    return results


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
