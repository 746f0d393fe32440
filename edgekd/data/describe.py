"""What was read and how it was divided, as plain numbers: for `edgekd check` and the report."""

from collections.abc import Mapping
from typing import Any

from edgekd.data.split import Split
from edgekd.data.table import Table
from edgekd.data.windows import Windows


def describe(table: Table, split: Split, windows: Mapping[str, Windows]) -> dict[str, Any]:
    """Counts of rows, groups, windows by part, and problems by kind; `left_out` names groups without a window."""
    kept = set(table.groups)
    short = sorted({one.group for one in table.problems if one.kind == "short"} - kept)
    return {
        "rows": table.rows,
        "ignored": table.ignored,
        "groups": len(kept),
        "left_out": short,
        "unused": list(split.unused),
        "parts": {name: _part(table, groups, windows[name]) for name, groups in split.parts().items()},
        "problems": dict(table.counts),
    }


def _part(table: Table, groups: tuple[str, ...], windows: Windows) -> dict[str, Any]:
    samples = sum(len(one.order) for one in table.series if one.group in groups)
    return {
        "groups": len(groups),
        "samples": samples,
        "windows": len(windows),
        "usable_targets": int(windows.mask.sum()),
        "names": list(groups),
    }
