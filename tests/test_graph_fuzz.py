"""Random graphs: TFLite-Micro, the reference interpreter and C give equal integers. `graph_fuzz` takes any number."""

from pathlib import Path

import pytest
from graph_fuzz import check

pytest.importorskip("tflite_micro")


@pytest.mark.parametrize("first", [0, 25])
def test_random_graphs(first: int, tmp_path: Path) -> None:
    check(list(range(first, first + 25)), tmp_path)
