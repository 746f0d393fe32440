"""The configuration: one YAML file, checked whole, every mistake reported at once with its line."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, ValidationInfo, field_validator

from edgekd.contracts.board import board_names, load_board
from edgekd.contracts.declarations import distillation_losses, model_kinds
from edgekd.contracts.errors import ConfigError
from edgekd.contracts.mistakes import Mistake, Unions, listed, mistakes_of
from edgekd.contracts.section import Bytes, Count, Fraction, Length, Section, Text, Width, reads
from edgekd.contracts.task import TASKS, AnyTaskSection, TaskSection
from edgekd.contracts.yamlfile import Document, dump_yaml, read_yaml

if TYPE_CHECKING:
    Kind = str
    LossName = str
else:
    Kind = Literal[tuple(model_kinds())]
    LossName = Literal[tuple(distillation_losses())]
Optimizer = Literal["adamw", "muon"]
Objective = Literal["error", "flash", "latency", "ram", "energy"]
TIME_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_STEP = 1e9
SMALLEST_DIVISOR = 1e-9  # its inverse must be a float32
C_HEADERS = (
    "arduino", "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale",
    "math", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "tgmath",
    "time", "wchar", "wctype",
)  # fmt: skip


class FractionSplit(Section):
    """Fractions of the groups; the rest is for training."""

    val: Fraction = 0.15
    test: Fraction = 0.25

    @field_validator("test")
    @classmethod
    @reads("val")
    def _leave_some(cls, test: float, info: ValidationInfo) -> float:
        val = info.data["val"]
        if val + test >= 1:
            raise ValueError(f"val + test is {val + test:g}, nothing is left to train on")
        return test


class ColumnSplit(Section):
    """The table says which group is in which part; `val` is a value of the column, or a fraction of `train`."""

    column: Text
    train: Text | int = "train"
    test: Text | int = "test"
    val: Fraction | Text | int = 0.2

    @field_validator("test", "val")
    @classmethod
    @reads("train")
    def _other_than_train(cls, value: Any, info: ValidationInfo) -> Any:
        return _other_part(value, "train", info)

    @field_validator("val")
    @classmethod
    @reads("test")
    def _other_than_test(cls, value: Any, info: ValidationInfo) -> Any:
        return _other_part(value, "test", info)


class TimeSplit(Section):
    """The end of every series is for test, what is before it for validation: for tables of few series.

    Weaker than unseen series, as all parts come from the same ones; reports say so.
    """

    time: Fraction
    val: Fraction = 0.15

    @field_validator("val")
    @classmethod
    @reads("time")
    def _leave_some(cls, val: float, info: ValidationInfo) -> float:
        if val + info.data["time"] >= 1:
            raise ValueError(f"time + val is {val + info.data['time']:g}, nothing is left to train on")
        return val


def _other_part(value: Any, part: str, info: ValidationInfo) -> Any:
    if str(info.data[part]) == str(value):
        raise ValueError(f"is '{value}', as {part} is: a group is in one part only")
    return value


def every_seconds(text: str) -> float:
    """Seconds of 100ms, 1s, 5min, 1h or 1d. ValueError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *(ms|s|min|h|d)", text)
    if match is None or not 0 < float(match[1]) * TIME_UNITS[match[2]] <= LONGEST_STEP:
        raise ValueError(f"'{text}' is no length of time; as 100ms, 1s, 5min, 1h or 1d")
    return float(match[1]) * TIME_UNITS[match[2]]


def _other_columns(value: Any, roles: Mapping[str, str]) -> Any:
    """ValueError where a key, a text or a list of texts, names a column that has another role."""
    named = value if isinstance(value, list) else [value]
    for role, column in roles.items():
        if column in named:
            raise ValueError(f"is '{column}', the column that is named by {role}")
    return value


def _kind_of_split(fields: Any) -> str:
    """The split whose key is there."""
    if isinstance(fields, ColumnSplit) or (isinstance(fields, dict) and "column" in fields):
        return "by column"
    if isinstance(fields, TimeSplit) or (isinstance(fields, dict) and "time" in fields):
        return "by time"
    return "by fraction"


Split = Annotated[
    Annotated[FractionSplit, Tag("by fraction")]
    | Annotated[ColumnSplit, Tag("by column")]
    | Annotated[TimeSplit, Tag("by time")],
    Discriminator(_kind_of_split),
]
SPLITS: dict[str, type[BaseModel]] = {"by fraction": FractionSplit, "by column": ColumnSplit, "by time": TimeSplit}


