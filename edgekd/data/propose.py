"""A configuration proposed for a table: which column is what, with the reason for each as a comment."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.contracts.errors import DataError
from edgekd.contracts.yamlfile import dump_yaml
from edgekd.data.table.read import check_path

MOST_ROWS = 500_000
FEWEST_GROUPS = 5
MOST_CLASSES = 64
PATCH, SHORTEST_WINDOW, LONGEST_WINDOW = 5, 20, 300
MEANT = {
    "forecast": ("capacity", "soh", "target", "value"),
    "remaining": ("capacity", "soh", "health"),
    "estimate": ("soc", "soh", "target", "label", "truth"),
    "classify": ("label", "class", "activity", "movement", "exercise", "gesture", "state"),
}
"""Words in the names of columns that a task is often about."""


@dataclass(frozen=True)
class Choice:
    """A column, or another value, and why."""

    value: Any
    reason: str


def propose(path: Path, task: str, name: str) -> str:
    """A commented configuration for a table. DataError when no column can be the order or what the task is about."""
    frame = _read(path)
    ignore, split = _flag(frame), _split(frame)
    frame = frame.drop(columns=[c for c in (ignore, split and split.value) if c])
    numeric = [column for column in frame.columns if _numeric(frame[column]) and frame[column].nunique() > 1]
    constant = [column for column in frame.columns if frame[column].nunique() <= 1]
    order, series = _order_and_series(frame, numeric, path.name)
    names = [c for c in frame.columns if c not in (*numeric, *constant, series.value)]
    target = _target(frame, task, [c for c in numeric if c not in (order.value, series.value)], names, path.name)
    group = _group(frame, series.value, [c for c in names if c != target.value])
    used = {order.value, series.value, group.value, target.value}
    keep = task in ("forecast", "remaining")
    inputs = [c for c in numeric if c not in used or (keep and c == target.value)]
    if not inputs:
        raise DataError(f"table '{path.name}' has no numeric column left to be an input")
    lengths = frame.groupby(series.value).size()
    window = int(np.clip(lengths.median() // 10 // PATCH * PATCH, SHORTEST_WINDOW, LONGEST_WINDOW))
    lines = [
        f"# Proposed by edgekd for {path.name}: {len(frame)} rows, {len(lengths)} series. Check every line.",
        f"name: {name}",
    ]
    lines += ["board: nano33ble                    # edgekd boards lists them", "data:", f"  table: {_yaml(path.name)}"]
    lines += [_line("series", series), *([_line("group", group)] if group.value != series.value else [])]
    lines += [_line("order", order), *_every(frame, order.value, series.value)]
    ignored = ", ".join([*constant, *(c for c in names if c not in used)])
    unused = f"; not used: {ignored}" if ignored else ""
    lines += [_line("inputs", Choice(inputs, f"numbers that change{unused}"))]
    lines += [_line("ignore", Choice(ignore, "0 and 1, and its name says that such rows are bad"))] if ignore else []
    if split:
        lines += [f"  split: {{column: {_yaml(split.value)}, {split.reason}}}"]
    lines += [_line("window", Choice(window, f"a tenth of the usual series, {lengths.median():g} rows"))]
    lines += [_line("stride", Choice(max(1, window // 10), "a window so many samples after the last one"))]
    lines += [_line("patch", Choice(PATCH, "samples whose means are one step of a network"))]
    return "\n".join([*lines, _task_line(task, frame, target, window)]) + "\n"


def _read(path: Path) -> Any:
    import pandas as pd

    check_path(path)
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, nrows=MOST_ROWS)
    except (ValueError, OSError, ImportError) as error:
        raise DataError(f"table '{path.name}' cannot be read: {str(error).splitlines()[0]}") from None
    if not len(frame):
        raise DataError(f"table '{path.name}' has a header and no rows")
    return frame.reset_index(drop=frame.index.name is None).rename(columns=str)


def _flag(frame: Any) -> str | None:
    """A column of zeros and ones whose name says that rows are bad."""
    words = ("outlier", "ignore", "bad", "invalid", "flag")
    flags = [c for c in frame.columns if any(word in c.lower() for word in words)]
    return next((c for c in flags if set(frame[c].dropna().unique()) == {0, 1}), None)


def _split(frame: Any) -> Choice | None:
    """A column that says what is for training and what for testing."""
    for column in frame.columns:
        if frame[column].nunique() > 8:
            continue
        values = {str(value).lower(): str(value) for value in frame[column].dropna().unique()}
        train, test = (next((v for k, v in sorted(values.items()) if part in k), None) for part in ("train", "test"))
        if train and test:
            val = next((v for k, v in values.items() if k.startswith("val")), None)
            parts = f"train: {_yaml(train)}, test: {_yaml(test)}, val: {_yaml(val) if val else 0.2}"
            return Choice(column, parts)
    return None


def _numeric(column: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _order_and_series(frame: Any, numeric: Sequence[str], file: str) -> tuple[Choice, Choice]:
    """The column that rises most steadily within the values of another one."""
    best: tuple[float, Choice, Choice] | None = None
    for series in frame.columns:
        sizes = frame.groupby(series, sort=False).size()
        if not 1 <= len(sizes) <= len(frame) / 10:
            continue
        for order in [column for column in numeric if column != series]:
            steps = frame.groupby(series, sort=False)[order].diff().dropna()
            usual = float(steps.median()) if len(steps) else 0.0
            share = float((np.isclose(steps, usual)).mean()) if usual > 0 else 0.0
            score = share + 0.02 * (len(sizes) > 1) + 0.01 * (not _numeric(frame[series]))
            if share > 0.8 and (best is None or score > best[0] + 1e-9):
                best = (
                    score,
                    Choice(order, f"rises by {usual:g} in {share:.0%} of the rows of a {series}"),
                    Choice(series, f"{len(sizes)} values of {int(sizes.median())} rows each, usually"),
                )
    if best is None:
        raise DataError(
            f"table '{file}': no column rises steadily within the values of another one",
            hint="add a column that numbers the rows of each series, and one that names the series",
        )
    return best[1], best[2]


def _target(frame: Any, task: str, numeric: Sequence[str], names: Sequence[str], file: str) -> Choice:
    few = [c for c in names if 2 <= frame[c].nunique() <= MOST_CLASSES]
    known = few if task == "classify" else list(numeric)
    if not known:
        what = f"a text column of 2 to {MOST_CLASSES} values" if task == "classify" else "a number that changes"
        raise DataError(f"table '{file}' has no column that {task} could be about", hint=f"it would be {what}")
    for word in MEANT[task]:
        for column in known:
            if word in column.lower():
                return Choice(column, f"its name holds '{word}'")
    return Choice(known[-1], "the last column of its type: a guess")


def _group(frame: Any, series: str, names: Sequence[str]) -> Choice:
    """A column of fewer values than there are series, one for each series."""
    count = frame[series].nunique()
    for column in names:
        if FEWEST_GROUPS <= frame[column].nunique() < count and frame.groupby(series)[column].nunique().max() == 1:
            return Choice(column, f"each {series} has one; never divided by the split")
    return Choice(series, "")


def _every(frame: Any, order: str, series: str) -> list[str]:
    step = float(frame.groupby(series, sort=False)[order].diff().dropna().median())
    return [] if step == 1 else [_line("every", Choice(step, f"{order} rises by {step:g}"))]


def _task_line(task: str, frame: Any, target: Choice, window: int) -> str:
    column = _yaml(target.value)
    if task == "forecast":
        return f"task: {{forecast: {column}, horizon: {window}}}   # {target.reason}"
    if task == "remaining":
        low = float(frame[target.value].quantile(0.2))
        return f"task: {{remaining: {column}, until: {low:.4g}}}   # {target.reason}; the limit is a guess"
    return f"task: {{{task}: {column}}}   # {target.reason}"


def _line(key: str, choice: Choice) -> str:
    return f"  {key}: {_yaml(choice.value)}".ljust(34) + f"  # {choice.reason}"


def _yaml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return dump_yaml(value).removesuffix("...\n").strip() if isinstance(value, str) else f"{value:g}"
