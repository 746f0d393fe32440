"""Tables that a model was not trained on: their inputs are read as those of the run, targets may be absent."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgekd.contracts.config import Data, FractionSplit
from edgekd.contracts.errors import DataError
from edgekd.data.table import Series, read_table
from edgekd.tasks import Estimate

F32 = NDArray[np.float32]


def read_inputs(data: Data, table: Path) -> list[Series]:
    """Read the series of another table with the run's input columns; target, flags and split are not needed.

    DataError when the table lacks what the model was trained on.
    """
    inputs = data.model_copy(
        update={
            "table": str(table),
            "group": data.series,
            "ignore": None,
            "slices": [],
            "divide_by": 1.0,
            "split": FractionSplit(),
        }
    )
    return list(read_table(inputs, Estimate(column=data.inputs[0]), Path()).series)


def read_group(data: Data, table: Path, group: str) -> Series:
    """Read the longest piece of one series of another table. DataError when the table does not have it."""
    series = read_inputs(data, table)
    parts = [part for part in series if part.name == group]
    if not parts:
        known = ", ".join(sorted({part.name for part in series})[:8])
        raise DataError(f"{table} has no series '{group}'", hint=f"it has {known}")
    return max(parts, key=lambda part: len(part.order))


def windows_to_the_end(series: Series, window: int, stride: int) -> tuple[NDArray[np.integer[Any]], F32]:
    """Cut windows back from the last sample: the order of their last samples [B], and raw windows [B, T, F]."""
    starts = np.arange(len(series.order) - window, -1, -stride)[::-1]
    raw = sliding_window_view(series.inputs, window, axis=0)[starts].transpose(0, 2, 1)
    return series.order[starts + window - 1], np.ascontiguousarray(raw)


def own_unit(forecasts: F32, divide_by: float) -> NDArray[np.float64]:
    """Forecasts as models make them, in units of `divide_by`, in the unit of the target's column."""
    return forecasts.astype(np.float64) * divide_by