class Data(Section):
    """The table, which of its columns are what, and how windows are cut. Lengths are in samples."""

    table: Text = "sample"
    series: Text
    """Rows with one value of this column follow each other, in the order of `order`."""
    group: Annotated[str, Field(validate_default=True)] = ""
    """Series with one value of this column are in one part of the split; `series` where it is not given."""
    order: Text
    inputs: Annotated[list[Text], Field(min_length=1, max_length=64)]
    divide_by: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    """Of the task's column, where its answer is a value of that column."""
    ignore: Text | None = None
    slices: Annotated[list[Text], Field(max_length=8)] = []
    """Columns by whose values errors are told apart."""
    split: Split = FractionSplit()
    window: Annotated[int, Field(ge=5, le=4096)]
    stride: Count = 10
    train_stride: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Of training windows, which may overlap more than those that are scored; 0: a fifth of `stride`."""
    patch: Length = 5
    level: Length = 9
    scaling: Literal["relative", "standard", "robust"] | None = None
    """What samples are measured against: the recent level, or mean or median of training; None: as the task does."""
    max_gap: Annotated[int, Field(ge=0, le=4096)] = 5
    every: float | str | None = None
    """Samples are so far apart in `order`: a number in its unit, or a time as 1s where it holds times. Without it,
    `order` rises by one."""

    @property
    def every_units(self) -> float | None:
        """`every` as a number: in units of `order`, in seconds where that holds times."""
        return every_seconds(self.every) if isinstance(self.every, str) else self.every

    @field_validator("every")
    @classmethod
    def _a_length_of_time(cls, every: float | str | None) -> float | str | None:
        if isinstance(every, str):
            every_seconds(every)
        elif every is not None and not 0 < every <= LONGEST_STEP:
            raise ValueError(f"should be greater than 0 and at most {LONGEST_STEP:g} (got {every:g})")
        return every

    @field_validator("group")
    @classmethod
    @reads("series")
    def _as_series(cls, group: str, info: ValidationInfo) -> str:
        return group or str(info.data["series"])

    @field_validator("order", "inputs", "ignore")
    @classmethod
    @reads("series", "group")
    def _other_than_names(cls, value: Any, info: ValidationInfo) -> Any:
        return _other_columns(value, {"series": info.data["series"], "group": info.data["group"]})

    @field_validator("inputs", "ignore", "slices")
    @classmethod
    @reads("order")
    def _other_than_order(cls, value: Any, info: ValidationInfo) -> Any:
        return _other_columns(value, {"order": info.data["order"]})

    @field_validator("divide_by")
    @classmethod
    def _has_an_inverse(cls, value: float) -> float:
        if value < SMALLEST_DIVISOR:
            raise ValueError(f"should be at least {SMALLEST_DIVISOR:g} (got {value:g})")
        return value

    @field_validator("train_stride")
    @classmethod
    @reads("stride")
    def _fifth_of_stride(cls, value: int, info: ValidationInfo) -> int:
        return value or max(1, info.data["stride"] // 5)

    @field_validator("patch")
    @classmethod
    @reads("window")
    def _divides_window(cls, patch: int, info: ValidationInfo) -> int:
        window = info.data["window"]
        if window % patch:
            raise ValueError(f"{patch} does not divide window {window}")
        return patch

    @field_validator("level")
    @classmethod
    @reads("window")
    def _has_a_middle(cls, level: int, info: ValidationInfo) -> int:
        window = info.data["window"]
        if level % 2 == 0 or level > window:
            raise ValueError(f"{level} must be odd and at most window {window}")
        return level


Amounts = dict[Text, Annotated[float, Field(gt=0, le=1e9)]]
"""How much, by input column."""


class Augment(Section):
    """Changed copies of training windows, off unless something is given. Amounts are in the columns' units.

    offset: of a whole window, up to so much either way; scale: of a whole window, a share; jitter: standard deviation
    of noise of each sample; mirror: columns whose sign changes together, for half of the copies; rotate: triples of
    columns that are turned together by up to `rotate_degrees`.
    """

    copies: Annotated[int, Field(ge=0, le=16)] = 1
    offset: Amounts = {}
    scale: Amounts = {}
    jitter: Amounts = {}
    mirror: list[Annotated[list[Text], Field(min_length=1)]] = []
    rotate: list[Annotated[list[Text], Field(min_length=3, max_length=3)]] = []
    rotate_degrees: Annotated[float, Field(gt=0, le=180)] = 15.0

    @property
    def columns(self) -> set[str]:
        """All columns that are named."""
        return {
            *self.offset,
            *self.scale,
            *self.jitter,
            *(axis for axes in (*self.mirror, *self.rotate) for axis in axes),
        }

    @property
    def changes_anything(self) -> bool:
        """Whether any column is augmented."""
        return bool(self.columns)


class Teacher(Section):
    """Members are trained together; their mean is the soft target."""

    kind: Kind = "gru"
    hidden: Width = 32
    members: Annotated[int, Field(ge=1, le=64)] = 4
    epochs: Count = 60


class Students(Section):
    """Widths of each kind; `rank` values between state and forecast (0: none); how all networks are trained."""

    kinds: Annotated[list[Kind], Field(min_length=1)] = ["liquid", "gru", "mlp"]
    hidden: Annotated[list[Width], Field(min_length=1)] = [4, 8, 16, 32]
    rank: Annotated[int, Field(ge=0, le=512)] = 8
    epochs: Count = 40
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.02
    batch: Count = 256
    optimizer: Optimizer = "adamw"
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:[0-9]+)?)$")] = "cpu"
    """Where everything is trained."""


class Distill(Section):
    """Losses of the two stages, by name; None: the one between outputs that the task has."""

    stage1: LossName | None = None
    stage2: LossName | None = None
    temperature: Annotated[float, Field(ge=1, le=20)] = 1.0
    """Of soft_labels and other losses of classes: the higher, the more the wrong classes count."""


def _whole_per_cents(values: list[float]) -> list[float]:
    for value in values:
        if abs(100 * value - round(100 * value)) > 1e-9:
            raise ValueError(f"should be whole per cents, which name the candidate (got {value:g})")
    return values


class Compress(Section):
    """What each student is compressed to; `epochs` of recovery, half of them on the integer grid."""

    sparsity: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=1)] = [0.0, 0.5]
    weight_bits: Annotated[list[Literal[4, 8]], Field(min_length=1)] = [8]
    activation_bits: Annotated[list[Literal[8, 16]], Field(min_length=1)] = [8, 16]
    block_sparsity: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=1)] = [0.0]
    """Shares of the 1 x 4 blocks of weights that are pruned, beside whole units."""
    epochs: Annotated[int, Field(ge=2, le=1_000_000)] = 20

    @field_validator("activation_bits")
    @classmethod
    @reads("weight_bits")
    def _four_bits_need_eight(cls, values: list[int], info: ValidationInfo) -> list[int]:
        if info.data["weight_bits"] == [4] and 8 not in values:
            raise ValueError("weights of 4 bits go with activations of 8 bits only")
        return values

    @field_validator("sparsity", "block_sparsity")
    @classmethod
    def _named_in_per_cents(cls, values: list[float]) -> list[float]:
        return _whole_per_cents(values)


class Search(Section):
    """How many candidates, in generations of how many, by which objectives, and the seed of everything that is drawn.

    What is tried beside widths, sparsity and bits: lists that are empty leave the value of the other sections.
    `refine`: how many points of the front are trained again, `refine_epochs` times as long, from `refine_seeds` seeds;
    `ablate`: how many are trained without distillation and without stage 2, to see what these are worth.
    """

    candidates: Annotated[int, Field(ge=1, le=10_000)] = 48
    generation: Annotated[int, Field(ge=2, le=512)] = 24
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=4)] = ["error", "flash", "latency"]
    patch: list[Length] = []
    euler_steps: list[Annotated[int, Field(ge=1, le=16)]] = []
    rank: list[Width] = []
    loss: list[LossName] = []
    target_weight: list[Annotated[float, Field(ge=0, le=1)]] = []
    optimizer: list[Optimizer] = []
    refine: Annotated[int, Field(ge=0, le=64)] = 4
    refine_epochs: Annotated[int, Field(ge=1, le=100)] = 2
    refine_seeds: Annotated[int, Field(ge=1, le=32)] = 3
    ablate: Annotated[int, Field(ge=0, le=64)] = 2

    @property
    def seeds(self) -> list[int]:
        """Seeds of what is trained several times."""
        return [self.seed + more for more in range(self.refine_seeds)]

    @field_validator("objectives")
    @classmethod
    def _error_first(cls, values: list[str]) -> list[str]:
        if values[0] != "error":
            raise ValueError("begins with error")
        return values

    @field_validator("target_weight")
    @classmethod
    def _named_in_per_cents(cls, values: list[float]) -> list[float]:
        return _whole_per_cents(values)


class Budget(Section):
    """Limits a chosen candidate keeps, beside those of the board."""

    flash_bytes: Bytes = 65_536
    ram_bytes: Bytes = 16_384
    latency_ms: Annotated[float, Field(gt=0)] = 50.0


def _fits(loss: str, task: TaskSection, where: str) -> None:
    """ValueError when a distillation loss is not for a task."""
    if task.kind not in distillation_losses()[loss].tasks:
        fitting = [name for name, spec in distillation_losses().items() if task.kind in spec.tasks]
        raise ValueError(f"{where}'{loss}' is not for {task.kind}; {', '.join(fitting)} are")


class Config(Section):
    """Everything a run depends on."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    board: str = "nano33ble"
    data: Data
    task: AnyTaskSection
    augment: Augment = Augment()
    teacher: Teacher = Teacher()
    students: Students = Students()
    distill: Distill = Distill()
    compress: Compress = Compress()
    search: Search = Search()
    budget: Budget = Budget()

    def stage_loss(self, stage: Literal["stage1", "stage2"]) -> str:
        """The distillation loss of a stage."""
        return getattr(self.distill, stage) or self.task.output_loss

    base_dir: Path = Field(default=Path(), exclude=True)
    """Folder of the YAML file; `data.table` is relative to it."""

    @field_validator("task")
    @classmethod
    @reads("data")
    def _fits_the_data(cls, task: TaskSection, info: ValidationInfo) -> TaskSection:
        data: Data = info.data["data"]
        _other_columns(task.column, {"data.series": data.series, "data.order": data.order})
        if task.kind in ("estimate", "classify") and task.column in data.inputs:
            raise ValueError(f"{task.kind}: '{task.column}' is among data.inputs, so there is nothing to {task.kind}")
        if task.kind in ("classify", "remaining") and data.divide_by != 1:
            raise ValueError(f"{task.kind}: its answer is no value of a column; remove data.divide_by")
        return task

    @field_validator("augment")
    @classmethod
    @reads("data")
    def _changes_inputs(cls, augment: Augment, info: ValidationInfo) -> Augment:
        inputs = info.data["data"].inputs
        strange = sorted(augment.columns - set(inputs))
        if strange:
            raise ValueError(f"'{strange[0]}' is none of data.inputs: {', '.join(inputs)}")
        return augment

    @field_validator("distill")
    @classmethod
    @reads("task")
    def _losses_fit_the_task(cls, distill: Distill, info: ValidationInfo) -> Distill:
        task: TaskSection = info.data["task"]
        losses = {stage: getattr(distill, stage) or task.output_loss for stage in ("stage1", "stage2")}
        for stage, loss in losses.items():
            _fits(loss, task, f"{stage}: ")
        return distill.model_copy(update=losses)

    @field_validator("search")
    @classmethod
    @reads("task")
    def _searched_losses_fit_the_task(cls, search: Search, info: ValidationInfo) -> Search:
        for loss in search.loss:
            _fits(loss, info.data["task"], "loss: ")
        return search

    @field_validator("search")
    @classmethod
    @reads("data")
    def _patches_divide_the_window(cls, search: Search, info: ValidationInfo) -> Search:
        window = info.data["data"].window
        for patch in search.patch:
            if window % patch:
                raise ValueError(f"patch {patch} does not divide window {window}")
        return search

    @field_validator("name")
    @classmethod
    def _own_header(cls, name: str) -> str:
        if name in C_HEADERS or name.startswith("edgekd"):
            raise ValueError(f"'{name}' is the name of a C header; the firmware's is {name}.h, too")
        return name

    @field_validator("board")
    @classmethod
    def _known_board(cls, name: str) -> str:
        try:
            load_board(name)
        except ConfigError as error:
            raise ValueError(f"{error}; {error.hint}" if error.hint else str(error)) from None
        return name


UNIONS: Unions = {("data", "split"): SPLITS, ("task",): TASKS}
"""Keys under which one of several sections stands."""


def load_config(path: Path) -> Config:
    """Read and check a configuration. ConfigError lists every mistake with file, line and column."""
    document = read_yaml(path)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}:1:1: must be `key: value` lines", hint="edgekd init writes an example")
    config, mistakes = check(document)
    if mistakes or config is None:
        raise ConfigError(listed(path, mistakes), hint=_hint(mistakes))
    return config.model_copy(update={"base_dir": path.resolve().parent})


def check(document: Document) -> tuple[Config | None, list[Mistake]]:
    """The configuration, if there is any, and every mistake in it with its place."""
    mistakes = [(document.position(at, key=True), at, what) for at, what in document.problems]
    try:
        return Config.model_validate(document.value), mistakes
    except ValidationError as error:
        return None, mistakes + list(mistakes_of(error, document, Config, UNIONS))


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML, without paths of this machine."""
    return dump_yaml(config.model_dump(mode="json"))


def _hint(mistakes: list[Mistake]) -> str | None:
    if any(at == ("board",) for _, at, _ in mistakes):
        return f"known boards: {', '.join(board_names())}"
    return None
