"""Named results: what stages return, what a run folder holds as JSON, and the report. Read and written here only.

All are frozen and strict: an unknown key or a wrong type in a file is an error that names its path.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, ValidationError, model_validator

from edgekd import __version__
from edgekd.contracts.config import Config
from edgekd.contracts.engines import Engine
from edgekd.contracts.errors import DataError

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
"""Of an error, a cost or a time: zero or more, never NaN."""
Share = Annotated[float, Field(ge=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]
Json = dict[str, JsonValue]
MOST_SHOWN = 12
FRONT_COSTS = ("flash_bytes", "ram_bytes", "cycles", "ms", "energy_uj")
NOTHING, STAGE_2, DISTILLATION = LEFT_OUT = ("nothing", "stage 2", "distillation")
AGAIN = "run edgekd compress again"


R = TypeVar("R", bound="Result")


class Result(BaseModel):
    """Base of all results: frozen, strict, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def to_dict(self) -> Json:
        """Plain JSON values, under the keys of the file."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """Canonical text: sorted keys, no NaN; equal results give equal text."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Check JSON values. DataError lists every missing, unknown or unusable one with its path."""
        problems = [f"{path}: {number} is not a finite number" for path, number in _not_finite(value, "")]
        if problems:
            raise _unusable(cls.__name__, problems)
        try:
            return cls.parse_text(json.dumps(value, sort_keys=True))
        except (TypeError, ValueError, RecursionError) as error:
            raise _unusable(cls.__name__, [str(error)]) from None

    @classmethod
    def parse_text(cls, text: str) -> Self:
        """Check JSON text. DataError as for `parse`."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problems = [_explained(problem) for problem in error.errors(include_url=False)]
            raise _unusable(cls.__name__, problems) from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file of a run. DataError when it is missing, damaged or of another version."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}", hint="is this the folder of a finished run?") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is damaged: {error}", hint=f"remove it and {AGAIN}") from None
        try:
            return cls.parse_text(text)
        except DataError as error:
            raise DataError(f"{path}: {error}", hint=error.hint) from None


class Score(Result):
    """How good a model is on one part of the data. Each task has its own; all have `error`."""

    interval: tuple[Amount, Amount] | None = None
    """95 % interval of `error` over groups, where it was drawn."""

    @property
    def error(self) -> float:
        """What searches make small and what candidates are compared by; lower is better."""
        raise NotImplementedError


class RegressionScore(Score):
    """Errors of values in the target's unit after `divide_by`; what else is known beside `mae`.

    bias: mean of answer minus truth; slices: `mae` by the values of further columns, by column; bounded: mean shortfall
    over windows whose truth is only known to be at least something; mape: error in per cent of the whole life, mean
    over groups.
    """

    mae: Amount
    rmse: Amount | None = None
    bias: float | None = None
    slices: dict[str, dict[str, Amount]] = {}
    bounded: Amount | None = None
    mape: Amount | None = None

    @property
    def error(self) -> float:
        """The error that is made small: the mean absolute one."""
        return self.mae


class ClassificationScore(Score):
    """How often the most probable class is the label.

    balanced_accuracy: mean of recalls; ece: expected calibration error in ten bins of confidence; recalls: by class;
    confusion: windows by label (rows) and answer; smoothed: accuracy of the majority of the last windows, where the
    task asks for one; slices: error by the values of further columns.
    """

    accuracy: Annotated[float, Field(ge=0, le=1)]
    balanced_accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    macro_f1: Annotated[float, Field(ge=0, le=1)] | None = None
    ece: Annotated[float, Field(ge=0, le=1)] | None = None
    recalls: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    confusion: tuple[tuple[Count, ...], ...] = ()
    smoothed: Annotated[float, Field(ge=0, le=1)] | None = None
    slices: dict[str, dict[str, Amount]] = {}

    @property
    def error(self) -> float:
        """The error that is made small: the share of wrong classes."""
        return 1 - self.accuracy


_REGRESSION, _CLASSIFICATION = "(regression)", "(classification)"


def _kind_of_score(fields: Any) -> str:
    """Which score a file holds, so that mistakes in one are told as mistakes of that one."""
    if isinstance(fields, dict):
        return _CLASSIFICATION if "accuracy" in fields else _REGRESSION
    return _CLASSIFICATION if isinstance(fields, ClassificationScore) else _REGRESSION


AnyScore = Annotated[
    Annotated[RegressionScore, Tag(_REGRESSION)] | Annotated[ClassificationScore, Tag(_CLASSIFICATION)],
    Discriminator(_kind_of_score),
]
"""The scores of all tasks, as a file may hold them."""


class Validated(Result):
    """Scored on validation only."""

    val: AnyScore


class Tested(Result):
    """Scored on validation and test."""

    val: AnyScore
    test: AnyScore


class LayerCost(Result):
    """Share of one layer in one call of a function; all its executions together.

    calls: executions (steps of a recurrence). macs (multiply-adds) and bytes (constants read) are 0 where not known.
    """

    name: Text
    function: str = ""
    calls: Count
    instructions: Count = 0
    cycles: Count
    macs: Count
    bytes: Count
    cycles_per_mac: Amount | None
    """None for a layer without multiply-adds."""


class FunctionCost(Result):
    """The most expensive of the calls of one function.

    Time and energy are those of `cycles` (zero-wait flash), `ms_high` that of `cycles_high` (every stall counted).
    """

    calls: Count
    instructions: Count
    cycles: Count
    cycles_mean: Amount
    """Over all calls."""
    cycles_low: Count
    cycles_high: Count
    ms: Amount
    ms_high: Amount
    energy_uj: Amount
    stack_bytes: Count


class Measurement(Result):
    """What one linked image needs on one board, read off the image and its run on the emulated board.

    The figures of one call of `entry` are at the top: they are what budgets limit. flash_bytes: code, constants, vector
    table and initial values; flash_above_empty_bytes: without what an image with an empty main() has; ram_bytes:
    variables and the deepest stack of all calls made; push_cycles, push_ms: of taking in one sample, for a whole
    firmware; note: what is loose in the timing model, to be shown next to the figures.
    """

    board: str
    compiler: str
    flags: tuple[str, ...] = ()
    entry: str = ""
    flash_bytes: Count
    flash_above_empty_bytes: Count = 0
    ram_bytes: Count
    static_ram_bytes: Count = 0
    stack_bytes: Count
    instructions: Count
    cycles: Count
    cycles_low: Count = 0
    cycles_high: Count = 0
    ms: Amount
    ms_high: Amount = 0.0
    energy_uj: Amount
    push_cycles: Count | None = None
    push_ms: Amount | None = None
    functions: dict[str, FunctionCost] = {}
    layers: tuple[LayerCost, ...] = ()
    note: str = ""

    def totals(self) -> "Measurement":
        """The same without functions and layers."""
        return self.model_copy(update={"functions": {}, "layers": ()})


class CandidateResult(Result):
    """score.json: a candidate on validation, and its size.

    val: the integer model; float_: the network after stage 2, before integers; stage1: the student it was made from.
    macs: multiply-adds of one forecast; tflite_bytes, arena_bytes: of its graphs and of TFLite-Micro's arena;
    measured: None on a board that is not emulated.
    """

    params: Count
    macs: Count
    tflite_bytes: Count
    arena_bytes: Count
    stage1: Validated
    float_: Validated = Field(alias="float")
    val: AnyScore
    measured: Measurement | None = None

    def totals(self) -> Self:
        """The same without the figures of functions and layers."""
        return self.model_copy(update={"measured": self.measured.totals() if self.measured else None})


class Refused(Result):
    """Why a candidate cannot be built for the board."""

    refused: Text

    def totals(self) -> "Refused":
        """The same: nothing was measured."""
        return self


Outcome = CandidateResult | Refused
"""What becomes of a candidate."""


def read_outcome(path: Path) -> Outcome:
    """Read score.json of a candidate. DataError as for `Result.read`."""
    try:
        return Refused.read(path)
    except DataError:
        return CandidateResult.read(path)


class PairParity(Result):
    """Two engines on the same windows. tolerance 0: to the last bit; None: compared, but not required to be equal.

    sketch: on the graphs that the TFLite-Micro sketch carries, whose matrices have one scale each.
    """

    engines: tuple[Engine, Engine]
    sketch: bool = False
    windows: Count
    equal: Count
    max_abs: Amount
    tolerance: Amount | None = None

    @property
    def name(self) -> str:
        """Key of the pair in JSON, as `twin_tflm`."""
        return "tflm_sketch" if self.sketch else "_".join(self.engines)

    @property
    def label(self) -> str:
        """`NumPy twin = TFLite-Micro`."""
        engines = " = ".join(engine.label for engine in self.engines)
        return f"TFLite-Micro sketch: {engines}" if self.sketch else engines

    @property
    def verdict(self) -> Literal["PASS", "FAIL", "INFO"]:
        """PASS when all windows are equal; otherwise FAIL, or INFO for a pair that may differ."""
        if self.equal == self.windows > 0:
            return "PASS"
        return "INFO" if self.tolerance is None else "FAIL"


Parity = dict[str, PairParity]
"""Pairs by their names."""


class Difference(Result):
    """Where two engines first differ. layer: the first whose result differs on the board, where that is known."""

    pair: Text
    window: Count
    output: str
    element: Count
    twin: int | float
    found: int | float
    layer: str | None = None


class Verification(Result):
    """What `verify` found of generated code: pairs of engines on the same windows."""

    windows: Count
    pairs: Parity
    first_difference: Difference | None = None


class LinkLosses(Result):
    """What a serial line and its board did wrong, all of it survived.

    unanswered: requests that were sent again; damaged: lines with a wrong checksum or none; resets: of the board;
    reloads: times the samples were sent once more because the board had others.
    """

    requests: Count
    unanswered: Count
    damaged: Count
    resets: Count
    reloads: Count


class Replay(Result):
    """Windows that were replayed on a board.

    lost: windows without an answer; cycles_measured: mean of a forecast, None on a board without a counter;
    us_measured: by its clock then.
    """

    windows: Count
    equal: Count
    lost: Count
    first_difference: str | None = None
    cycles_measured: Amount | None = None
    us_measured: Amount | None = None
    line: LinkLosses


class BoardValidation(Replay):
    """boards/<serial>.json: a replay on one board. ratio: measured cycles over those of the emulator."""

    board: Text
    serial: Text
    candidate: Text
    cycles_predicted: Amount | None = None
    ms_measured: Amount | None = None
    ratio: Amount | None = None


class BaselineResult(Result):
    """`options`: what was chosen for it on validation, as the length of a line."""

    val: AnyScore
    test: AnyScore
    options: dict[str, float | str] = {}


class TeacherResult(Result):
    """The mean of its members is what the students learn from."""

    kind: Text
    hidden: Count
    members: Count
    val: AnyScore
    test: AnyScore


class ReportedCandidate(CandidateResult):
    """A candidate in the report. `test`: only of those on the front, for the table, as `tflm`: what the TFLite-Micro
    sketch carries, with one scale per matrix.

    block_sparsity: share of the 1 x 4 blocks of weights pruned; units_left: after pruning; generation: of the search,
    from 0; seconds: from the first candidate's result to this one's; parameters: what the search set, by name.
    """

    name: Text
    kind: Text
    hidden: Count
    sparsity: Share
    block_sparsity: Share = 0.0
    units_left: Count | None = None
    weight_bits: Count
    activation_bits: Count
    finetuned: bool = False
    on_front: bool
    meets_budget: bool
    test: AnyScore | None = None
    tflm: Tested | None = None
    generation: Count | None = None
    seconds: Amount | None = None
    parameters: dict[str, str | int | float] = {}


class FrontPoint(Result):
    """A point of a front: scores and measured costs. ms_on: estimates for boards that were met, by serial number."""

    name: Text
    val: AnyScore
    test: AnyScore | None = None
    measured: Measurement | None = None
    ms_on: dict[str, Amount] = {}

    def row(self) -> Json:
        """The point as one flat row: `val_mae`, `test_mae`, `flash_bytes` and so on; None where not measured."""
        scores = {
            f"{part}_{key}": value
            for part, score in (("val", self.val), ("test", self.test))
            for key, value in (score.to_dict() if score else {}).items()
            if key != "interval"
        }
        costs: Json = {name: getattr(self.measured, name, None) for name in FRONT_COSTS}
        return {"name": self.name, **scores, **costs, "ms_on": dict(self.ms_on)}


class ExcludedCandidate(Result):
    """A candidate that is not offered, and why."""

    name: Text
    reason: str


class ComparedNetwork(Result):
    """A network that is no candidate, scored in float."""

    name: Text
    val: AnyScore
    note: str = ""


class Ablation(Result):
    """Validation errors of a candidate's network, one per seed, on the integer grid simulated in float: with
    everything, `nothing` left out, and without `stage 2` or `distillation`.
    """

    name: Text
    errors: dict[str, Annotated[list[Amount], Field(min_length=1)]]

    def mean(self, left_out: str) -> float:
        """Over seeds."""
        return sum(self.errors[left_out]) / len(self.errors[left_out])

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.errors) != set(LEFT_OUT):
            raise ValueError(f"errors: must be those without {', '.join(LEFT_OUT)}")
        return self


class ErrorByHorizon(Result):
    """Error of each step ahead; None where nothing was measured."""

    val: list[Amount | None]
    test: list[Amount | None]


class BaselineByHorizon(Result):
    """The best baseline on test, step by step."""

    name: Text
    test: list[Amount | None]


class GroupError(Result):
    """Error of the chosen candidate on one test group."""

    error: Amount
    windows: Count


class DrawnForecast(Result):
    """One forecast: where its steps lie and what they are."""

    order: list[int]
    forecast: list[float]

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        return _same_length(self, "order", "forecast")


class GroupExample(Result):
    """What was measured of one group, and a few forecasts of it."""

    label: Text
    group: Text
    error: Amount
    order: list[int]
    measured: list[float | None]
    windows: list[DrawnForecast]

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        return _same_length(self, "order", "measured")


class AnsweredSeries(Result):
    """Answers of one value over one test series: known truth and answers at the windows' ends, `order`."""

    label: Text
    series: Text
    error: Amount
    order: list[int]
    truth: list[float]
    answer: list[float]

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        return _same_length(_same_length(self, "order", "truth"), "order", "answer")


