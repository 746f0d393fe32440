"""All that can run a deployed model, by name. All turn features into the network's output as real numbers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.engines import FLOAT, INTEGER, Engine
from edgekd.contracts.errors import ConfigError
from edgekd.program import interpreters, reference
from edgekd.program.package import Forecaster, Runner, load_model, unroll
from edgekd.program.reader import read_tflite

if TYPE_CHECKING:
    from edgekd.models.population import Population

F32 = NDArray[np.float32]
Runtime = Callable[[F32, F32], F32]
"""relative [B, N, F] and level [B, F] -> y [B, O]."""


def _twin(content: bytes) -> Runner:
    return partial(reference.run, read_tflite(content))


def _tflite(content: bytes) -> Runner:
    return interpreters.Tflite(content).run


def _tflm(content: bytes) -> Runner:
    return interpreters.TfliteMicro(content).run


_RUNNERS: dict[str, Callable[[bytes], Runner]] = {Engine.TWIN: _twin, Engine.TFLITE: _tflite, Engine.TFLM: _tflm}


def integer_forecaster(folder: Path, name: str) -> Forecaster:
    """The integer model in models/<candidate>/ on one of INTEGER."""
    return Forecaster(load_model(folder), _RUNNERS[name])


def engine(folder: Path, name: str) -> Runtime:
    """The model in models/<candidate>/ on an integer or float engine. ConfigError for another name."""
    if name in INTEGER:
        return integer_forecaster(folder, name)
    if name == Engine.TORCH:
        return _torch(folder)
    if name not in FLOAT:
        raise ConfigError(f"unknown engine '{name}'", hint=f"engines: {', '.join(Engine)}")
    return _float_graphs(folder, name)


def _float_graphs(folder: Path, name: str) -> Runtime:
    from edgekd.export.model import onnx_runner

    def runner(graph: str) -> Runner:
        if name == Engine.ONNX:
            return onnx_runner(folder / f"{graph}.onnx")
        return _tflite((folder / f"{graph}_float.tflite").read_bytes())

    model = load_model(folder)
    cell = runner("cell") if model.cell else None
    return partial(unroll, cell, runner("head"), _units(model.head))


def _torch(folder: Path) -> Runtime:
    from edgekd.export.model import load_member

    return torch_engine(load_member(folder))


def torch_engine(population: "Population") -> Runtime:
    """A population of one, in float."""
    import torch

    from edgekd.models.fake_quant import FakeQuantizer

    def run(relative: F32, level: F32) -> F32:
        with torch.no_grad():
            y: F32 = population(torch.from_numpy(relative), torch.from_numpy(level), FakeQuantizer.off())[0][0].numpy()
        return y

    return run


def _units(head: bytes) -> int:
    program = read_tflite(head)
    return program.tensors[program.inputs[0]].shape[-1]
