"""The configuration: one YAML file, checked whole, every mistake reported at once with its line."""

import difflib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, ValidationInfo, field_validator

from edgekd.contracts.board import board_names, load_board
from edgekd.contracts.declarations import distillation_losses, model_kinds
from edgekd.contracts.errors import ConfigError
from edgekd.contracts.yamlfile import Document, Position, dump_yaml, read_yaml

if TYPE_CHECKING:
    Kind = str
    LossName = str
else:
    Kind = Literal[tuple(model_kinds())]
    LossName = Literal[tuple(distillation_losses())]
Optimizer = Literal["adamw", "muon"]
Objective = Literal["error", "flash", "latency", "ram", "energy"]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Length = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[int, Field(ge=1, le=512)]
Bytes = Annotated[int, Field(ge=1, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]
Loc = tuple[int | str, ...]
Rule = Callable[[Any, Any, ValidationInfo], Any]

SMALLEST_DIVISOR = 1e-9  # its inverse must be a float32
C_HEADERS = (
    "arduino", "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale",
    "math", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "tgmath",
    "time", "wchar", "wctype",
)  # fmt: skip


def reads(*keys: str) -> Callable[[Rule], Rule]:
    """Mark a rule between keys: it is skipped where a key that it reads is missing or wrong, which is reported itself.

    Goes below `classmethod`; the rule finds the keys in `info.data`, so they must be declared before its own.
    """

    def decorate(rule: Rule) -> Rule:
        @functools.wraps(rule)
        def checked(cls: type, value: Any, info: ValidationInfo) -> Any:
            return rule(cls, value, info) if all(key in info.data for key in keys) else value

        return checked

    return decorate


class Section(BaseModel):
    """Frozen; unknown keys and wrong types are mistakes, nothing is converted, numbers are finite.

    Rules between keys belong to the later key's own validator: so they are reported beside all other mistakes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    @field_validator("*")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError("has an entry twice")
        return value


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


def _other_part(value: Any, part: str, info: ValidationInfo) -> Any:
    if str(info.data[part]) == str(value):
        raise ValueError(f"is '{value}', as {part} is: a group is in one part only")
    return value


def _kind_of_split(fields: Any) -> str:
    named = isinstance(fields, ColumnSplit) or (isinstance(fields, dict) and "column" in fields)
    return "by column" if named else "by fraction"


Split = Annotated[
    Annotated[FractionSplit, Tag("by fraction")] | Annotated[ColumnSplit, Tag("by column")],
    Discriminator(_kind_of_split),
]
_SPLITS: dict[int | str, type[BaseModel]] = {"by fraction": FractionSplit, "by column": ColumnSplit}


class Data(Section):
    """The table and what is forecast from it. Lengths are in samples, which are rows of one group in order."""

    table: Text = "sample"
    group: Text
    order: Text
    inputs: Annotated[list[Text], Field(min_length=1, max_length=64)]
    target: Text
    divide_by: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    ignore: Text | None = None
    split: Split = FractionSplit()
    window: Annotated[int, Field(ge=5, le=4096)]
    horizon: Length
    stride: Count = 10
    train_stride: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Of training windows, which may overlap more than those that are scored; 0: a fifth of `stride`."""
    patch: Length = 5
    level: Length = 9
    max_gap: Annotated[int, Field(ge=0, le=4096)] = 5

    @field_validator("order", "inputs", "target", "ignore")
    @classmethod
    @reads("group")
    def _other_than_group(cls, value: Any, info: ValidationInfo) -> Any:
        named = value if isinstance(value, list) else [value]
        if info.data["group"] in named:
            raise ValueError(f"is '{info.data['group']}', the column that names the group")
        return value

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
    """Losses of the two stages, by name."""

    stage1: LossName = "output_l1"
    stage2: LossName = "output_l1"


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


class Config(Section):
    """Everything a run depends on."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    board: str = "nano33ble"
    data: Data
    teacher: Teacher = Teacher()
    students: Students = Students()
    distill: Distill = Distill()
    compress: Compress = Compress()
    search: Search = Search()
    budget: Budget = Budget()
    base_dir: Path = Field(default=Path(), exclude=True)
    """Folder of the YAML file; `data.table` is relative to it."""

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


def load_config(path: Path) -> Config:
    """Read and check a configuration. ConfigError lists every mistake with file, line and column."""
    document = read_yaml(path)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}:1:1: must be `key: value` lines", hint="edgekd init writes an example")
    config, mistakes = check(document)
    if mistakes or config is None:
        raise ConfigError(_listed(path, mistakes), hint=_hint(mistakes))
    return config.model_copy(update={"base_dir": path.resolve().parent})


def check(document: Document) -> "tuple[Config | None, list[Mistake]]":
    """The configuration, if there is any, and every mistake in it with its place."""
    mistakes = [(document.position(at, key=True), at, what) for at, what in document.problems]
    try:
        return Config.model_validate(document.value), mistakes
    except ValidationError as error:
        return None, mistakes + list(_mistakes(error, document))


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML, without paths of this machine."""
    return dump_yaml(config.model_dump(mode="json"))


Mistake = tuple[Position, Loc, str]


def _listed(path: Path, mistakes: list[Mistake]) -> str:
    lines = [
        f"{path}:{line}:{column}: {'.'.join(map(str, at)) or 'file'}: {what}"
        for (line, column), at, what in sorted(mistakes, key=lambda one: (one[0], str(one[1])))
    ]
    count = f"{len(lines)} mistakes" if len(lines) > 1 else "1 mistake"
    return "\n".join([f"{count} in the configuration", *lines])


def _hint(mistakes: list[Mistake]) -> str | None:
    if any(at == ("board",) for _, at, _ in mistakes):
        return f"known boards: {', '.join(board_names())}"
    return None


_WORDS = {
    "dict_type": "must hold `key: value` lines",
    "model_type": "must hold `key: value` lines",
    "list_type": "must be a list, as [a, b]",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be lower-case letters, digits and _, at most 32, a letter first",
}


def _mistakes(error: ValidationError, document: Document) -> Iterator[Mistake]:
    """Mistakes in our own words: where, and what is wrong."""
    for one in error.errors(include_url=False):
        loc, kind = tuple(part for part in one["loc"] if part not in _SPLITS), one["type"]
        if kind == "extra_forbidden":
            yield document.position(loc, key=True), loc, _unknown(one["loc"])
        elif kind == "missing":
            yield document.position(loc[:-1], key=True), loc, "required key is missing"
        elif kind == "value_error":
            yield document.position(loc), loc, str(one["ctx"]["error"])
        else:
            message = f"{_WORDS.get(kind, _lower(one['msg']))} (got {_short(one['input'])})"
            yield document.position(loc), loc, message + _former_value(one["input"])


def _former_value(value: Any) -> str:
    """Name a distillation loss whose name has changed."""
    renamed = [loss.name for loss in distillation_losses().values() if loss.former_name and loss.former_name == value]
    return f", which is '{renamed[0]}' now" if renamed else ""


RENAMED = {"blocks": "block_sparsity", "optimiser": "optimizer", "substeps": "euler_steps"}
"""Keys of release 0.1 under their present names."""


def _unknown(loc: Loc) -> str:
    """Name the nearest key of the section, or the section that has such a key."""
    section = next(section for section, at in _sections() if at == loc[:-1])
    near = [
        new for old, new in RENAMED.items() if old == loc[-1] and new in section.model_fields
    ] or difflib.get_close_matches(str(loc[-1]), section.model_fields, n=1)
    elsewhere = [".".join(map(str, (*at, loc[-1]))) for other, at in _sections() if loc[-1] in other.model_fields]
    if near or elsewhere:
        return f"unknown key, did you mean '{(near or elsewhere)[0]}'?"
    return f"unknown key; known are {', '.join(name for name in section.model_fields if name != 'base_dir')}"


def _sections() -> Iterator[tuple[type[BaseModel], Loc]]:
    """Every section with its place, as pydantic writes it."""
    yield Config, ()
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield field.annotation, (name,)
    for tag, section in _SPLITS.items():
        yield section, ("data", "split", tag)


def _lower(message: str) -> str:
    text = message.replace("Input should", "should")
    return text[:1].lower() + text[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


TEMPLATE = """\
# edgekd compress NAME.yaml: from a table of measured cycles to firmware. Lengths are in samples (rows of one group).
name: NAME                          # of the run, the firmware and its C functions
board: nano33ble                    # edgekd boards lists them
data:
  table: sample                     # built in and simulated; or a path to .csv, .csv.gz or .parquet
  group: cell_id                    # rows of one group are one series; a group is never split
  order: cycle                      # whole numbers, rising by 1
  inputs: [discharge_capacity_Ah]   # what the device measures
  target: discharge_capacity_Ah     # what it forecasts
  divide_by: 1.1                    # nominal capacity in Ah: forecasts are state of health
  ignore: is_outlier                # such rows are no targets, and are cleaned causally as inputs
  split: {val: 0.15, test: 0.25}    # by group; or {column: split, train: train, test: test1, val: 0.2}
  window: 100
  horizon: 100
  stride: 10
teacher: {kind: gru, hidden: 32, members: 4}        # its members' mean is what the students learn from
students: {kinds: [liquid, gru, mlp], hidden: [4, 8, 16, 32]}
distill: {stage1: output_l1, stage2: output_l1}     # or output_mse, output_cosine, memkd
compress: {sparsity: [0.0, 0.5], weight_bits: [8], activation_bits: [8, 16]}
search: {candidates: 48, patch: [5, 10], seed: 0}     # or edgekd compress --candidates, --time
budget: {flash_bytes: 65536, ram_bytes: 16384, latency_ms: 50}
"""
