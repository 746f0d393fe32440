"""What a run found, as plain numbers: the contents of report.json."""

import dataclasses
import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgekd import __version__
from edgekd.contracts.candidate import Candidate
from edgekd.data.metrics import mae_by_group, mae_by_horizon
from edgekd.data.prepared import Prepared, table_sha256
from edgekd.data.windows import Windows
from edgekd.distill.trainer import forecast as forecast_all
from edgekd.evaluate.examples import examples_of
from edgekd.evaluate.parity import STAGE1, errors, errors_of, forecast, preprocess_in
from edgekd.evaluate.runtimes import engine, torch_engine
from edgekd.evaluate.selection import board_limits, meets_limits
from edgekd.export.model import load_member
from edgekd.models.population import Population
from edgekd.program.package import TFLM
from edgekd.run import read_json

if TYPE_CHECKING:
    from edgekd.pipeline.search import Search

F32 = NDArray[np.float32]
PACKAGES = (
    "torch",
    "onnx",
    "onnxruntime",
    "tensorflow",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "tflite-micro",
    "numpy",
)
SHOWN_WINDOWS = 4  # forecasts drawn per group


def assemble(search: "Search", chosen: Candidate) -> dict[str, Any]:
    """Everything a run found. Test windows are scored here and nowhere else: what is chosen was chosen before."""
    run, config, prepared, teacher = search.run, search.config, search.prepared, search.lessons.teacher
    windows, scores, on_front = prepared.windows, search.scores(), set(search.front())
    firmware, parity, seconds = run.folder / "firmware" / chosen.name, search.results("parity"), search.seconds()
    return {
        "edgekd": __version__,
        "name": config.name,
        "board": config.board,
        "simulated": config.data.table == "sample",
        "config": config.model_dump(mode="json"),
        "versions": versions(),
        "hashes": {"table": table_sha256(config)}
        | hashes(run.folder, [*_files(run.folder / "models" / chosen.name), *_files(firmware)]),
        "target": config.task.column,
        "unit": prepared.preprocess.target_unit,
        "divide_by": config.data.divide_by,
        "window": config.data.window,
        "horizon": prepared.preprocess.task.steps,
        "data": dict(prepared.description),
        "baselines": baselines_section(prepared),
        "teacher": {
            "kind": config.teacher.kind,
            "hidden": config.teacher.hidden,
            "members": config.teacher.members,
            **{part: errors_of(_mean_forecast(teacher, prepared, part), windows[part]) for part in ("val", "test")},
        },
        "candidates": [
            {
                **_named(name),
                **score,
                "on_front": name in on_front,
                "meets_budget": meets_limits(config, score),
                "seconds": seconds[name],
                **(_tested(search.model(name), prepared) if name in on_front else {}),
            }
            for name, score in scores.items()
            if "refused" not in score
        ],
        "excluded": [
            {"name": name, "reason": score["refused"]} for name, score in scores.items() if "refused" in score
        ],
        "comparisons": _comparisons(search),
        "ablations": _ablations(search),
        "chosen": _chosen(search, chosen),
        "parity": _parity_totals(parity),
        "parity_by_candidate": parity,
        "budget": config.budget.model_dump(),
        "limits": dict(zip(("flash_bytes", "ram_bytes", "latency_ms"), board_limits(config), strict=True)),
        "seconds": run.seconds(),
    }


def _chosen(search: "Search", chosen: Candidate) -> dict[str, Any]:
    """The chosen candidate on the test groups, and what each step before it would have scored there."""
    prepared, folder = search.prepared, search.model(chosen.name)
    preprocess, test = preprocess_in(folder), prepared.windows["test"]
    score = read_json(folder / "score.json")
    forecasts = {
        part: forecast(engine(folder, "twin"), preprocess, prepared.windows[part].raw) for part in ("val", "test")
    }
    stage1 = torch_engine(load_member(folder, STAGE1, chosen.hidden))
    best = min(prepared.baselines, key=lambda name: errors_of(prepared.baselines[name](test.raw), test)["mae"])
    return {
        "name": chosen.name,
        "params": score["params"],
        "macs": score["macs"],
        "tflite_bytes": score["tflite_bytes"],
        "arena_bytes": score["arena_bytes"],
        **({"native": score["native"]} if "native" in score else {}),
        **{part: errors_of(forecasts[part], prepared.windows[part]) for part in ("val", "test")},
        "teacher_test_mae": errors_of(_mean_forecast(search.lessons.teacher, prepared, "test"), test)["mae"],
        "stage1_test_mae": errors(stage1, preprocess, test)["mae"],
        "float_test_mae": errors(engine(folder, "torch"), preprocess, test)["mae"],
        "by_horizon": {part: by_horizon(forecasts[part], prepared.windows[part]) for part in ("val", "test")},
        "baseline_by_horizon": {"name": best, "test": by_horizon(prepared.baselines[best](test.raw), test)},
        "by_group": by_group(forecasts["test"], test),
        "forecasts": examples_of_forecasts(forecasts["test"], test, prepared),
    }


def _comparisons(search: "Search") -> list[dict[str, Any]]:
    """Validation errors of networks that are not candidates, all in float."""
    rows = [
        {"name": f"DLNet {name}", "val": {"mae": error}, "note": "its layers, losses and rate"}
        for name, error in search.results("dlnet")[""].items()
    ]
    without = [
        {
            "name": f"{name} without recurrence",
            "val": {"mae": found["mae"]},
            "note": "stage 1, its gates do not see its state",
        }
        for name, found in search.results("without_recurrence").items()
    ]
    return without + rows


