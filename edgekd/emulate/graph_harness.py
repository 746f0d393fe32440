"""Generated code as an engine like any other, on this computer or on the emulated board: a batch in, a batch out.

run = HostGraph(library, "model_run", workspace_bytes, inputs, outputs)
run([x])                                            # x [B, ...] -> [y], y [B, ...]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.emulate.measure import ProfiledCall
from edgekd.program.program import Tensor

Values = NDArray[Any]
READABLE = 4
"""Kernels may read inputs up to a multiple of so many elements."""


class HostGraph:
    """The entry function of a graph in a library for this computer: (workspace, inputs ..., outputs ...).

    init: the function that sets the state, which then comes behind the workspace, before the first window of a batch.
    """

    def __init__(
        self,
        library: HostLibrary,
        entry: str,
        workspace_bytes: int,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        init: str | None = None,
        state_bytes: int = 0,
    ) -> None:
        self._library, self._entry, self._init = library, entry, init
        self._workspace = np.zeros(-(-workspace_bytes // 4), np.uint32)
        self._state = [np.zeros(-(-state_bytes // 4), np.uint32)] if init else []
        self._inputs, self._outputs = inputs, outputs

    def __call__(self, batch: Sequence[Values]) -> list[Values]:
        """Run window by window: inputs [B, ...] -> outputs [B, ...]."""

        def run_window(inputs: list[Values]) -> list[Values]:
            outputs = [np.zeros(tensor.shape, tensor.dtype) for tensor in self._outputs]
            self._library.call(self._entry, self._workspace, *self._state, *inputs, *outputs)
            return outputs

        if self._init:
            self._library.call(self._init, *self._state)
        return _by_window(batch, self._inputs, self._outputs, run_window)


class BoardGraph:
    """The same in an image on the emulated board. `variables`: of the image, in the order of the arguments."""

    def __init__(
        self,
        machine: Machine,
        entry: str,
        variables: Sequence[str],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        init: str | None = None,
    ) -> None:
        self._machine, self._entry, self._variables, self._init = machine, entry, variables, init
        self._inputs, self._outputs = inputs, outputs

    def __call__(self, batch: Sequence[Values]) -> list[Values]:
        """Run window by window: inputs [B, ...] -> outputs [B, ...]."""
        count = len(self._outputs)
        if self._init:
            self._machine.call(self._init, self._variables[1])

        def run_window(inputs: list[Values]) -> list[Values]:
            for name, value in zip(self._variables[2 if self._init else 1 :], inputs, strict=False):
                self._machine.write(name, value)
            self._machine.call(self._entry, *self._variables)
            raw = (self._machine.read(name) for name in self._variables[-count:])
            return [
                np.frombuffer(data, tensor.dtype)[: int(np.prod(tensor.shape))].reshape(tensor.shape)
                for data, tensor in zip(raw, self._outputs, strict=True)
            ]

        return _by_window(batch, self._inputs, self._outputs, run_window)


def run_calls(
    entry: str,
    variables: Sequence[str],
    batch: Sequence[Values],
    inputs: Sequence[Tensor],
    init: str | None = None,
) -> list[ProfiledCall]:
    """Calls that run a graph on every window of a batch [B, ...], for `measure`. init: as in HostGraph."""
    padded = [_readable(value, tensor) for value, tensor in zip(batch, inputs, strict=True)]
    first = 2 if init else 1
    names = variables[first : first + len(inputs)]
    start = [ProfiledCall(init, variables[1])] if init else []
    return start + [
        ProfiledCall(
            entry, *variables, memory={name: values[row].tobytes() for name, values in zip(names, padded, strict=True)}
        )
        for row in range(len(batch[0]))
    ]


def _by_window(
    batch: Sequence[Values],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    run_window: Callable[[list[Values]], list[Values]],
) -> list[Values]:
    windows = len(batch[0])
    results = [np.zeros((windows, *tensor.window), tensor.dtype) for tensor in outputs]
    padded = [_readable(value, tensor) for value, tensor in zip(batch, inputs, strict=True)]
    for row in range(windows):
        for result, value in zip(results, run_window([values[row] for values in padded]), strict=True):
            result[row] = value.reshape(result.shape[1:])
    return results


def _readable(value: Values, tensor: Tensor) -> Values:
    """[B, elements], zeros appended up to a multiple of READABLE."""
    flat = np.ascontiguousarray(value, dtype=tensor.dtype).reshape(len(value), -1)
    return np.ascontiguousarray(np.pad(flat, ((0, 0), (0, -flat.shape[1] % READABLE))))
