"""Deployed models on every engine: raw windows in, forecasts out. Preprocess, run and decode happen here only."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.engines import INTEGER, Engine
from edgekd.contracts.errors import ConfigError
from edgekd.data.preprocess import Preprocess
from edgekd.program import interpreters, reference
from edgekd.program.package import Deployed, Forecaster, Runner, load_model, unroll
from edgekd.program.reader import read_tflite

if TYPE_CHECKING:
    from edgekd.models.population import Population

F32 = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]
Runtime = Callable[[F32, F32], F32]
"""Runs a network: relative [B, N, F] and level [B, F] -> output [B, O]. An integer one is a Forecaster."""


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """What an engine made of raw windows: forecasts [B, O] in the target's unit after divide_by.

    integers [K, O]: what the head put out for the first K windows, None for a float engine.
    """

    real: F32
    integers: Integers | None = None


def forecast(runtime: Runtime, preprocess: Preprocess, raw: F32) -> Forecasts:
    """Preprocess raw windows [B, T, F] in the table's units, run the network and decode its output."""
    relative, level, anchor_value = preprocess.transform(raw)
    if isinstance(runtime, Forecaster):
        integers = runtime.integers(relative, level)
        return Forecasts(real=preprocess.decode(runtime.real(integers), anchor_value), integers=integers)
    return Forecasts(real=preprocess.decode(runtime(relative, level), anchor_value))


def forecast_model(folder: Path, engine: Engine, raw: F32) -> Forecasts:
    """The same with the model in models/<candidate>/ on an engine other than generated C."""
    return forecast(load_runtime(folder, engine), load_preprocess(folder), raw)


def load_preprocess(folder: Path) -> Preprocess:
    """The preprocessing of the model in models/<candidate>/."""
    return Preprocess.from_json(load_model(folder).preprocess)


def load_runtime(folder: Path, engine: Engine) -> Runtime:
    """The model in models/<candidate>/ on an integer or float engine. ConfigError for generated C."""
    model = load_model(folder)
    if engine in INTEGER:
        return Forecaster(model, _RUNNERS[engine])
    if engine == Engine.TORCH:
        from edgekd.export.model import load_member

        return population_runtime(load_member(folder))
    if engine == Engine.ONNX:
        from edgekd.export.model import onnx_runner

        return _float_graphs(model, lambda graph: onnx_runner(folder / f"{graph}.onnx"))
    if engine == Engine.TFLITE_FLOAT:
        return _float_graphs(model, lambda graph: _tflite((folder / f"{graph}_float.tflite").read_bytes()))
    raise ConfigError(f"engine '{engine}' takes raw samples, not features")


def population_runtime(population: "Population") -> Runtime:
    """A population of one, in float."""
    import torch

    from edgekd.models.fake_quant import FakeQuantizer

    def run(relative: F32, level: F32) -> F32:
        with torch.no_grad():
            y: F32 = population(torch.from_numpy(relative), torch.from_numpy(level), FakeQuantizer.off())[0][0].numpy()
        return y

    return run


def _float_graphs(model: Deployed, runner: Callable[[str], Runner]) -> Runtime:
    head = read_tflite(model.head)
    units = head.tensors[head.inputs[0]].shape[-1]
    return partial(unroll, runner("cell") if model.cell else None, runner("head"), units)


def _twin(content: bytes) -> Runner:
    return partial(reference.run, read_tflite(content))


def _tflite(content: bytes) -> Runner:
    return interpreters.Tflite(content).run


def _tflm(content: bytes) -> Runner:
    return interpreters.TfliteMicro(content).run


_RUNNERS: dict[Engine, Callable[[bytes], Runner]] = {
    Engine.TWIN: _twin,
    Engine.TFLITE: _tflite,
    Engine.TFLM: _tflm,
}
