"""The configuration: one YAML file, checked whole, every mistake reported at once with its line."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from edgekd.board import board_names, load_board
from edgekd.errors import ConfigError
from edgekd.yamlfile import Document, read_yaml

Kind = Literal["liquid", "gru", "mlp"]
LossName = Literal["output_l1", "output_mse", "output_cosine", "memory"]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Frozen; unknown keys and wrong types are mistakes, nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if self.val + self.test >= 1:
            raise ValueError(f"val + test is {self.val + self.test:g}, nothing is left to train on")
        return self


class ColumnSplit(Section):
    """The table says which group is in which part; `val` is a value of the column, or a fraction of `train`."""

    column: Text
    train: Text | int = "train"
    test: Text | int = "test"
    val: Fraction | Text | int = 0.2


def _kind_of_split(fields: Any) -> str:
    named = isinstance(fields, ColumnSplit) or (isinstance(fields, dict) and "column" in fields)
    return "by column" if named else "by fraction"


Split = Annotated[
    Annotated[FractionSplit, Tag("by fraction")] | Annotated[ColumnSplit, Tag("by column")],
    Discriminator(_kind_of_split),
]


class Data(Section):
    """The table and what is forecast from it. Lengths are in samples, which are rows of one group in order."""

    table: Text = "sample"
    group: Text
    order: Text
    inputs: Annotated[list[Text], Field(min_length=1)]
    target: Text
    divide_by: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    ignore: Text | None = None
    split: Split = FractionSplit()
    window: Annotated[int, Field(ge=5, le=4096)]
    horizon: Annotated[int, Field(ge=1, le=4096)]
    stride: Positive = 10
    train_stride: Annotated[int, Field(ge=0)] = 0
    """Of training windows; 0: a fifth of `stride`."""
    patch: Positive = 5
    level: Positive = 9
    max_gap: Annotated[int, Field(ge=0)] = 5

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        if self.window % self.patch:
            raise ValueError(f"patch: {self.patch} does not divide window {self.window}")
        if self.level % 2 == 0 or self.level > self.window:
            raise ValueError(f"level: {self.level} must be odd and at most window {self.window}")
        if not self.train_stride:
            object.__setattr__(self, "train_stride", max(1, self.stride // 5))
        return self


class Teacher(Section):
    """Members are trained together; their mean is the soft target."""

    kind: Kind = "gru"
    hidden: Annotated[int, Field(ge=1, le=512)] = 32
    members: Annotated[int, Field(ge=1, le=64)] = 4
    epochs: Positive = 60


class Students(Section):
    """Widths of each kind; `rank` values between state and forecast (0: none); how all networks are trained."""

    kinds: Annotated[list[Kind], Field(min_length=1)] = ["liquid", "gru", "mlp"]
    hidden: Annotated[list[Annotated[int, Field(ge=1, le=512)]], Field(min_length=1)] = [4, 8, 16, 32]
    rank: Annotated[int, Field(ge=0, le=512)] = 8
    epochs: Positive = 60
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.02
    batch: Positive = 256


class Distill(Section):
    """Losses of the two stages, by name."""

    stage1: LossName = "output_l1"
    stage2: LossName = "output_l1"


class Compress(Section):
    """What each student is compressed to; `epochs` of recovery, half of them on the integer grid."""

    sparsity: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=1)] = [0.0, 0.5]
    weight_bits: Annotated[list[Literal[8]], Field(min_length=1)] = [8]
    activation_bits: Annotated[list[Literal[8, 16]], Field(min_length=1)] = [8, 16]
    epochs: Annotated[int, Field(ge=2)] = 40


class Search(Section):
    """How many candidates, and the seed of everything that is drawn."""

    candidates: Annotated[int, Field(ge=1, le=10_000)] = 16
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Budget(Section):
    """Limits a chosen candidate keeps, beside those of the board."""

    flash_bytes: Positive = 65_536
    ram_bytes: Positive = 16_384
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
    mistakes = [(document.position(at), ".".join(map(str, at)), what) for at, what in document.problems]
    config: Config | None = None
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}:1:1: must be `key: value` lines", hint="edgekd init writes an example")
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        mistakes += [_located(document, loc, what) for loc, what in _explained(error)]
    if mistakes or config is None:
        lines = [f"{path}:{line}:{column}: {key}: {what}" for (line, column), key, what in sorted(mistakes)]
        count = f"{len(lines)} mistakes" if len(lines) > 1 else "1 mistake"
        raise ConfigError("\n".join([f"{count} in the configuration", *lines]), hint=_hint(mistakes))
    return config.model_copy(update={"base_dir": path.resolve().parent})


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML, without paths of this machine."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _located(document: Document, loc: tuple[Any, ...], what: str) -> tuple[tuple[int, int], str, str]:
    path = loc
    head, _, rest = what.partition(": ")  # our own validators name the key they mean
    if rest and head.isidentifier() and (*path, head) in document.positions:
        path, what = (*path, head), rest
    return document.position(path), ".".join(map(str, path)) or "file", what


def _explained(error: ValidationError) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Mistakes in our own words: where, and what is wrong."""
    for one in error.errors(include_url=False):
        loc = tuple(part for part in one["loc"] if part not in ("by fraction", "by column"))
        kind, context = one["type"], one.get("ctx", {})
        inner = context.get("error")
        if kind == "extra_forbidden":
            yield loc, _unknown(loc)
        elif kind == "missing":
            yield loc, "required key is missing"
        elif inner is not None:
            yield loc, str(inner)
        else:
            yield loc, f"{_lower(one['msg'])} (got {_short(one['input'])})"


def _unknown(loc: tuple[Any, ...]) -> str:
    section: type[BaseModel] = Config
    for part in loc[:-1]:
        found = section.model_fields[part].annotation if part in section.model_fields else None
        if part == "split":
            found = ColumnSplit
        section = found if isinstance(found, type) and issubclass(found, BaseModel) else section
    near = difflib.get_close_matches(str(loc[-1]), section.model_fields, n=1)
    return "unknown key" + (f", did you mean '{near[0]}'?" if near else "")


def _lower(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Input should", "should")
    return text[:1].lower() + text[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _hint(mistakes: list[Any]) -> str | None:
    if any("board" in key for _, key, _ in mistakes):
        return f"known boards: {', '.join(board_names())}"
    return None


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
distill: {stage1: output_l1, stage2: output_l1}     # or output_mse, output_cosine, memory
compress: {sparsity: [0.0, 0.5], weight_bits: [8], activation_bits: [8, 16]}
search: {candidates: 16, seed: 0}
budget: {flash_bytes: 65536, ram_bytes: 16384, latency_ms: 50}
"""
