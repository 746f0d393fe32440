"""What a run found, as plain numbers: the contents of report.json."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd import __version__
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.engines import Engine
from edgekd.contracts.results import (
    Ablation,
    BaselineByHorizon,
    BaselineResult,
    BudgetLimits,
    CandidateResult,
    ChosenResult,
    ComparedNetwork,
    DrawnForecast,
    ErrorByHorizon,
    ExcludedCandidate,
    GroupError,
    GroupExample,
    PairParity,
    Parity,
    Refused,
    Report,
    ReportedCandidate,
    TeacherResult,
    Tested,
)
from edgekd.data.metrics import mae_by_group, mae_by_horizon
from edgekd.data.prepared import Prepared
from edgekd.data.table import BUILT_IN
from edgekd.data.windows import Windows
from edgekd.distill.trainer import forecast as forecast_all
from edgekd.evaluate.answers import answers_of, task_summary
from edgekd.evaluate.candidates import STAGE1, read_result
from edgekd.evaluate.findings import Evidence, Findings
from edgekd.evaluate.runtimes import forecast, forecast_model, load_preprocess, population_runtime
from edgekd.evaluate.scores import bare_score, score, score_model
from edgekd.evaluate.selection import board_limits, built, meets_limits
from edgekd.evaluate.training import load_teacher
from edgekd.evaluate.training_examples import examples_of
from edgekd.export.model import load_member
from edgekd.models.population import Population
from edgekd.program.package import TFLM
from edgekd.tasks import Task

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


def assemble(findings: Findings) -> Report:
    """Everything a run found. Test windows are scored here and nowhere else: what is chosen was chosen before."""
    config, prepared, chosen = findings.config, findings.prepared, findings.chosen
    folder, scores = findings.folder, findings.explored.scores
    teacher = load_teacher(config, prepared, findings.teacher)
    forecasts = {part: _mean_forecast(teacher, prepared, part) for part in ("val", "test")}
    teacher_scores = {part: score(forecasts[part], prepared.windows[part]) for part in ("val", "test")}
    parity = {candidate.name: pairs for candidate, pairs in findings.evidence.parities.items()}
    return Report(
        edgekd=__version__,
        name=config.name,
        board=config.board,
        simulated=config.data.table in BUILT_IN,
        config=config.model_dump(mode="json"),
        versions=versions(),
        hashes={"table": findings.table_sha256}
        | hashes(folder, [*_files(folder / "models" / chosen.name), *_files(folder / "firmware" / chosen.name)]),
        target=config.task.column,
        task=task_summary(prepared.preprocess.task),
        unit=prepared.preprocess.target_unit,
        divide_by=config.data.divide_by,
        window=config.data.window,
        horizon=prepared.preprocess.task.steps,
        data=prepared.description,
        baselines=baselines_section(prepared),
        teacher=TeacherResult(
            kind=config.teacher.kind,
            hidden=config.teacher.hidden,
            members=config.teacher.members,
            val=teacher_scores["val"],
            test=teacher_scores["test"],
        ),
        candidates=[_reported(findings, candidate, result) for candidate, result in built(scores).items()],
        excluded=[
            ExcludedCandidate(name=candidate.name, reason=outcome.refused)
            for candidate, outcome in scores.items()
            if isinstance(outcome, Refused)
        ],
        comparisons=_comparisons(prepared.preprocess.task, findings.evidence),
        ablations=[
            Ablation(name=candidate.name, errors=dict(errors))
            for candidate, errors in findings.evidence.ablations.items()
        ],
        chosen=_chosen(findings, teacher_scores["test"].error),
        parity=_parity_totals(parity),
        parity_by_candidate=parity,
        budget=BudgetLimits(**config.budget.model_dump()),
        limits=board_limits(config),
        seconds=dict(findings.seconds),
    )


def _chosen(findings: Findings, teacher_test_error: float) -> ChosenResult:
    """The chosen candidate on the test groups, and what each step before it would have scored there."""
    prepared, chosen = findings.prepared, findings.chosen
    folder = findings.folder / "models" / chosen.name
    test = prepared.windows["test"]
    result = read_result(folder)
    forecasts = {part: forecast_model(folder, Engine.TWIN, prepared.windows[part].raw).real for part in ("val", "test")}
    stage1 = population_runtime(load_member(folder, STAGE1, chosen.hidden))
    best = min(prepared.baselines, key=lambda name: score(prepared.baselines[name](test.raw), test).error)
    return ChosenResult(
        name=chosen.name,
        params=result.params,
        macs=result.macs,
        tflite_bytes=result.tflite_bytes,
        arena_bytes=result.arena_bytes,
        measured=result.measured,
        val=score(forecasts["val"], prepared.windows["val"]),
        test=score(forecasts["test"], test),
        teacher_test_error=teacher_test_error,
        stage1_test_error=score(forecast(stage1, load_preprocess(folder), test.raw).real, test).error,
        float_test_error=score_model(folder, Engine.TORCH, test).error,
        by_horizon=ErrorByHorizon(
            val=by_horizon(forecasts["val"], prepared.windows["val"]), test=by_horizon(forecasts["test"], test)
        ),
        baseline_by_horizon=BaselineByHorizon(name=best, test=by_horizon(prepared.baselines[best](test.raw), test)),
        by_group=by_group(forecasts["test"], test),
        forecasts=examples_of_forecasts(forecasts["test"], test, prepared) if test.task.steps > 1 else [],
        **answers_of(forecasts["test"], test, prepared.preprocess.columns),
    )


def _comparisons(task: Task, evidence: Evidence) -> list[ComparedNetwork]:
    """Validation errors of networks that are not candidates, all in float."""
    rows = [
        ComparedNetwork(name=f"DLNet {name}", val=bare_score(task, error), note="its layers, losses and rate")
        for name, error in evidence.dlnet.items()
    ]
    without = [
        ComparedNetwork(
            name=f"{candidate.name} without recurrence",
            val=bare_score(task, error),
            note="stage 1, its gates do not see its state",
        )
        for candidate, error in evidence.without_recurrence.items()
    ]
    return without + rows


def _mean_forecast(teacher: Population, prepared: Prepared, part: str) -> F32:
    """What the teacher's members forecast in the mean, [B, O] in the target's unit after divide_by."""

    def run(relative: F32, level: F32) -> F32:
        outputs: F32 = forecast_all(teacher, examples_of(prepared, part)).mean(0).numpy()
        return outputs

    return forecast(run, prepared.preprocess, prepared.windows[part].raw).real


def _reported(findings: Findings, candidate: Candidate, result: CandidateResult) -> ReportedCandidate:
    """A candidate as the report has it. Points of the front, and what their TFLite-Micro sketch carries, are scored on
    test: nothing is chosen by them any more.
    """
    explored, windows = findings.explored, findings.prepared.windows
    parameters = {key: value for key, value in asdict(candidate).items() if key != "finetuned" and value is not None}
    test = tflm = None
    if candidate in explored.front:
        folder = findings.folder / "models" / candidate.name
        sketch = folder / TFLM
        test = score_model(folder, Engine.TWIN, windows["test"])
        tflm = Tested(
            val=score_model(sketch, Engine.TWIN, windows["val"]), test=score_model(sketch, Engine.TWIN, windows["test"])
        )
    return ReportedCandidate(
        **{key: getattr(result, key) for key in CandidateResult.model_fields if key != "float_"},
        float=result.float_,
        name=candidate.name,
        kind=candidate.kind,
        hidden=candidate.hidden,
        sparsity=candidate.sparsity,
        block_sparsity=candidate.block_sparsity,
        units_left=candidate.units_left,
        weight_bits=candidate.weight_bits,
        activation_bits=candidate.activation_bits,
        finetuned=candidate.finetuned,
        on_front=candidate in explored.front,
        meets_budget=meets_limits(findings.config, result),
        test=test,
        tflm=tflm,
        generation=explored.generations[candidate],
        seconds=explored.seconds[candidate],
        parameters=parameters,
    )


def _parity_totals(parity: Mapping[str, Parity]) -> Parity:
    """Per pair of engines, over all that were verified: windows, how many are equal, the largest difference."""
    pairs: dict[str, list[PairParity]] = {}
    for of_candidate in parity.values():
        for name, pair in of_candidate.items():
            pairs.setdefault(name, []).append(pair)
    return {
        name: PairParity(
            engines=same[0].engines,
            windows=sum(pair.windows for pair in same),
            equal=sum(pair.equal for pair in same),
            max_abs=max(pair.max_abs for pair in same),
            tolerance=same[0].tolerance,
        )
        for name, same in pairs.items()
    }


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def baselines_section(prepared: Prepared) -> dict[str, BaselineResult]:
    """Errors of each baseline on validation and test, and what was chosen for it."""
    return {
        name: BaselineResult(
            val=score(baseline(prepared.windows["val"].raw), prepared.windows["val"]),
            test=score(baseline(prepared.windows["test"].raw), prepared.windows["test"]),
            options=dict(baseline.settings),
        )
        for name, baseline in prepared.baselines.items()
    }


def by_horizon(forecasts: F32, windows: Windows) -> list[float | None]:
    """Error of each step ahead, None where nothing was measured."""
    return [None if np.isnan(value) else float(value) for value in mae_by_horizon(forecasts, windows)]


def by_group(forecasts: F32, windows: Windows) -> dict[str, GroupError]:
    """Error and number of windows of each group."""
    counts = np.bincount(windows.group, minlength=len(windows.groups))
    errors = mae_by_group(forecasts, windows)
    return {
        name: GroupError(error=errors[name], windows=int(n))
        for name, n in zip(windows.groups, counts, strict=True)
        if n
    }


def examples_of_forecasts(forecasts: F32, windows: Windows, prepared: Prepared) -> list[GroupExample]:
    """A good, a median and the worst group of the test part: what was measured, and a few forecasts from it."""
    ranked = sorted(mae_by_group(forecasts, windows).items(), key=lambda item: item[1])
    picks = {"good": ranked[len(ranked) // 10], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    return [_example(label, name, error, forecasts, windows, prepared) for label, (name, error) in picks.items()]


def versions() -> dict[str, str]:
    """edgekd, Python and the packages that shape the numbers."""
    installed = {"edgekd": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed[name] = "not installed"
    return installed


def hashes(root: Path, files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of files, by their path below `root`."""
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def _example(label: str, name: str, error: float, forecasts: F32, windows: Windows, prepared: Prepared) -> GroupExample:
    rows = np.flatnonzero(windows.group == windows.groups.index(name))
    picks = rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN_WINDOWS).round().astype(int))]
    task = prepared.preprocess.task
    first_target = prepared.preprocess.window - 1 + task.lead
    points: dict[int, float] = {}
    for row in rows:
        first = int(windows.start[row])
        if prepared.preprocess.target_column >= 0:
            scaled = windows.raw[row] * prepared.preprocess.scale
            points |= {first + t: float(v) for t, v in enumerate(scaled[:, prepared.preprocess.target_column])}
        ahead = zip(windows.target[row], windows.mask[row], strict=True)
        points |= {first + first_target + t: float(v) for t, (v, usable) in enumerate(ahead) if usable}
    order = sorted(points)
    shown = [
        DrawnForecast(
            order=[int(windows.start[row]) + first_target + step for step in range(forecasts.shape[1])],
            forecast=[float(v) for v in forecasts[row]],
        )
        for row in picks
    ]
    return GroupExample(
        label=label, group=name, error=error, order=order, measured=[points[at] for at in order], windows=shown
    )