class LevelError(Result):
    """Error over the windows whose truth is from `low` to `high`."""

    low: float
    high: float
    error: Amount
    windows: Count


class HardWindow(Result):
    """A test window that was answered wrongly with much confidence. order: of its end; samples: inputs by column."""

    series: Text
    order: int
    truth: Text
    answer: Text
    probability: Annotated[float, Field(ge=0, le=1)]
    samples: dict[str, list[float]]


class TaskSummary(Result):
    """What the run is about. says: what an answer is, in words; error_name: what `error` of a score measures."""

    kind: Text
    target: Text
    classes: tuple[str, ...] = ()
    says: Text
    error_name: Text


class ChosenResult(Result):
    """The candidate that was chosen on validation, on test, beside the errors of what it was made from.

    forecasts: of tasks with several steps; answers, levels, pairs (truth and answer of windows all over the test part):
    of those with one value; hardest: of those with classes.
    """

    name: Text
    params: Count
    macs: Count
    tflite_bytes: Count
    arena_bytes: Count
    measured: Measurement | None = None
    val: AnyScore
    test: AnyScore
    teacher_test_error: Amount
    stage1_test_error: Amount
    float_test_error: Amount
    by_horizon: ErrorByHorizon
    baseline_by_horizon: BaselineByHorizon
    by_group: dict[str, GroupError]
    forecasts: list[GroupExample]
    answers: list[AnsweredSeries] = []
    levels: list[LevelError] = []
    pairs: list[tuple[float, float]] = []
    hardest: list[HardWindow] = []