def _ablations(search: "Search") -> list[dict[str, Any]]:
    """What distillation and stage 2 are worth: by candidate, mean and extremes over seeds of the validation error on
    the integer grid, simulated in float.
    """
    found: dict[str, Any] = {}
    for of_batch in search.results("ablation").values():
        found |= of_batch
    return [{"name": name, "errors": errors} for name, errors in found.items()]


def _physical(y: torch.Tensor, prepared: Prepared, part: str) -> F32:
    """A network's output [B, O] for the windows of a part, in the target's unit after divide_by."""
    _, _, anchor_value = prepared.preprocess.transform(prepared.windows[part].raw)
    return prepared.preprocess.decode(y.numpy(), anchor_value)


def _mean_forecast(teacher: Population, prepared: Prepared, part: str) -> F32:
    return _physical(forecast_all(teacher, examples_of(prepared, part)).mean(0), prepared, part)


def _tested(folder: Path, prepared: Prepared) -> dict[str, Any]:
    """A point of the front on test groups, and what its TFLite-Micro sketch carries on validation and test groups: for
    the table, nothing is chosen by them any more.
    """
    preprocess, micro = preprocess_in(folder), engine(folder / TFLM, "twin")
    return {
        "test": errors(engine(folder, "twin"), preprocess, prepared.windows["test"]),
        "tflm": {part: errors(micro, preprocess, prepared.windows[part]) for part in ("val", "test")},
    }


def _named(name: str) -> dict[str, Any]:
    one = Candidate.parse(name)
    own = ("kind", "hidden", "sparsity", "weight_bits", "activation_bits", "block_sparsity", "finetuned")
    fields = dataclasses.asdict(one)
    parameters = {key: value for key, value in fields.items() if key != "finetuned" and value is not None}
    return {"name": name, **{key: fields[key] for key in own}, "units_left": one.units_left, "parameters": parameters}


def _parity_totals(parity: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Per pair of engines, over all that were verified: windows, how many are equal, the largest difference."""
    totals: dict[str, Any] = {}
    for pairs in parity.values():
        for pair, one in pairs.items():
            before = totals.get(pair, {"windows": 0, "equal": 0, "max_abs": 0.0})
            totals[pair] = {
                "windows": before["windows"] + one["windows"],
                "equal": before["equal"] + one["equal"],
                "max_abs": max(before["max_abs"], one["max_abs"]),
                "tolerance": one["tolerance"],
            }
    return totals


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def baselines_section(prepared: Prepared) -> dict[str, Any]:
    """Errors of each baseline on validation and test, and what was chosen for it."""
    return {
        name: {
            **{part: errors_of(one(prepared.windows[part].raw), prepared.windows[part]) for part in ("val", "test")},
            "options": dict(one.settings),
        }
        for name, one in prepared.baselines.items()
    }


def by_horizon(forecasts: F32, windows: Windows) -> list[float | None]:
    """Error of each step ahead, None where nothing was measured."""
    return [None if np.isnan(value) else float(value) for value in mae_by_horizon(forecasts, windows)]


def by_group(forecasts: F32, windows: Windows) -> dict[str, Any]:
    """Error and number of windows of each group."""
    counts = np.bincount(windows.group, minlength=len(windows.groups))
    found = mae_by_group(forecasts, windows)
    return {name: {"mae": found[name], "windows": int(n)} for name, n in zip(windows.groups, counts, strict=True) if n}


def examples_of_forecasts(forecasts: F32, windows: Windows, prepared: Prepared) -> list[dict[str, Any]]:
    """A good, a median and the worst group of the test part: what was measured, and a few forecasts from it."""
    ranked = sorted(mae_by_group(forecasts, windows).items(), key=lambda item: item[1])
    picks = {"good": ranked[len(ranked) // 10], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    return [
        {"label": label, "group": name, "mae": error, **_drawn(name, forecasts, windows, prepared)}
        for label, (name, error) in picks.items()
    ]


def versions() -> dict[str, str]:
    """edgekd, Python and the packages that shape the numbers."""
    found = {"edgekd": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def hashes(root: Path, files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of files, by their path below `root`."""
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def _drawn(name: str, forecasts: F32, windows: Windows, prepared: Prepared) -> dict[str, Any]:
    rows = np.flatnonzero(windows.group == windows.groups.index(name))
    picks = rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN_WINDOWS).round().astype(int))]
    length, horizon = prepared.preprocess.window, prepared.preprocess.task.steps
    points: dict[int, float] = {}
    for row in rows:
        first = int(windows.start[row])
        if prepared.preprocess.target_column >= 0:
            scaled = windows.raw[row] * prepared.preprocess.scale
            points |= {first + t: float(v) for t, v in enumerate(scaled[:, prepared.preprocess.target_column])}
        ahead = zip(windows.target[row], windows.mask[row], strict=True)
        points |= {first + length + t: float(v) for t, (v, usable) in enumerate(ahead) if usable}
    order = sorted(points)
    shown = [
        {
            "order": list(range(int(windows.start[row]) + length, int(windows.start[row]) + length + horizon)),
            "forecast": [float(v) for v in forecasts[row]],
        }
        for row in picks
    ]
    return {"order": order, "measured": [points[at] for at in order], "windows": shown}
