"""Numbers that float32 arithmetic cannot work with are found before anything is trained, with their rows.

Everything that follows scales a column by its spread, so units do not matter: what matters is how far single values lie
from the others, and what is left of differences when the values themselves are large.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.data.table.parse import rows_named

LARGEST = 1e18
"""Its square is a float32."""
SMALLEST = 1e-18
FURTHEST = 1e6
"""Spreads from the median: features of such a value would take up the whole range of the integers."""
FINEST = 1e-3
"""Of the spread: float32 must tell values apart that are this close."""
MOST_SAMPLED = 200_000

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Usual:
    """The middle of a column and how far ordinary values are from it."""

    median: float
    spread: float


def unreasonable(name: str, values: F64, number: NDArray[np.int64], *, divisor: float = 1.0) -> list[str]:
    """What is wrong with the magnitudes of a column, [n], each with rows and what to do. Missing values are NaN.

    divisor: what values are divided by before they are used.
    """
    with np.errstate(over="ignore"):
        finite = np.flatnonzero(np.isfinite(values.astype(np.float32)))
    if len(finite) == 0:
        return []
    known = values[finite] / divisor
    usual = _usual(known)

    def rows(wrong: NDArray[np.bool_]) -> str:
        at = finite[wrong]
        return rows_named(at, number, lambda row: f"{values[row]:.9g}")

    if usual.spread > 0:
        far = np.abs(known - usual.median) > FURTHEST * usual.spread
        if far.any():
            return [
                f"column '{name}' is usually within {usual.spread * divisor:.3g} of {usual.median * divisor:.6g} and "
                f"more than a million times further away in {rows(far)}: correct these, or leave them empty (missing "
                "values are carried forward)"
            ]
    most = float(np.abs(known).max())
    if most > LARGEST:
        return [
            f"column '{name}' is above {LARGEST:g} in {rows(np.abs(known) > LARGEST)}: squares of such numbers are no "
            "float32; use a larger unit"
        ]
    if 0 < most < SMALLEST:
        return [f"column '{name}' is nowhere above {SMALLEST:g} (row {number[finite[0]]}): use a smaller unit"]
    finest = float(np.spacing(np.float32(most)))
    if usual.spread > 0 and finest > FINEST * usual.spread:
        return [
            f"column '{name}' differs by {usual.spread * divisor:.3g} around {usual.median * divisor:.9g} (row "
            f"{number[finite[0]]}), where float32 cannot tell apart what differs by less than {finest * divisor:.3g}: "
            f"subtract {usual.median * divisor:.6g} from it in the table"
        ]
    return []


def _usual(known: F64) -> Usual:
    """Median, and the larger of half the width of the middle 99 per cent and, for columns that mostly stand still, the
    median distance of what does not.
    """
    sample = known[:: max(1, len(known) // MOST_SAMPLED)]
    median = float(np.median(sample))
    low, high = np.quantile(sample, 0.005, method="higher"), np.quantile(sample, 0.995, method="lower")
    away = np.abs(known - median)
    moved = away[away > 0]
    middle = float(np.median(moved)) if len(moved) else 0.0
    width = float(high - low) / 2
    return Usual(median, width if width > 0 else middle)