class PartSummary(Result):
    """How much of the table one part of the split has."""

    groups: Count
    samples: Count
    windows: Count
    usable_targets: Count
    names: list[str]


class SplitSummary(Result):
    """The three parts of the split."""

    train: PartSummary
    val: PartSummary
    test: PartSummary


class DataSummary(Result):
    """What was read and how it was divided. left_out: groups without a window; problems: counts by kind."""

    rows: Count
    ignored: Count
    groups: Count
    left_out: list[str]
    unused: list[str]
    parts: SplitSummary
    problems: dict[str, Count]


class BudgetLimits(Result):
    """Limits that the chosen candidate keeps."""

    flash_bytes: Count
    ram_bytes: Count
    latency_ms: Amount


class BoardLimits(Result):
    """What the board has; None where it has no end."""

    flash_bytes: Count | None = None
    ram_bytes: Count | None = None
    latency_ms: Amount | None = None


class Report(Result):
    """report.json: everything a run found. All errors are in units of the target after `divide_by`."""

    edgekd: Text
    name: Text
    board: Text
    simulated: bool
    config: Json
    versions: dict[str, str]
    hashes: dict[str, str]
    task: TaskSummary
    target: Text
    unit: str
    divide_by: Annotated[float, Field(gt=0)]
    window: Count
    horizon: Count
    data: DataSummary
    baselines: Annotated[dict[str, BaselineResult], Field(min_length=1)]
    teacher: TeacherResult
    candidates: Annotated[list[ReportedCandidate], Field(min_length=1)]
    excluded: list[ExcludedCandidate] = []
    comparisons: list[ComparedNetwork]
    ablations: list[Ablation] = []
    chosen: ChosenResult
    parity: Parity
    parity_by_candidate: dict[str, Parity] = {}
    budget: BudgetLimits
    limits: BoardLimits = BoardLimits()
    seconds: dict[str, Amount]

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) < len(names):
            raise ValueError("candidates: two have the same name")
        if self.chosen.name not in names:
            raise ValueError(f"chosen.name: '{self.chosen.name}' is not among the candidates")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """As for all results; an error names the version that wrote the file."""
        try:
            return super().read(path)
        except DataError as error:
            version = _written_by(path)
            if version in ("", __version__):
                raise
            raise DataError(f"{error}", hint=f"edgekd {version} wrote it, this is {__version__}: {AGAIN}") from None

    def candidate(self, name: str) -> ReportedCandidate | None:
        """The candidate of that name; None when there is none."""
        return next((candidate for candidate in self.candidates if candidate.name == name), None)

    @property
    def chosen_candidate(self) -> ReportedCandidate:
        """The row of the chosen candidate."""
        return next(candidate for candidate in self.candidates if candidate.name == self.chosen.name)

    @property
    def best_baseline(self) -> tuple[str, BaselineResult]:
        """The baseline with the lowest error on test: the hardest one to beat."""
        return min(self.baselines.items(), key=lambda item: (item[1].test.error, item[0]))

    @property
    def order_name(self) -> str:
        """What counts samples, as `cycle`."""
        data = self.config.get("data")
        order = data.get("order") if isinstance(data, dict) else None
        return order if isinstance(order, str) else "sample"

    @property
    def error_name(self) -> str:
        """What errors are: `MAE`, or the `error rate` of classes."""
        return self.task.error_name

    @property
    def error_unit(self) -> str:
        """What errors are counted in, as `discharge_capacity_Ah / 1.1` or `cycles`."""
        if self.task.classes:
            return "share of windows"
        if self.unit == "samples":
            return f"{self.order_name}s"
        return self.target if self.divide_by == 1 else f"{self.target} / {self.divide_by:g}"

    def resolved_config(self) -> Config:
        """The configuration of the run. DataError when this edgekd cannot use it."""
        try:
            return Config.model_validate(self.config)
        except ValidationError as error:
            problems = [f"config.{_explained(problem)}" for problem in error.errors(include_url=False)]
            raise _unusable("report", problems) from None


