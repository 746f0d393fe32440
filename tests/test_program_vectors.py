"""The stored vectors of every operator: the twin computes them, and TFLite-Micro still does."""

import base64
import json
from pathlib import Path
from typing import Any

import make_vectors
import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.program import reference
from edgekd.program.ops import OPERATORS
from edgekd.program.reader import read_tflite

ROOT = Path(__file__).resolve().parent.parent
VECTORS = [
    json.loads(line.rstrip(",")) for line in (ROOT / "tests/vectors/operators.json").read_text().splitlines()[1:-1]
]


def array(packed: dict[str, Any]) -> NDArray[Any]:
    raw = np.frombuffer(base64.b64decode(packed["data"]), np.dtype(packed["dtype"]).newbyteorder("<"))
    return raw.astype(packed["dtype"]).reshape(packed["shape"])


@pytest.mark.parametrize("index", range(len(VECTORS)))
def test_the_twin_computes_the_vector(index: int) -> None:
    case = VECTORS[index]
    outputs = reference.run(read_tflite(base64.b64decode(case["tflite"])), [array(one) for one in case["inputs"]])
    for got, wanted in zip(outputs, map(array, case["outputs"]), strict=True):
        assert np.array_equal(got, wanted)


def test_every_operator_that_can_be_run_has_a_vector() -> None:
    kinds = {case["operator"].split()[0] for case in VECTORS}
    static = {name for name, operator in OPERATORS.items() if operator.static}
    static |= {"READ_VARIABLE", "ASSIGN_VARIABLE"}  # of streams, see test_streaming
    assert kinds | static | {"RELU_N1_TO_1"} == set(OPERATORS)


def test_the_vectors_are_those_of_the_script() -> None:
    pytest.importorskip("tflite_micro")
    for index, (kind, dtype) in list(enumerate(make_vectors.MAKERS))[::5]:
        assert make_vectors.operator(kind, dtype, 0) == VECTORS[make_vectors.OPERATORS_PER_KIND * index]
