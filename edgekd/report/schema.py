"""What report.json must hold: checked once at the edge, so that what draws it need not doubt it."""

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgekd.contracts.errors import DataError

Count = Annotated[int, Field(ge=0)]
Error = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
MOST_SHOWN = 12
LEFT_OUT = ("nothing", "stage 2", "distillation")
HINT = "was it written by another version of edgekd? run edgekd compress again"


class Section(BaseModel):
    """Frozen. Unknown keys are kept in report.json and not shown."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Score(Section):
    """Mean absolute error in the target's unit, and its 95 % interval over groups where it was drawn."""

    mae: Error
    interval: tuple[Error, Error] | None = None


class Validated(Section):
    """Scored on validation only."""

    val: Score


class Tested(Section):
    """Scored on validation and test."""

    val: Score
    test: Score


class Baseline(Section):
    """`options`: what was chosen for it on validation, as the length of a line."""

    val: Score
    test: Score
    options: dict[str, float | str] = {}


class Teacher(Section):
    """The mean of its members is what the students learn from."""

    kind: Text
    hidden: Count
    members: Count
    val: Score
    test: Score


class LayerCost(Section):
    """Share of one layer in a forecast; all its executions together."""

    name: Text
    calls: Count
    cycles: Count
    macs: Count
    bytes: Count
    cycles_per_mac: float | None


class Native(Section):
    """Measured on the linked image and on the run of its machine code on the emulated board."""

    flash_bytes: Count
    ram_bytes: Count
    stack_bytes: Count
    instructions: Count
    cycles: Count
    ms: Error
    energy_uj: Error
    board: str
    compiler: str
    note: str = ""
    push_cycles: Count | None = None
    layers: list[LayerCost] = []


class Candidate(Section):
    """`float_`: after pruning, before integers; `val`: the integer model; `test`: only where it was scored there;
    `tflm`: what its TFLite-Micro sketch carries, with one scale per matrix.

    tflite_bytes, arena_bytes: of the .tflite and of its arena. generation: of the search, from 0; seconds: from the
    search's start until all of this was known; parameters: what the search set, by name. Older reports lack these.
    """

    name: Text
    kind: Text
    hidden: Count
    sparsity: Annotated[float, Field(ge=0, lt=1)]
    weight_bits: Count
    activation_bits: Count
    params: Count
    macs: Count
    tflite_bytes: Count
    arena_bytes: Count
    stage1: Validated
    float_: Validated = Field(alias="float")
    val: Score
    on_front: bool
    meets_budget: bool
    native: Native | None = None
    test: Score | None = None
    block_sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    tflm: Tested | None = None
    generation: Count | None = None
    seconds: Error | None = None
    parameters: dict[str, str | int | float] = {}


class Excluded(Section):
    """A candidate that is not offered, and why."""

    name: Text
    reason: str


class Comparison(Section):
    """A network that is no candidate."""

    name: Text
    val: Score
    note: str = ""


class Ablation(Section):
    """Validation errors of a candidate's network from several seeds, on the integer grid simulated in float: with
    everything, `nothing` left out, and without `stage 2` or `distillation`.
    """

    name: Text
    errors: dict[str, Annotated[list[Error], Field(min_length=1)]]

    def mean(self, left_out: str) -> float:
        """Over seeds."""
        return sum(self.errors[left_out]) / len(self.errors[left_out])

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.errors) != set(LEFT_OUT):
            raise ValueError(f"errors: must be those without {', '.join(LEFT_OUT)}")
        return self


class ByHorizon(Section):
    """Error of each step ahead; None where nothing was measured."""

    val: list[Error | None]
    test: list[Error | None]


class BaselineByHorizon(Section):
    """The best baseline on test, step by step."""

    name: Text
    test: list[Error | None]


class Group(Section):
    """Error of the chosen candidate on one test group."""

    mae: Error
    windows: Count


class Forecast(Section):
    """One forecast: where its steps lie and what they are."""

    order: list[int]
    forecast: list[float]

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        return _same_length(self, "order", "forecast")


class Example(Section):
    """What was measured of one group, and a few forecasts of it."""

    label: Text
    group: Text
    mae: Error
    order: list[int]
    measured: list[float | None]
    windows: list[Forecast]

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        return _same_length(self, "order", "measured")


class Chosen(Section):
    """The candidate that was chosen on validation, on test."""

    name: Text
    val: Score
    test: Score
    stage1_test_mae: Error
    float_test_mae: Error
    teacher_test_mae: Error
    tflite_bytes: Count
    arena_bytes: Count
    native: Native | None = None
    by_horizon: ByHorizon
    baseline_by_horizon: BaselineByHorizon
    by_group: dict[str, Group]
    forecasts: list[Example]


