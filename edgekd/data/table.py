"""Read a table of measured rows into one series per group, and name everything in it that is not as it should be.

Shapes here and in the rest of `data`: B windows, T samples of a window, F input columns, O forecast steps, n rows of a
series.
"""

import difflib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import DataError

SAMPLE = Path(__file__).parent / "sample.csv.gz"
FIRST_ROW = 2  # the header is row 1, as in a spreadsheet
SHOWN = 5  # rows named in one message
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A")
TRUE, FALSE = {"true", "t", "yes", "y"}, {"false", "f", "no", "n", ""}
UNITS = (
    "Ah",
    "mAh",
    "Wh",
    "V",
    "mV",
    "A",
    "mA",
    "W",
    "ohm",
    "mohm",
    "C",
    "degC",
    "K",
    "F",
    "s",
    "ms",
    "min",
    "h",
    "Hz",
    "Pa",
    "kPa",
)


class DataSection(Protocol):
    """The `data` section of the configuration, as far as this stage reads it."""

    @property
    def table(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def order(self) -> str: ...
    @property
    def inputs(self) -> Iterable[str]: ...
    @property
    def target(self) -> str: ...
    @property
    def divide_by(self) -> float: ...
    @property
    def ignore(self) -> str | None: ...
    @property
    def split(self) -> Any: ...
    @property
    def window(self) -> int: ...
    @property
    def horizon(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def train_stride(self) -> int: ...
    @property
    def patch(self) -> int: ...
    @property
    def level(self) -> int: ...
    @property
    def max_gap(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in the table that was worked around. `row` counts from the header, which is row 1.

    kind: missing_input, missing_target, duplicate_order, unsorted, gap_filled, gap_split, short or units.
    """

    kind: str
    group: str
    row: int
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Consecutive samples of one group, without a gap. A group with long gaps has several series.

    order int64 [n], rising by 1; inputs float32 [n, F] in the table's units, finite; target float32 [n], multiplied by
    1 / divide_by, finite; usable bool [n]: the target was measured and is not ignored; split: value of the split
    column.
    """

    group: str
    order: NDArray[np.int64]
    inputs: NDArray[np.float32]
    target: NDArray[np.float32]
    usable: NDArray[np.bool_]
    split: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """All series long enough for a window, and what was found on the way.

    rows: of the file; ignored: rows whose `ignore` column is set.
    """

    series: tuple[Series, ...]
    problems: tuple[Problem, ...]
    rows: int
    ignored: int

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that are left, sorted: the same for any order of rows."""
        return tuple(sorted({one.group for one in self.series}))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Columns as read, one entry per row of the file. `number` is the row's number in the file."""

    number: NDArray[np.int64]
    group: NDArray[np.object_]
    order: NDArray[np.int64]
    inputs: NDArray[np.float32]
    target: NDArray[np.float32]
    ignored: NDArray[np.bool_]
    split: NDArray[np.object_] | None

    def take(self, index: NDArray[Any]) -> "_Rows":
        """The rows at `index` (positions or a mask)."""
        return _Rows(
            number=self.number[index],
            group=self.group[index],
            order=self.order[index],
            inputs=self.inputs[index],
            target=self.target[index],
            ignored=self.ignored[index],
            split=None if self.split is None else self.split[index],
        )


def read_table(data: DataSection, base_dir: Path) -> Table:
    """Read `data.table`: a .csv, .csv.gz or .parquet relative to `base_dir`, or the built-in `sample`.

    `divide_by` is one number for the target column. Where that column is an input too, the raw value stays in `inputs`
    and the same factor is the preprocessing's `scale`, so that the device is fed physical units.
    DataError for what makes the table unusable, with row numbers; what can be worked around is listed in `problems`.
    """
    path = table_path(data, base_dir)
    rows = _columns(_read_file(path, _needed(data)), data, path.name)
    series: list[Series] = []
    problems: list[Problem] = []
    for member in _by_group(rows.group):
        found, noted = _series_of_group(rows.take(member), data)
        series += found
        problems += noted
    if not series:
        raise DataError(
            _all_short(rows, data, path.name),
            hint=_step_hint(rows, data) or "shorten window or horizon, or raise max_gap",
        )
    problems += _unit_problems(series, rows, data)
    return Table(series=tuple(series), problems=tuple(problems), rows=len(rows.number), ignored=int(rows.ignored.sum()))


def table_path(data: DataSection, base_dir: Path) -> Path:
    """The file that `data.table` names."""
    return SAMPLE if data.table == "sample" else base_dir / data.table


def target_scale(data: DataSection) -> np.float32:
    """The factor of the target column, rounded once to float32: training, firmware and scores use this very number."""
    return np.float32(1.0 / data.divide_by)


def unit_of(column: str) -> str:
    """The unit a column's name ends in (`temperature_C` -> `C`), or '' when it names none."""
    end = column.rsplit("_", 1)[-1]
    return end if end in UNITS and end != column else ""


# ---- the file -------------------------------------------------------------------------------------------------------


def _needed(data: DataSection) -> list[str]:
    column = getattr(data.split, "column", None)
    optional = [name for name in (data.ignore, column) if name]
    return list(dict.fromkeys([data.group, data.order, *data.inputs, data.target, *optional]))


def _text_columns(data: DataSection) -> set[str]:
    column = getattr(data.split, "column", None)
    return {name for name in (data.group, data.ignore, column) if name}


def _read_file(path: Path, needed: list[str]) -> Any:
    """The needed columns as a DataFrame in the order of the file, with its blank lines, so that rows can be counted."""
    import pandas as pd

    if not path.exists():
        near = (
            difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")], 1)
            if path.parent.is_dir()
            else []
        )
        raise DataError(
            f"table '{path}' does not exist",
            hint=f"did you mean '{near[0]}'?" if near else "the path is relative to the YAML file",
        )
    if path.is_dir():
        raise DataError(f"table '{path}' is a folder", hint="name a .csv, .csv.gz or .parquet file in it")
    reader = _read_parquet if path.suffix == ".parquet" else _read_csv
    if not path.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise DataError(
            f"table '{path.name}': the type of file is not known",
            hint="use .csv, .csv.gz or .parquet, or the word sample",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return reader(path, needed)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"table '{path.name}' is empty") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"table '{path.name}' is not UTF-8 text (byte {error.start})", hint="save it as 'CSV UTF-8'"
        ) from error
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"table '{path.name}' cannot be read: permission denied") from error
    except (OSError, EOFError, ValueError, ImportError, pd.errors.ParserWarning) as error:
        raise DataError(f"table '{path.name}' cannot be read: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix(
        "Error tokenizing data. C error: "
    )


def _read_csv(path: Path, needed: list[str]) -> Any:
    import pandas as pd

    head = pd.read_csv(
        path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False
    )
    names = [str(name).strip() for name in head.iloc[0]]
    _check_names(names, needed, path.name)
    return pd.read_csv(
        path,
        header=0,
        names=names
        if len(set(names)) == len(names)
        else [f"{n}" if n in needed else f"{n}#{i}" for i, n in enumerate(names)],
        index_col=False,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        skip_blank_lines=False,
    )[needed]


def _read_parquet(path: Path, needed: list[str]) -> Any:
    import pandas as pd
    from pyarrow import parquet

    _check_names(list(parquet.read_schema(path).names), needed, path.name)
    return pd.read_parquet(path, columns=needed)


def _check_names(names: list[str], needed: list[str], file: str) -> None:
    missing = [name for name in needed if name not in names]
    twice = [name for name in needed if names.count(name) > 1]
    if twice:
        raise DataError(
            f"table '{file}': column '{twice[0]}' is there {names.count(twice[0])} times", hint="rename or remove one"
        )
    if not missing:
        return
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise DataError(
            f"table '{file}': the header has one column, '{names[0][:60]}'", hint="separate columns by commas"
        )
    lower = {name.lower(): name for name in names}
    near = [
        lower[n[0]] if (n := difflib.get_close_matches(name.lower(), list(lower), 1, 0.5)) else "" for name in missing
    ]
    listed = ", ".join(
        f"'{name}'" + (f" (did you mean '{close}'?)" if close else "")
        for name, close in zip(missing, near, strict=True)
    )
    raise DataError(f"table '{file}' has no column {listed}", hint=f"its columns are: {', '.join(names)}")


# ---- the columns ----------------------------------------------------------------------------------------------------


def _columns(frame: Any, data: DataSection, file: str) -> _Rows:
    """Parse every column; all mistakes of all columns are reported in one error."""
    mistakes: list[str] = []
    text = {name: _strings(frame[name]) for name in _text_columns(data)}
    blank = np.ones(len(frame), dtype=bool)
    for name in frame.columns:
        blank &= _strings(frame[name]) == ""
    frame = frame[~blank]
    text = {name: column[~blank] for name, column in text.items()}
    number = np.flatnonzero(~blank).astype(np.int64) + FIRST_ROW
    if not len(frame):
        raise DataError(f"table '{file}' has a header and no rows")
    _note(mistakes, data.group, "is empty", text[data.group] == "", text[data.group], number)
    order = _numbers(frame[data.order], data.order, number, mistakes)
    if order is not None:
        whole = np.isfinite(order) & (np.abs(order) < 2.0**53) & (np.floor(order) == order)
        _note(mistakes, data.order, "is not a whole number", ~whole, _strings(frame[data.order]), number)
    numeric = {
        name: _numbers(frame[name], name, number, mistakes) for name in dict.fromkeys([*data.inputs, data.target])
    }
    ignored = (
        _flags(text[data.ignore], data.ignore, number, mistakes) if data.ignore else np.zeros(len(frame), dtype=bool)
    )
    if mistakes:
        raise DataError(f"table '{file}': " + "; ".join(mistakes), hint="correct these rows; the header is row 1")
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, and is then reported like any infinity
        values = {name: np.asarray(column, dtype=np.float64).astype(np.float32) for name, column in numeric.items()}
    column = getattr(data.split, "column", None)
    return _Rows(
        number=number,
        group=text[data.group],
        order=np.asarray(order).astype(np.int64),
        inputs=np.stack([values[name] for name in data.inputs], axis=1),
        target=values[data.target] * target_scale(data),
        ignored=ignored,
        split=text[column] if column else None,
    )


def _strings(column: Any) -> NDArray[np.object_]:
    """A column as stripped text; a missing value is ''. Whole floats print as integers: 3.0 and '3' are one group."""

    def one(value: Any) -> str:
        if value is None or str(value) in ("<NA>", "NaT", "nan"):
            return ""
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value).strip()

    values = column.to_numpy(dtype=object)
    known = {value: one(value) for value in set(values.tolist())}
    return np.array([known[value] for value in values.tolist()], dtype=object)


