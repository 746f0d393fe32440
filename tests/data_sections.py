"""Data sections and tasks small enough to write tables by hand, and pieces of what is read from them."""

from typing import Any

import numpy as np

from edgekd.contracts.config import Data
from edgekd.data.table import Series
from edgekd.data.windows import Windows
from edgekd.tasks.forecast import Forecast

SMALL: dict[str, Any] = {
    "table": "t.csv", "series": "cell", "order": "cycle", "inputs": ["q_Ah"], "window": 6, "stride": 1,
    "train_stride": 1, "patch": 2, "level": 3, "max_gap": 2,
}  # fmt: skip


def section(**changes: Any) -> Data:
    """A data section: 6 samples in, unless `changes` say otherwise."""
    return Data(**SMALL | changes)


def forecast(column: str = "q_Ah", horizon: int = 4) -> Forecast:
    return Forecast(column=column, horizon=horizon)


def series(name: str, target: Any, inputs: Any, **changes: Any) -> Series:
    """A series of samples 1 to n whose targets are all usable, unless `changes` say otherwise."""
    count = len(target)
    fields: dict[str, Any] = {
        "name": name, "group": name, "order": np.arange(1, count + 1), "inputs": inputs, "target": target,
        "usable": np.ones(count, bool), "bound": np.zeros(count, bool), "filled": np.zeros(count, bool), "slices": {},
    }  # fmt: skip
    return Series(**fields | changes)


def windows(raw: Any, target: Any, **changes: Any) -> Windows:
    """Windows of one group, all of whose targets are known, unless `changes` say otherwise."""
    count = len(target)
    fields: dict[str, Any] = {
        "raw": raw, "target": target, "mask": np.ones_like(target, dtype=bool),
        "bound": np.zeros_like(target, dtype=bool), "group": np.zeros(count, dtype=np.int64),
        "start": np.arange(count), "groups": ("a",), "task": forecast(horizon=target.shape[1]),
    }  # fmt: skip
    fields |= changes
    return Windows(**{"series": fields["group"], "series_names": fields["groups"]} | fields)
