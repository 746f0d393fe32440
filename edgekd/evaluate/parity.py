"""Parity: every engine computes the same forecasts from the same raw windows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.board import Board
from edgekd.contracts.engines import FLOAT, INTEGER, Engine
from edgekd.contracts.errors import Disagreement
from edgekd.contracts.results import PairParity, Parity
from edgekd.data.prepared import Prepared
from edgekd.data.windows import Windows
from edgekd.evaluate.firmware import run_native
from edgekd.evaluate.runtimes import Forecasts, forecast_model
from edgekd.program.package import TFLM

F32 = NDArray[np.float32]
EXACT = ((Engine.TWIN, Engine.TFLM), (Engine.TWIN, Engine.HOST), (Engine.TWIN, Engine.BOARD))
NEAR = ((Engine.TORCH, Engine.ONNX), (Engine.ONNX, Engine.TFLITE_FLOAT))
SHOWN = ((Engine.TWIN, Engine.TFLITE),)
FLOAT_TOLERANCE = 1e-4
FLOAT_STEPS = 4
SPREAD_QUANTILES = (0.005, 0.995)


def float_tolerance(train: Windows) -> float:
    """How far apart two float engines may be: 1e-4 of the target's spread, so that its unit does not matter.

    The spread is the standard deviation of the usable training targets, clipped at their 0.5 % and 99.5 % quantiles so
    that outliers do not widen it. Where the target varies little around a large value, float32 itself is coarser: then
    it is four steps of float32 at the largest of the clipped targets.
    """
    targets = train.target[train.mask].astype(np.float64)
    clipped = np.clip(targets, *np.quantile(targets, SPREAD_QUANTILES))
    step = float(np.spacing(np.float32(np.abs(clipped).max())))
    return max(FLOAT_TOLERANCE * float(clipped.std()), FLOAT_STEPS * step)


def compare(folder: Path, prepared: Prepared, board: Board) -> Parity:
    """Compare the engines on every validation and test window, from raw samples to the forecast in physical units.

    To the last bit, integers and forecasts: the twin, TFLite-Micro and the generated C on this computer and on the
    emulated board, and twin and TFLite-Micro on the graphs of the TFLite-Micro sketch. Within `float_tolerance`: the
    float engines. Desktop TFLite is shown: it rounds matrix products once where TFLite-Micro rounds twice.
    """
    raw = np.concatenate([prepared.windows[part].raw for part in ("val", "test")])
    by_engine: dict[Engine, Forecasts] = {name: forecast_model(folder, name, raw) for name in (*INTEGER, *FLOAT)}
    by_engine |= run_native(folder, raw, board)
    tolerances: Mapping[tuple[Engine, Engine], float | None] = (
        dict.fromkeys(EXACT, 0.0)
        | dict.fromkeys(SHOWN, None)
        | dict.fromkeys(NEAR, float_tolerance(prepared.windows["train"]))
    )
    pairs = [
        compare_pair(engines, by_engine[engines[0]], by_engine[engines[1]], tolerance)
        for engines, tolerance in tolerances.items()
        if engines[1] in by_engine  # a board may not be emulated
    ]
    sketch = [forecast_model(folder / TFLM, name, raw) for name in (Engine.TWIN, Engine.TFLM)]
    pairs.append(compare_pair((Engine.TWIN, Engine.TFLM), sketch[0], sketch[1], 0.0, sketch=True))
    return {pair.name: pair for pair in pairs}


def compare_pair(
    engines: tuple[Engine, Engine], a: Forecasts, b: Forecasts, tolerance: float | None, *, sketch: bool = False
) -> PairParity:
    """Compare two engines on the same windows.

    A window is equal when its forecasts are within the tolerance (any, without one) and the integers known of both are
    the same.
    """
    away = np.abs(a.real.astype(np.float64) - b.real).max(axis=1)
    equal = np.ones(len(away), bool) if tolerance is None else away <= tolerance
    if a.integers is not None and b.integers is not None:
        known = min(len(a.integers), len(b.integers))
        equal[:known] &= (a.integers[:known] == b.integers[:known]).all(axis=1)
    return PairParity(
        engines=engines,
        sketch=sketch,
        windows=len(away),
        equal=int(equal.sum()),
        max_abs=float(away.max()),
        tolerance=tolerance,
    )


def check(parity: Parity, candidate: str) -> None:
    """Raise Disagreement when any window of any pair differs where it must not."""
    for pair in parity.values():
        if pair.verdict == "FAIL":
            raise Disagreement(
                f"{candidate}: {' and '.join(pair.engines)} differ in {pair.windows - pair.equal} of {pair.windows} "
                f"windows, by up to {pair.max_abs:g}",
                hint="please report this with the folder of the model",
            )
