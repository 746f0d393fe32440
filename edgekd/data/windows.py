"""Cut series into windows of raw samples and the targets that follow, never across a gap, a group or a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgekd.contracts.errors import DataError
from edgekd.data.split import Split
from edgekd.data.table import DataSection, Series, Table

USABLE_FRACTION = 0.5  # of the horizon; windows with fewer measured targets are left out


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Windows of one part of the split, by group and then by time.

    raw float32 [B, T, F] in the table's units; target float32 [B, O], finite; mask bool [B, O]: the target was measured
    and is not ignored, errors count here only; group int64 [B] indexes `groups`; start int64 [B]: order of the first
    sample.
    """

    raw: NDArray[np.float32]
    target: NDArray[np.float32]
    mask: NDArray[np.bool_]
    group: NDArray[np.int64]
    start: NDArray[np.int64]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.raw)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Windows":
        """The windows at `index`, with the same `groups`."""
        return Windows(
            raw=self.raw[index],
            target=self.target[index],
            mask=self.mask[index],
            group=self.group[index],
            start=self.start[index],
            groups=self.groups,
        )


def cut(series: Sequence[Series], groups: Sequence[str], data: DataSection, stride: int) -> Windows:
    """All windows of `groups`, one every `stride` samples within each series.

    A window is kept when its `window` samples and `horizon` targets lie inside the series and at least half of the
    targets are usable.
    """
    index = {name: i for i, name in enumerate(groups)}
    ours = sorted((one for one in series if one.group in index), key=lambda one: (index[one.group], one.order[0]))
    columns = ours[0].inputs.shape[1] if ours else len(list(data.inputs))
    pieces = [_cut_one(one, index[one.group], data, stride) for one in ours] or [_nothing(columns, data)]
    raw, target, mask, group, start = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return Windows(raw=raw, target=target, mask=mask, group=group, start=start, groups=tuple(groups))


def cut_split(table: Table, split: Split, data: DataSection) -> dict[str, Windows]:
    """Windows of train, cut every `train_stride` samples, and of val and test. DataError when a part has none."""
    strides = {"train": data.train_stride, "val": data.stride, "test": data.stride}
    parts = {part: cut(table.series, groups, data, strides[part]) for part, groups in split.parts().items()}
    empty = [part for part, windows in parts.items() if len(windows) == 0]
    if empty:
        counts = ", ".join(f"{part} {len(windows)}" for part, windows in parts.items())
        raise DataError(
            f"no windows for {' and '.join(empty)} ({counts}): fewer than half of the targets of each are usable",
            hint="look at the column named by ignore, and at missing targets",
        )
    return parts


_Piece = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]


def _cut_one(one: Series, group: int, data: DataSection, stride: int) -> _Piece:
    t, o = data.window, data.horizon
    starts = np.arange(0, len(one.order) - t - o + 1, stride)
    if len(starts) == 0:
        return _nothing(one.inputs.shape[1], data)
    mask = sliding_window_view(one.usable, o)[starts + t]
    starts, mask = starts[keep := mask.mean(axis=1) >= USABLE_FRACTION], mask[keep]
    raw = sliding_window_view(one.inputs, t, axis=0)[starts].transpose(0, 2, 1)
    target = sliding_window_view(one.target, o)[starts + t]
    return np.ascontiguousarray(raw), target, mask, np.full(len(starts), group, dtype=np.int64), one.order[starts]


def _nothing(columns: int, data: DataSection) -> _Piece:
    raw = np.empty((0, data.window, columns), dtype=np.float32)
    target = np.empty((0, data.horizon), dtype=np.float32)
    none = np.empty(0, dtype=np.int64)
    return raw, target, np.empty((0, data.horizon), dtype=bool), none, none
