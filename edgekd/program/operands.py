"""What a reference operator computes from: its tensors, their grids, and values with an axis of windows in front."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.program import Op, Program, Tensor
from edgekd.program.requantize import I64, round_half_away

Values = NDArray[Any]


class KernelContext:
    """One operator with its operands for a batch of windows.

    A value has the shape [B, *tensor.shape]: the windows, and then all of the tensor with its own leading 1.
    Constants are [1, *tensor.shape].
    """

    def __init__(
        self, program: Program, op: Op, values: dict[int, Values], what: str, variables: list[Values] | None = None
    ) -> None:
        self.op, self.what = op, what
        self.variables = [] if variables is None else variables
        self.outputs = [program.tensors[i] for i in op.outputs]
        self._inputs = [program.tensors[i] if i >= 0 else None for i in op.inputs]
        self._values = [values.get(i) if i >= 0 else None for i in op.inputs]

    def __len__(self) -> int:
        return len(self._inputs)

    def has(self, position: int) -> bool:
        """Whether an optional operand is there."""
        return position < len(self._inputs) and self._inputs[position] is not None

    def tensor(self, position: int) -> Tensor:
        """The tensor of an operand. ModelError when it is missing."""
        tensor = self._inputs[position] if position < len(self._inputs) else None
        if tensor is None:
            raise ModelError(f"{self.what}: operand {position} is missing")
        return tensor

    def constant(self, position: int) -> Values:
        """The data of a constant operand, without an axis of windows."""
        data = self.tensor(position).data
        if data is None:
            raise ModelError(f"{self.what}: operand {position}, '{self.tensor(position).name}', must be a constant")
        return data

    def integers(self, position: int) -> list[int]:
        """A constant operand as a flat list, such as axes."""
        return [int(number) for number in self.constant(position).reshape(-1)]

    def raw(self, position: int) -> Values:
        """An operand's value in the tensor's own type."""
        value = self._values[position]
        return self.constant(position)[None] if value is None else value

    def value(self, position: int) -> I64:
        """An operand's value as int64."""
        return self.raw(position).astype(np.int64)

    def aligned(self, position: int) -> I64:
        """An operand's integers less its zero point, with axes of 1 in front so that it broadcasts to the output."""
        value = self.value(position)
        missing = len(self.outputs[0].shape) - (value.ndim - 1)
        return value.reshape(len(value), *(1,) * missing, *value.shape[1:]) - self.zero_point(position)

    def scale(self, position: int) -> float:
        """Scale of an operand."""
        return scale_of(self.tensor(position), self.what)

    def zero_point(self, position: int) -> int:
        """Zero point of an operand."""
        return zero_point_of(self.tensor(position), self.what)

    @property
    def out_scale(self) -> float:
        """Scale of the output."""
        return scale_of(self.outputs[0], self.what)

    def finished(self, x: I64) -> list[Values]:
        """The only result, from integers about the output's zero point: moved to it, and clamped."""
        y = self.outputs[0]
        low, high = activation_limits(y, self.op.options.get("activation", "NONE"), self.what)
        return [np.clip(x + zero_point_of(y, self.what), low, high)]


def windows_of(program: Program, inputs: Sequence[Values]) -> int:
    """The number of windows in a batch. ModelError unless every input has the type and shape of the graph's."""
    if len(inputs) != len(program.inputs):
        raise ModelError(f"the graph has {len(program.inputs)} inputs, {len(inputs)} were given")
    for position, (index, value) in enumerate(zip(program.inputs, inputs, strict=True)):
        tensor = program.tensors[index]
        if value.dtype != tensor.dtype or value.shape[1:] != tensor.window or len(value) != len(inputs[0]):
            raise ModelError(
                f"input {position}, '{tensor.name}', is {tensor.dtype} [{', '.join(['B', *map(str, tensor.window)])}], "
                f"got {value.dtype} {list(value.shape)} in a batch of {len(inputs[0])}"
            )
    return len(inputs[0])


def scale_of(tensor: Tensor, what: str) -> float:
    """The scale of a tensor that has one, as the double C computes with."""
    if tensor.quantization is None or len(tensor.quantization.scale) != 1:
        raise ModelError(f"{what}: '{tensor.name}' must have one scale, is it a float model?")
    return float(tensor.quantization.scale[0])


def zero_point_of(tensor: Tensor, what: str) -> int:
    """The zero point of a tensor that has one scale."""
    scale_of(tensor, what)
    assert tensor.quantization is not None
    return int(tensor.quantization.zero_point[0])


def activation_limits(tensor: Tensor, activation: str, what: str) -> tuple[int, int]:
    """The integers between which a fused activation clamps. ModelError where they do not fit an int32."""
    limits = np.iinfo(tensor.dtype)
    low, high = int(limits.min), int(limits.max)
    if activation == "NONE":
        return low, high
    least, most = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}[activation]
    low = max(low, _on_grid(least, tensor, what))
    return low, high if most is None else min(high, _on_grid(most, tensor, what))


def _on_grid(real: int, tensor: Tensor, what: str) -> int:
    """TFLite's Quantize: the division in float, rounded half away from zero."""
    with np.errstate(over="ignore"):
        steps = round_half_away(np.float32(real) / np.float32(scale_of(tensor, what)))
    if abs(steps) >= 2**31:
        raise ModelError(f"{what}: {real} is {steps:.3g} steps of '{tensor.name}', more than 32 bits hold")
    return zero_point_of(tensor, what) + int(steps)


def every_input(dtype: str) -> I64:
    """All integers of a type in order, for functions of one operand with few inputs."""
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1, dtype=np.int64)


def table_of(entries: I64, dtype: str) -> Values:
    """Results for `every_input` as a table for `look_up`: in the order of the inputs' unsigned bits."""
    return np.roll(entries, len(entries) // 2).astype(dtype)


def look_up(x: Values, table: Values) -> Values:
    """The entry of each element, from a table of all inputs."""
    return table[x.view(f"u{x.dtype.name}")]  # entries of negative inputs are behind those of the others
