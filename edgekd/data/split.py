"""Divide groups into train, validation and test. A group is wholly in one of them, or what is tested was trained on."""

import difflib
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekd.contracts.config import ColumnSplit, FractionSplit, TimeSplit
from edgekd.contracts.errors import DataError
from edgekd.data.table import Table


@dataclass(frozen=True, kw_only=True)
class Split:
    """Names of the groups of each part, sorted; `unused` holds groups whose split column names another part.

    times: by part, the share of each series where it begins and where it ends; None where whole groups are divided.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    unused: tuple[str, ...] = ()
    times: Mapping[str, tuple[float, float]] | None = None

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The three parts by name, in the order train, val, test."""
        return {"train": self.train, "val": self.val, "test": self.test}


def split_groups(table: Table, split: FractionSplit | ColumnSplit | TimeSplit, seed: int) -> Split:
    """Split the groups of `table`: by fractions, by a column of the table, or each series by time.

    For a split by column, `val` is a fraction of the training groups or a value of the column. The same seed gives the
    same split for any order of rows.
    DataError when a part is empty.
    """
    if isinstance(split, TimeSplit):
        test = 1 - split.time
        times = {"train": (0.0, test - split.val), "val": (test - split.val, test), "test": (test, 1.0)}
        return Split(train=table.groups, val=table.groups, test=table.groups, times=times)
    if isinstance(split, ColumnSplit):
        result = _by_column(table, split, seed)
    else:
        sizes = largest_remainder(len(table.groups), (1 - split.val - split.test, split.val, split.test))
        names = shuffled(table.groups, seed)
        train, val = sizes[0], sizes[0] + sizes[1]
        result = _split(names[:train], names[train:val], names[val:])
    _check(result, len(table.groups))
    return result


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """Names in an order drawn by hashing each with the seed: independent of the other names and of NumPy's version."""
    return sorted(names, key=lambda name: (hashlib.sha256(f"{seed}:{name}".encode()).digest(), name))


def largest_remainder(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that sum to `total` and are nearest to `shares` of it (Hare quota); ties go to the first."""
    exact = [total * share for share in shares]
    counts = [int(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _by_column(table: Table, split: ColumnSplit, seed: int) -> Split:
    value_of = {one.group: one.split for one in table.series}
    counts = Counter(value_of.values())
    by_value = not isinstance(split.val, float)
    wanted = {"train": str(split.train), "test": str(split.test)} | ({"val": str(split.val)} if by_value else {})
    _check_values(wanted, counts, split.column)
    groups = {part: [name for name in table.groups if value_of[name] == value] for part, value in wanted.items()}
    if isinstance(split.val, float):
        train = shuffled(groups["train"], seed)
        keep = largest_remainder(len(train), (1 - split.val, split.val))[0]
        groups |= {"train": train[:keep], "val": train[keep:]}
    unused = [name for name in table.groups if value_of[name] not in wanted.values()]
    return _split(groups["train"], groups["val"], groups["test"], unused)


def _split(train: Sequence[str], val: Sequence[str], test: Sequence[str], unused: Sequence[str] = ()) -> Split:
    train, val, test, unused = (tuple(sorted(part)) for part in (train, val, test, unused))
    return Split(train=train, val=val, test=test, unused=unused)


def _check_values(wanted: Mapping[str, str], counts: Mapping[str | None, int], column: str) -> None:
    values = [str(value) for value in counts]
    for part, value in wanted.items():
        if value not in values:
            near = difflib.get_close_matches(value, values, 1)
            held = ", ".join(f"'{name}' ({count} groups)" for name, count in counts.items())
            hint = f"did you mean '{near[0]}'?" if near else f"set split.{part} to one of these values"
            raise DataError(f"split.{part}: no group has '{value}' in column '{column}'; it holds {held}", hint=hint)
    if len(set(wanted.values())) < len(wanted):
        pairs = ", ".join(f"{part}: {value}" for part, value in wanted.items())
        raise DataError(
            f"split: two parts have the same value of column '{column}' ({pairs})",
            hint="a group must be in one part only",
        )


def _check(split: Split, groups: int) -> None:
    sizes = {part: len(names) for part, names in split.parts().items()}
    empty = [part for part, size in sizes.items() if size == 0]
    if empty:
        counts = ", ".join(f"{part} {size}" for part, size in sizes.items())
        raise DataError(
            f"split: {' and '.join(empty)} would be empty: of {groups} groups, {counts}",
            hint="raise its fraction, or add groups",
        )
