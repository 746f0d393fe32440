"""The narrow waist: a TFLite graph as typed integer operations, constants and tensors. No framework below."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Options = dict[str, Any]
"""Options of an operator by their names in TFLite's schema."""


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """real = scale * (integer - zero_point). Arrays have one entry, or one per slice along `axis`."""

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int = 0


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One value of the graph. `data` is set for constants only and has `shape`.

    dtype: int4 (held as int8 in [-8, 7]), uint8, int8, int16, int32, int64, float32 or bool, as a string.
    Shapes include the leading batch dimension of 1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: NDArray[Any] | None = None
    is_variable: bool = False
    """Whether it is the state of an operator, which is zero before a window."""

    @property
    def window(self) -> tuple[int, ...]:
        """The shape for one window of a batch [B, *window]: without the leading 1, whose place B takes."""
        return self.shape[1:] if self.shape[:1] == (1,) else self.shape


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operator: TFLite's name (`FULLY_CONNECTED`), tensor indices (-1: optional input left out) and options.

    position: its place in the file, from 0.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options = field(default_factory=dict)
    position: int = 0

    @property
    def what(self) -> str:
        """Its place and name, for errors."""
        return f"operator {self.position} ({self.kind})"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A value that is kept from one window to the next: its type, and what it is before the first."""

    name: str
    initial: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A graph in execution order. `inputs` and `outputs` index `tensors`; `sha256` is that of the file.

    variables: read and written by operators whose option `variable` is an index of them; with any, windows are those
    of one stream, in their order.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sha256: str
    variables: tuple[Variable, ...] = ()
