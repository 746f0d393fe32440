"""Trained candidates become models on disk, scored as integers, proved equal on every engine, and put into sketches."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from edgekd.codegen import tflm
from edgekd.codegen.c_model import generate_model
from edgekd.codegen.sketches import Vectors, ble_sketch, native_sketch, stream_sketch
from edgekd.contracts.board import Board, load_board
from edgekd.contracts.config import Config
from edgekd.contracts.engines import FLOAT, INTEGER, Engine
from edgekd.contracts.errors import Disagreement
from edgekd.contracts.results import CandidateResult, PairParity, Parity, RegressionScore, Validated
from edgekd.data.metrics import bootstrap_interval, mae
from edgekd.data.prepared import Prepared
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows
from edgekd.evaluate.firmware import measure_candidate, run_native
from edgekd.evaluate.runtimes import Runtime, engine, integer_forecaster
from edgekd.export.model import write_model
from edgekd.program.arena import arena_bytes
from edgekd.program.package import TFLM, load_model
from edgekd.run import write_atomic, write_files

if TYPE_CHECKING:
    from edgekd.pipeline.train import Trained

STAGE1 = "stage1.safetensors"
"""The float student of a model, in its folder."""
F32 = NDArray[np.float32]
FLOAT_TOLERANCE = 1e-5  # of the target's unit
PAIRS: dict[tuple[Engine, Engine], float | None] = {
    (Engine.TWIN, Engine.TFLM): 0.0,
    (Engine.TWIN, Engine.HOST): 0.0,
    (Engine.TWIN, Engine.BOARD): 0.0,
    (Engine.TWIN, Engine.TFLITE): None,
    (Engine.TORCH, Engine.ONNX): FLOAT_TOLERANCE,
    (Engine.ONNX, Engine.TFLITE_FLOAT): FLOAT_TOLERANCE,
}
SELF_TEST_WINDOWS = 5


def export_candidate(config: Config, prepared: Prepared, trained: "Trained", member: int, folder: Path) -> None:
    """Write models/<candidate>/ and, beside the graphs, score.json: the integer model on validation, and its size.

    stage1.safetensors is the float student it was made from. DoesNotFit where the board is too small.
    """
    one, population = trained.candidates[member], trained.compressed
    preprocess = prepared.preprocess_of(one)
    constants = preprocess.to_json()
    write_model(folder, population, member, one, trained.ranges[member], name=config.name, preprocess=constants)
    save_file(trained.stage1.extract(trained.stage1_of[member]), folder / STAGE1)
    graphs = list(load_model(folder).graphs().values())
    val = prepared.windows["val"]
    board = load_board(config.board)
    result = CandidateResult(
        **population.costs(member),
        tflite_bytes=sum(map(len, graphs)),
        arena_bytes=sum(map(arena_bytes, graphs)),
        val=errors(engine(folder, "twin"), preprocess, val),
        float=Validated(val=errors(engine(folder, "torch"), preprocess, val)),
        stage1=Validated(val=RegressionScore(mae=trained.stage1_mae[member])),
        measured=measure_candidate(folder, prepared, board) if board.emulated else None,
    )
    write_atomic(folder / "score.json", result.to_json())


def preprocess_in(folder: Path) -> Preprocess:
    """That of the model in models/<candidate>/."""
    return Preprocess.from_json(load_model(folder).preprocess)


def forecast(run: Runtime, preprocess: Preprocess, raw: F32) -> F32:
    """Raw windows [B, T, F] in physical units -> forecasts [B, O] in the target's unit after divide_by."""
    relative, level, anchor_value = preprocess.transform(raw)
    return preprocess.decode(run(relative, level), anchor_value)


def errors(run: Runtime, preprocess: Preprocess, windows: Windows) -> RegressionScore:
    """Mean absolute error of an engine on some windows, with its interval over groups."""
    return errors_of(forecast(run, preprocess, windows.raw), windows)


def errors_of(forecasts: F32, windows: Windows) -> RegressionScore:
    """Mae and interval of forecasts [B, O]."""
    interval = bootstrap_interval(forecasts, windows)
    return RegressionScore(mae=mae(forecasts, windows.target, windows.mask), interval=interval)