def _numbers(column: Any, name: str, number: NDArray[np.int64], mistakes: list[str]) -> NDArray[np.float64] | None:
    """A column as float64, missing values as NaN; None, and a mistake noted, when it holds anything else."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        mistakes.append(f"column '{name}' holds dates, numbers are needed")
        return None
    text = _strings(column)
    parsed = [_parse(value) for value in text.tolist()]
    wrong = np.array([value is None for value in parsed])
    _note(mistakes, name, "is not a number", wrong, text, number)
    return None if wrong.any() else np.array(parsed, dtype=np.float64)


def _parse(text: str) -> float | None:
    """A decimal number, NaN for a missing value, None for anything else."""
    if text in MISSING:
        return np.nan
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _flags(text: NDArray[np.object_], name: str, number: NDArray[np.int64], mistakes: list[str]) -> NDArray[np.bool_]:
    """True where a flag is set: a non-zero number, true or yes. Empty is false."""

    def one(value: str) -> bool | None:
        if value.lower() in TRUE | FALSE:
            return value.lower() in TRUE
        parsed = _parse(value)
        return None if parsed is None else not np.isnan(parsed) and parsed != 0

    known = {value: one(value) for value in set(text.tolist())}
    flags = [known[value] for value in text.tolist()]
    _note(mistakes, name, "is neither true nor false", np.array([flag is None for flag in flags]), text, number)
    return np.array(flags, dtype=bool)


def _note(
    mistakes: list[str],
    name: str,
    what: str,
    wrong: NDArray[np.bool_],
    text: NDArray[np.object_],
    number: NDArray[np.int64],
) -> None:
    """Add one mistake that counts the wrong rows of a column and names the first few."""
    if not wrong.any():
        return
    at = np.flatnonzero(wrong)
    shown = ", ".join(f"row {number[i]}" + (f" ('{str(text[i])[:30]}')" if text[i] else " (empty)") for i in at[:SHOWN])
    mistakes.append(
        f"column '{name}' {what} in {len(at)} row{'s' * (len(at) > 1)}: {shown}{', ...' * (len(at) > SHOWN)}"
    )


# ---- one group ------------------------------------------------------------------------------------------------------


def _by_group(group: NDArray[np.object_]) -> list[NDArray[np.int64]]:
    """Row positions of each group, groups sorted by name, rows in the order of the file."""
    _, code = np.unique(group.astype(str), return_inverse=True)
    by_code = np.argsort(code, kind="stable")
    return np.split(by_code, np.flatnonzero(np.diff(code[by_code])) + 1)


def _series_of_group(rows: _Rows, data: DataSection) -> tuple[list[Series], list[Problem]]:
    """Sort, drop repeated rows, cut at long gaps; what is too short for one window is left out."""
    group = str(rows.group[0])
    split = _one_split(rows, group)
    problems: list[Problem] = []

    def note(kind: str, row: int, message: str) -> None:
        problems.append(Problem(kind=kind, group=group, row=int(row), message=message))

    falls = np.flatnonzero(np.diff(rows.order) < 0)
    if len(falls):
        note("unsorted", rows.number[falls[0] + 1], f"'{data.order}' falls at {len(falls)} rows of this group: sorted")
        rows = rows.take(np.argsort(rows.order, kind="stable"))
    again = np.concatenate([[False], np.diff(rows.order) == 0])
    for i in np.flatnonzero(again):
        note(
            "duplicate_order",
            rows.number[i],
            f"{data.order} {rows.order[i]} is there more than once: the first row is kept",
        )
    rows = rows.take(~again)
    absent = np.diff(rows.order) - 1
    for i in np.flatnonzero(absent > 0):
        kind = "gap_filled" if absent[i] <= data.max_gap else "gap_split"
        done = "inputs carried forward, no targets" if kind == "gap_filled" else "no window crosses this gap"
        note(kind, rows.number[i + 1], f"{absent[i]} missing before {data.order} {rows.order[i + 1]}: {done}")
    series = []
    for part in np.split(np.arange(len(rows.order)), np.flatnonzero(absent > data.max_gap) + 1):
        piece = rows.take(part)
        one = _fill(piece, data, note, split)
        if len(one.order) >= data.window + data.horizon:
            series.append(one)
        else:
            note(
                "short",
                piece.number[0],
                f"{len(one.order)} samples, {data.window + data.horizon} needed for one window: left out",
            )
    return series, sorted(problems, key=lambda one: one.row)


def _one_split(rows: _Rows, group: str) -> str | None:
    if rows.split is None:
        return None
    values = dict.fromkeys(rows.split.tolist())
    if len(values) > 1:
        other = next(i for i in range(len(rows.split)) if rows.split[i] != rows.split[0])
        raise DataError(
            f"group '{group}' is in several splits: {', '.join(repr(v) for v in values)} (row {rows.number[other]})",
            hint="a group must be wholly in one split, or what is tested was trained on",
        )
    return str(rows.split[0])


def _fill(rows: _Rows, data: DataSection, note: Any, split: str | None) -> Series:
    """Carry missing inputs forward as the firmware's push does, and make the order run without gaps."""
    finite = np.isfinite(rows.inputs)
    _note_missing(rows, finite, data, note)
    position = np.arange(len(rows.order))
    last = np.maximum.accumulate(np.where(finite, position[:, None], -1), axis=0)
    ready = (last >= 0).all(axis=1)
    inputs = np.take_along_axis(rows.inputs, np.maximum(last, 0), axis=0)[ready]
    measured = np.isfinite(rows.target)
    seen = np.maximum.accumulate(np.where(measured, position, -1))
    target = np.where(seen >= 0, rows.target[np.maximum(seen, 0)], np.float32(0))[ready]
    usable = (measured & ~rows.ignored)[ready]
    order = rows.order[ready]
    if len(order) == 0:
        return Series(group=str(rows.group[0]), order=order, inputs=inputs, target=target, usable=usable, split=split)
    every = np.arange(order[0], order[-1] + 1)
    at = np.searchsorted(order, every, side="right") - 1
    return Series(
        group=str(rows.group[0]),
        order=every,
        inputs=np.ascontiguousarray(inputs[at]),
        target=target[at],
        usable=usable[at] & (order[at] == every),
        split=split,
    )