def report_path(run: Path) -> Path:
    """Where the report of a run is."""
    return run / "report" / "report.json"


def read_report(run: Path) -> Report:
    """The report of a finished run. DataError when there is none, or it is damaged or of another version."""
    return Report.read(report_path(run))


def _written_by(path: Path) -> str:
    """The version of edgekd that a file names, as far as it can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    return str(content.get("edgekd", "")) if isinstance(content, dict) else ""


def _explained(problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"] if part not in (_REGRESSION, _CLASSIFICATION))
    if problem["type"] == "missing":
        return f"{path}: required key is missing"
    if problem["type"] == "extra_forbidden":
        return f"{path}: unknown key"
    if problem["type"] == "value_error":
        return f"{path}: {problem['ctx']['error']}".removeprefix(": ")
    value = repr(problem["input"])
    shown = value if len(value) <= 60 else f"{value[:57]}..."
    message = f"{problem['msg'][:1].lower()}{problem['msg'][1:]} (got {shown})"
    return f"{path}: {message}" if path else message


def _unusable(kind: str, problems: list[str]) -> DataError:
    shown = problems[:MOST_SHOWN]
    if len(problems) > MOST_SHOWN:
        shown.append(f"and {len(problems) - MOST_SHOWN} more")
    what = {"CandidateResult": "score"}.get(kind, kind.lower())
    hint = f"was it written by another version of edgekd? {AGAIN}"
    return DataError("\n  ".join([f"this {what} cannot be used", *shown]), hint=hint)


def _not_finite(value: object, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _not_finite(inner, f"{path}.{index}")


def _same_length(result: R, a: str, b: str) -> R:
    lengths = len(getattr(result, a)), len(getattr(result, b))
    if lengths[0] != lengths[1]:
        raise ValueError(f"{a} and {b} differ in length: {lengths[0]} and {lengths[1]}")
    return result
