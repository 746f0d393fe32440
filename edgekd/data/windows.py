"""Cut series into windows of raw samples and their targets, never across a gap, a series or a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgekd.contracts.config import Data
from edgekd.contracts.errors import DataError
from edgekd.data.split import Split
from edgekd.data.table import Series, Table
from edgekd.tasks import Task

USABLE_FRACTION = 0.5  # of the targets; windows with fewer known ones are left out
_PER_WINDOW = ("raw", "target", "mask", "bound", "group", "series", "start")


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Windows of one part of the split, by group, series and time.

    raw float32 [B, T, F] in the table's units; target float32 [B, S], finite; mask bool [B, S]: the target is known
    and not ignored, errors count here only; bound bool [B, S]: the truth is the target or more; group int64 [B] indexes
    `groups`, series int64 [B] `series_names`; start int64 [B]: order of the first sample; slices: values of further
    columns at each window's end, [B], by column; mixed: windows left out because their label changes.
    """

    raw: NDArray[np.float32]
    target: NDArray[np.float32]
    mask: NDArray[np.bool_]
    bound: NDArray[np.bool_]
    group: NDArray[np.int64]
    series: NDArray[np.int64]
    start: NDArray[np.int64]
    task: Task
    groups: tuple[str, ...]
    series_names: tuple[str, ...]
    slices: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    mixed: int = 0

    def __len__(self) -> int:
        return len(self.raw)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Windows":
        """The windows at `index`, with the same names."""
        arrays = {name: getattr(self, name)[index] for name in _PER_WINDOW}
        slices = {name: values[index] for name, values in self.slices.items()}
        rest = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in (*arrays, "slices")}
        return Windows(**arrays, **rest, slices=slices)


def cut(series: Sequence[Series], groups: Sequence[str], data: Data, task: Task, stride: int) -> Windows:
    """All windows of `groups`, one every `stride` samples within each series.

    A window is kept when its samples and targets lie inside the series, at least half of its targets are usable, and
    all of its samples have one label where the task is about labels.
    """
    index = {name: i for i, name in enumerate(groups)}
    members = [piece for piece in series if piece.group in index]
    members.sort(key=lambda piece: (index[piece.group], piece.name, piece.order[0]))
    names = tuple(dict.fromkeys(piece.name for piece in members))
    place = {name: i for i, name in enumerate(names)}
    kept = [_starts(piece, data, task, stride) for piece in members]
    counts = [len(starts) for starts, _ in kept]
    columns = members[0].inputs.shape[1] if members else len(data.inputs)
    total, t, s = sum(counts), data.window, task.steps
    raw = np.empty((total, t, columns), dtype=np.float32)
    target = np.empty((total, s), dtype=np.float32)
    mask, bound = np.empty((total, s), dtype=bool), np.empty((total, s), dtype=bool)
    start = np.empty(total, dtype=np.int64)
    slices = {name: np.empty(total, dtype="<U256") for name in data.slices}
    first = 0
    for piece, (starts, _) in zip(members, kept, strict=True):
        to = slice(first, first + len(starts))
        ahead = starts + t - 1 + task.lead
        if len(starts):
            raw[to] = sliding_window_view(piece.inputs, t, axis=0)[starts].transpose(0, 2, 1)
            target[to] = sliding_window_view(piece.target, s)[ahead]
            mask[to] = sliding_window_view(piece.usable, s)[ahead]
            bound[to] = sliding_window_view(piece.bound, s)[ahead]
            start[to] = piece.order[starts]
        for name, values in slices.items():
            texts = piece.slices[name]
            values[to] = [texts[row] for row in starts + t - 1]
        first += len(starts)
    return Windows(
        raw=raw,
        target=target,
        mask=mask,
        bound=bound,
        group=np.repeat([index[piece.group] for piece in members], counts).astype(np.int64),
        series=np.repeat([place[piece.name] for piece in members], counts).astype(np.int64),
        start=start,
        task=task,
        groups=tuple(groups),
        series_names=names,
        slices={name: values.astype(np.str_) for name, values in slices.items()},
        mixed=sum(mixed for _, mixed in kept),
    )


def cut_split(table: Table, split: Split, data: Data) -> dict[str, Windows]:
    """Windows of train, cut every `train_stride` samples, and of val and test. DataError when a part has none."""
    strides = {"train": data.train_stride, "val": data.stride, "test": data.stride}
    parts = {
        part: cut(_of_part(table, split, part), groups, data, table.task, strides[part])
        for part, groups in split.parts().items()
    }
    empty = [part for part, windows in parts.items() if not windows.mask.any()]
    if empty:
        counts = ", ".join(f"{part} {len(windows)}" for part, windows in parts.items())
        raise DataError(
            f"no windows for {' and '.join(empty)} ({counts}): {_why_none(table, split.parts()[empty[0]])}",
            hint=_remedy(table, data),
        )
    return parts


def _of_part(table: Table, split: Split, part: str) -> Sequence[Series]:
    """All series; for a split by time, the samples of each that belong to a part."""
    return [piece.between(*split.times[part]) for piece in table.series] if split.times else table.series


def _starts(piece: Series, data: Data, task: Task, stride: int) -> tuple[NDArray[np.int64], int]:
    """First samples of the windows of a series, and how many were left out because their label changes."""
    t, s = data.window, task.steps
    starts = np.arange(0, len(piece.order) - t - s * task.lead + 1, stride)
    if len(starts) == 0:
        return starts, 0
    usable = sliding_window_view(piece.usable, s)[starts + t - 1 + task.lead].mean(axis=1)
    starts = starts[usable >= USABLE_FRACTION]
    whole = task.whole(sliding_window_view(piece.target, t)[starts]) if len(starts) else np.empty(0, dtype=bool)
    return starts[whole], int((~whole).sum())


def _why_none(table: Table, groups: Sequence[str]) -> str:
    """What keeps the targets of some groups from being used, in shares of their samples."""
    pieces = [piece for piece in table.series if piece.group in groups]
    if not pieces:
        return "their series are too short"
    filled = float(np.concatenate([piece.filled for piece in pieces]).mean())
    usable = float(np.concatenate([piece.usable for piece in pieces]).mean())
    gap = next((p.message for p in table.problems if p.kind == "gap_filled" and p.group == pieces[0].name), "")
    where = f", as {gap.partition(':')[0]} of '{pieces[0].name}'" if gap else ""
    return (
        f"of their samples {usable:.0%} have a usable target, {filled:.0%} lie in gaps that were filled{where}, "
        f"{max(0.0, 1 - usable - filled):.0%} are ignored or have no target"
    )


def _remedy(table: Table, data: Data) -> str:
    filled = float(np.concatenate([piece.filled for piece in table.series]).mean())
    if filled > 1 - USABLE_FRACTION:
        return f"every: N takes one sample in N of '{data.order}', so that rows that are N apart have no gaps"
    if data.ignore and table.ignored > table.rows / 4:
        return f"'{data.ignore}' flags {table.ignored} of {table.rows} rows: are these the right ones?"
    return f"look at missing values of '{table.task.column}'" + (f" and at '{data.ignore}'" if data.ignore else "")


def evenly_spaced(raw: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """At most `count` of the windows [B, T, F], spread from the first to the last."""
    return raw[np.linspace(0, len(raw) - 1, min(count, len(raw))).astype(int)]