def _note_missing(rows: _Rows, finite: NDArray[np.bool_], data: DataSection, note: Any) -> None:
    names = list(data.inputs)
    for i, f in np.argwhere(~finite):
        both = ", no target" if names[f] == data.target else ""
        carried = "carried forward" if finite[:i, f].any() else "dropped, nothing to carry forward yet"
        note("missing_input", rows.number[i], f"'{names[f]}' is {_name_of(rows.inputs[i, f])}: {carried}{both}")
    if data.target not in names:
        for i in np.flatnonzero(~np.isfinite(rows.target)):
            note("missing_target", rows.number[i], f"'{data.target}' is {_name_of(rows.target[i])}: no target")


def _name_of(value: np.float32) -> str:
    return "missing" if np.isnan(value) else "infinite"


# ---- the whole table ------------------------------------------------------------------------------------------------


def _all_short(rows: _Rows, data: DataSection, file: str) -> str:
    sizes = [len(member) for member in _by_group(rows.group)]
    need = f"{data.window + data.horizon} consecutive rows (window {data.window} + horizon {data.horizon})"
    return f"table '{file}': no group has {need}; {len(sizes)} groups, the longest has {max(sizes)} rows"


def _step_hint(rows: _Rows, data: DataSection) -> str | None:
    """When the order usually rises by more than one, every row looks like a gap: say so."""
    steps = np.concatenate([np.diff(np.sort(rows.order[member])) for member in _by_group(rows.group)])
    usual = int(np.median(steps)) if len(steps) else 1
    return f"'{data.order}' usually rises by {usual}, not by 1: divide it by {usual}" if usual > 1 else None


def _unit_problems(series: list[Series], rows: _Rows, data: DataSection) -> list[Problem]:
    """A target that was divided by its nominal value should be near 1: far from it, the units differ."""
    if data.divide_by == 1:
        return []
    measured = np.concatenate([one.target[one.usable] for one in series])
    usual = float(np.median(measured)) if len(measured) else 1.0
    if 0.05 <= usual <= 1.5:
        return []
    message = (
        f"'{data.target}' / {data.divide_by:g} is usually {usual:.4g}, not near 1: is divide_by in the table's unit?"
    )
    return [Problem(kind="units", group=str(rows.group[0]), row=int(rows.number[0]), message=message)]