def check_parity(folder: Path, prepared: Prepared, board: Board) -> Parity:
    """Compare engines on every validation and test window, from raw samples to the forecast in physical units.

    Per pair: windows, how many are equal, the largest difference, and the tolerance: 0, to the last bit, between the
    twin, TFLite-Micro and the native code on this computer and on the emulated board, and between twin and TFLite-Micro
    on the graphs of the TFLite-Micro sketch; FLOAT_TOLERANCE between float engines; none for desktop TFLite, which
    rounds matrix products once where TFLite-Micro rounds twice, so that it can only be near.
    """
    raw, preprocess = np.concatenate([prepared.windows[part].raw for part in ("val", "test")]), preprocess_in(folder)
    relative, level, anchor_value = preprocess.transform(raw)
    integer = {name: integer_forecaster(folder, name) for name in INTEGER}
    codes = {name: one.integers(relative, level) for name, one in integer.items()}
    found = {name: preprocess.decode(one.real(codes[name]), anchor_value) for name, one in integer.items()}
    found |= {name: preprocess.decode(engine(folder, name)(relative, level), anchor_value) for name in FLOAT}
    for name, one in run_native(folder, raw, board).items():
        codes[name], found[name] = one.integers, one.real
    parity: Parity = {}
    for (a, b), tolerance in PAIRS.items():
        if b not in found:  # a board that is not emulated
            continue
        away = np.abs(found[a].astype(np.float64) - found[b]).max(axis=1)
        same = np.ones(len(raw), bool) if tolerance is None else away <= tolerance
        if a in codes and b in codes:
            known = len(codes[b])
            same[:known] &= (codes[a][:known] == codes[b]).all(axis=1)
        pair = PairParity(
            engines=(a, b),
            windows=len(raw),
            equal=int(same.sum()),
            max_abs=float(away.max()),
            tolerance=tolerance,
        )
        parity[pair.name] = pair
    sketch = _sketch_parity(folder / TFLM, raw)
    return parity | {sketch.name: sketch}


def _sketch_parity(folder: Path, raw: F32) -> PairParity:
    """Twin and TFLite-Micro on the model of the TFLite-Micro sketch, to the last bit."""
    preprocess = preprocess_in(folder)
    relative, level, anchor_value = preprocess.transform(raw)
    forecaster = integer_forecaster(folder, "twin")
    twin, micro = (integer_forecaster(folder, name).integers(relative, level) for name in (Engine.TWIN, Engine.TFLM))
    away = np.abs(
        preprocess.decode(forecaster.real(twin), anchor_value).astype(np.float64)
        - preprocess.decode(forecaster.real(micro), anchor_value)
    )
    return PairParity(
        engines=(Engine.TWIN, Engine.TFLM),
        sketch=True,
        windows=len(raw),
        equal=int((twin == micro).all(axis=1).sum()),
        max_abs=float(away.max()),
        tolerance=0.0,
    )


def sources_sha256(model_folder: Path) -> str:
    """Digest of the generated code of a model, its kernels included: what parity is proved for."""
    files = generate_model(load_model(model_folder)).files
    return hashlib.sha256(json.dumps({name: str(files[name]) for name in sorted(files)}).encode()).hexdigest()


def write_firmware(model_folder: Path, prepared: Prepared, folder: Path) -> None:
    """The sketches of one model, with a self-test of a few validation windows."""
    val = prepared.windows["val"].raw
    raw = val[np.linspace(0, len(val) - 1, min(SELF_TEST_WINDOWS, len(val))).astype(int)]
    micro = model_folder / TFLM
    fault = tflm.library_fault(micro)
    if fault:
        tflm.write_refusal(folder, micro, fault)
    else:
        arena = sum(map(arena_bytes, load_model(micro).graphs().values()))
        tflm.write_sketch(folder, micro, arena_bytes=arena, vectors=_vectors(micro, raw))
    model, vectors = load_model(model_folder), _vectors(model_folder, raw)
    code = generate_model(model)
    for kind, sketch in (("native", native_sketch), ("stream", stream_sketch), ("ble", ble_sketch)):
        write_files(folder / f"{code.name}_{kind}", dict(code.files) | sketch(model, vectors))


def _vectors(model_folder: Path, raw: F32) -> Vectors:
    """Raw windows [B, T, F] with what the twin makes of them."""
    preprocess = preprocess_in(model_folder)
    relative, level, anchor_value = preprocess.transform(raw)
    forecaster = integer_forecaster(model_folder, "twin")
    integers = forecaster.integers(relative, level)
    return Vectors(raw=raw, forecast=preprocess.decode(forecaster.real(integers), anchor_value), output=integers)


def require_parity(parity: Parity, candidate: str) -> None:
    """Disagreement when any window of any pair differs."""
    for pair in parity.values():
        if pair.verdict == "FAIL":
            raise Disagreement(
                f"{candidate}: {' and '.join(pair.engines)} differ in {pair.windows - pair.equal} of {pair.windows} "
                f"windows, by up to {pair.max_abs:g}",
                hint="please report this with the folder of the model",
            )
