"""A deployed model: the graphs of one folder, run step by step over windows on any engine, from features to forecasts.

The firmware does exactly this: quantize the inputs of a step, run the cell, feed the state back, run the head on the
last state, give the output back as a real number. Features and physical units are the preprocessing's business.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.program import Program, Tensor
from edgekd.program.reader import read_tflite

F32 = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]
Runner = Callable[[Sequence[NDArray[Any]]], list[NDArray[Any]]]
"""Runs a graph over a batch: inputs [B, ...] in the graph's order -> outputs [B, ...]."""
TFLM = "tflm"
"""Folder in models/<candidate>/ with the model as the TFLite-Micro sketch carries it."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What models/<candidate>/ holds: model.json and the integer graphs. `cell` is None for a feed-forward model.

    preprocess: the constants as written in model.json; steps: N, cell steps per forecast.
    """

    name: str
    candidate: str
    kind: str
    steps: int
    preprocess: Mapping[str, Any]
    cell: bytes | None
    head: bytes

    def graphs(self) -> dict[str, bytes]:
        """The graphs by name, in the order they run."""
        return ({"cell": self.cell} if self.cell else {}) | {"head": self.head}

    @property
    def sha256(self) -> str:
        """Hash of the graphs, one after the other: how a board says which model it runs."""
        return hashlib.sha256(b"".join(self.graphs().values())).hexdigest()


def load_model(folder: Path) -> Deployed:
    """Read models/<candidate>/. ModelError when a file is missing or the graphs do not fit each other."""
    try:
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        cell = (folder / "cell.tflite").read_bytes() if info["recurrent"] else None
        head = (folder / "head.tflite").read_bytes()
        model = Deployed(
            name=str(info["name"]),
            candidate=str(info["candidate"]),
            kind=str(info["kind"]),
            steps=int(info["steps"]),
            preprocess=dict(info["preprocess"]),
            cell=cell,
            head=head,
        )
    except OSError as error:
        raise ModelError(
            f"{error.filename}: {error.strerror}", hint="is this a folder below models/ of a run?"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'model.json'} cannot be used: {error!r}") from None
    _check(model)
    return model


class Forecaster:
    """Integer forecasts of a deployed model. `engine` makes a runner from a graph's bytes."""

    def __init__(self, model: Deployed, engine: Callable[[bytes], Runner]) -> None:
        self.model = model
        self._runners = {name: engine(content) for name, content in model.graphs().items()}
        programs = {name: read_tflite(content) for name, content in model.graphs().items()}
        head = programs["head"]
        self._input = _input(programs.get("cell", head), 0)
        self._state = _input(head, 0)
        self._output = head.tensors[head.outputs[0]]

    def integers(self, relative: F32, level: F32) -> Integers:
        """What the head puts out: relative [B, N, F] and level [B, F] -> [B, O]."""
        if "cell" not in self._runners:
            joined = np.concatenate([relative.reshape(len(relative), -1), level], axis=1)
            return self._runners["head"]([quantize(joined, self._input)])[0]
        h = initial_state(self._state, len(relative))
        for n in range(self.model.steps):
            x = quantize(np.concatenate([relative[:, n], level], axis=1), self._input)
            h = self._runners["cell"]([x, h])[0]
        return self._runners["head"]([h])[0]

    def real(self, integers: Integers) -> F32:
        """Outputs of the head as real numbers, [B, O]."""
        return dequantize(integers, self._output)

    def __call__(self, relative: F32, level: F32) -> F32:
        """The network's output as real numbers: relative [B, N, F] and level [B, F] -> float32 [B, O]."""
        return self.real(self.integers(relative, level))


def unroll(cell: Runner | None, head: Runner, units: int, relative: F32, level: F32) -> F32:
    """The same loop on float graphs, `units` wide: relative [B, N, F] and level [B, F] -> float32 [B, O]."""
    if cell is None:
        return head([np.concatenate([relative.reshape(len(relative), -1), level], axis=1)])[0]
    h = np.zeros((len(relative), units), dtype=np.float32)
    for n in range(relative.shape[1]):
        h = cell([np.concatenate([relative[:, n], level], axis=1), h])[0]
    return head([h])[0]


def quantize(real: F32, tensor: Tensor) -> Integers:
    """Real numbers on the grid of `tensor`, rounded half away from zero and saturated, in the firmware's steps."""
    scale, zero_point = _grid(tensor)
    limits = np.iinfo(tensor.dtype)
    u = real.astype(np.float32) * (np.float32(1) / scale)
    q = np.trunc(u + np.copysign(np.float32(0.5), u)) + np.float32(zero_point)
    return np.clip(q, limits.min, limits.max).astype(tensor.dtype)


def dequantize(integers: Integers, tensor: Tensor) -> F32:
    """Real numbers of integers on the grid of `tensor`, in float32."""
    scale, zero_point = _grid(tensor)
    return (integers.astype(np.int32) - np.int32(zero_point)).astype(np.float32) * scale


def initial_state(tensor: Tensor, batch: int) -> Integers:
    """The integer that stands for zero, [batch, H]."""
    return np.full((batch, tensor.shape[-1]), _grid(tensor)[1], dtype=tensor.dtype)


def _grid(tensor: Tensor) -> tuple[np.float32, int]:
    if tensor.quantization is None or len(tensor.quantization.scale) != 1:
        raise ModelError(f"tensor '{tensor.name}' needs one scale and zero point to take part in the loop")
    return tensor.quantization.scale[0], int(tensor.quantization.zero_point[0])


def _input(program: Program, index: int) -> Tensor:
    return program.tensors[program.inputs[index]]


def _check(model: Deployed) -> None:
    """ModelError unless state in, state out and the head's input are one type on one grid."""
    if model.cell is None:
        return
    cell, head = read_tflite(model.cell), read_tflite(model.head)
    if len(cell.inputs) != 2 or len(cell.outputs) != 1:
        raise ModelError(
            f"cell.tflite has {len(cell.inputs)} inputs and {len(cell.outputs)} outputs, not x, h and next"
        )
    state = _input(cell, 1)
    for where, tensor in (("cell output", cell.tensors[cell.outputs[0]]), ("head input", _input(head, 0))):
        if (tensor.shape, tensor.dtype, _grid(tensor)) != (state.shape, state.dtype, _grid(state)):
            raise ModelError(f"{where} '{tensor.name}' and the state '{state.name}' differ in shape, type or scale")
