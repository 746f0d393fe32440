"""What was read and how it was divided, as plain numbers: for `edgekd check` and the report."""

from collections.abc import Mapping

from edgekd.contracts.results import DataSummary, PartSummary, SplitSummary
from edgekd.data.split import Split
from edgekd.data.table import Table
from edgekd.data.windows import Windows


def describe(table: Table, split: Split, windows: Mapping[str, Windows]) -> DataSummary:
    """Count rows, groups, windows by part, and problems by kind; `left_out` names groups without a window."""
    kept = set(table.groups)
    parts = {name: _part(table, groups, windows[name]) for name, groups in split.parts().items()}
    return DataSummary(
        rows=table.rows,
        ignored=table.ignored,
        groups=len(kept),
        left_out=sorted({problem.group for problem in table.problems if problem.kind == "short"} - kept),
        unused=list(split.unused),
        parts=SplitSummary(**parts),
        problems=dict(table.counts) | _of_windows(table, split, windows),
    )


def _of_windows(table: Table, split: Split, windows: Mapping[str, Windows]) -> dict[str, int]:
    """What is to be known about the windows: of how many the label changes, and whether parts share their series."""
    mixed = sum(part.mixed for part in windows.values())
    return ({"mixed_label": mixed} if mixed else {}) | ({"split_by_time": len(table.groups)} if split.times else {})


def _part(table: Table, groups: tuple[str, ...], windows: Windows) -> PartSummary:
    return PartSummary(
        groups=len(groups),
        samples=sum(len(series.order) for series in table.series if series.group in groups),
        windows=len(windows),
        usable_targets=int(windows.mask.sum()),
        names=list(groups),
    )