class Parity(Section):
    """Two engines on the same windows. tolerance 0: to the last bit; None: compared, but not required to be equal."""

    windows: Count
    equal: Count
    max_abs: Error
    tolerance: Error | None = None

    @property
    def verdict(self) -> Literal["PASS", "FAIL", "INFO"]:
        if self.equal == self.windows > 0:
            return "PASS"
        return "INFO" if self.tolerance is None else "FAIL"


class Part(Section):
    """How much of the table one part of the split has."""

    groups: Count
    samples: Count
    windows: Count
    usable_targets: Count
    names: list[str]


class Parts(Section):
    """The three parts of the split."""

    train: Part
    val: Part
    test: Part


class Data(Section):
    """What was read and how it was divided."""

    rows: Count
    ignored: Count
    groups: Count
    left_out: list[str]
    unused: list[str]
    parts: Parts
    problems: dict[str, Count]


class Budget(Section):
    """Limits that the chosen candidate keeps."""

    flash_bytes: Count
    ram_bytes: Count
    latency_ms: Error


class Limits(Section):
    """What the board has."""

    flash_bytes: Count | None = None
    ram_bytes: Count | None = None
    latency_ms: Error | None = None


class Report(Section):
    """Everything a run found. All errors are in units of the target after `divide_by`."""

    edgekd: Text
    name: Text
    board: Text
    simulated: bool
    config: dict[str, Any]
    versions: dict[str, str]
    hashes: dict[str, str]
    target: Text
    unit: str
    divide_by: Annotated[float, Field(gt=0)]
    window: Count
    horizon: Count
    data: Data
    baselines: Annotated[dict[str, Baseline], Field(min_length=1)]
    teacher: Teacher
    candidates: Annotated[list[Candidate], Field(min_length=1)]
    excluded: list[Excluded] = []
    comparisons: list[Comparison]
    ablations: list[Ablation] = []
    chosen: Chosen
    parity: dict[str, Parity]
    parity_by_candidate: dict[str, dict[str, Parity]] = {}
    budget: Budget
    limits: Limits = Limits()
    seconds: dict[str, Error]

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [one.name for one in self.candidates]
        if len(set(names)) < len(names):
            raise ValueError("candidates: two have the same name")
        if self.chosen.name not in names:
            raise ValueError(f"chosen.name: '{self.chosen.name}' is not among the candidates")
        return self

    @property
    def chosen_candidate(self) -> Candidate:
        return next(one for one in self.candidates if one.name == self.chosen.name)

    @property
    def best_baseline(self) -> tuple[str, Baseline]:
        """The baseline with the lowest error on test: the hardest one to beat."""
        return min(self.baselines.items(), key=lambda item: (item[1].test.mae, item[0]))

    @property
    def order_name(self) -> str:
        """What counts samples, as `cycle`."""
        data = self.config.get("data")
        found = data.get("order") if isinstance(data, dict) else None
        return found if isinstance(found, str) else "sample"

    @property
    def error_unit(self) -> str:
        """What errors are counted in, as `discharge_capacity_Ah / 1.1`."""
        return self.target if self.divide_by == 1 else f"{self.target} / {self.divide_by:g}"


def canonical(report: dict[str, Any]) -> str:
    """The text of report.json: sorted keys, no NaN. DataError names every number that is not finite."""
    problems = [f"{path}: {value} is not a finite number" for path, value in _not_finite(report, "")]
    if problems:
        raise _unusable(problems)
    try:
        return json.dumps(report, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    except (TypeError, ValueError) as error:
        raise _unusable([str(error)]) from None


def parse(report: dict[str, Any]) -> Report:
    """Check a report and give its parts names. DataError lists every missing or unusable value with its path."""
    try:
        return Report.model_validate_json(canonical(report))
    except ValidationError as error:
        raise _unusable([_explained(one) for one in error.errors(include_url=False)]) from None


def _explained(one: Any) -> str:
    path = ".".join(map(str, one["loc"]))
    if one["type"] == "missing":
        return f"{path}: required key is missing"
    if one["type"] == "value_error":
        return f"{path}: {one['ctx']['error']}".removeprefix(": ")
    value = repr(one["input"])
    return f"{path}: {one['msg'][:1].lower()}{one['msg'][1:]} (got {value if len(value) <= 60 else value[:57] + '...'})"


def _unusable(problems: list[str]) -> DataError:
    shown = problems[:MOST_SHOWN]
    if len(problems) > MOST_SHOWN:
        shown.append(f"and {len(problems) - MOST_SHOWN} more")
    return DataError("\n  ".join(["this report cannot be used", *shown]), hint=HINT)


def _not_finite(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _not_finite(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _not_finite(one, f"{path}.{index}")


def _same_length(section: Any, a: str, b: str) -> Any:
    lengths = len(getattr(section, a)), len(getattr(section, b))
    if lengths[0] != lengths[1]:
        raise ValueError(f"{a} and {b} differ in length: {lengths[0]} and {lengths[1]}")
    return section
