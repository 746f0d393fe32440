"""Random graphs: TFLite-Micro, the reference interpreter and C give the same integers. See `graph_fuzz` for more."""

from pathlib import Path

import pytest
from graph_fuzz import check

pytest.importorskip("tflite_micro")


@pytest.mark.parametrize("first", [0, 25])
def test_random_graphs(first: int, tmp_path: Path) -> None:
    check(list(range(first, first + 25)), tmp_path)
