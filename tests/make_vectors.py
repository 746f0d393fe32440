"""Rebuild tests/vectors: what TFLite-Micro computes, for tests in Python and C. Same bytes each time.

    PYTHONPATH=. python tests/make_vectors.py

requantize.json: rows of x, multiplier, shift, result; requantize for int32, requantize_wide for int64 accumulators.
operators.json: per operator the .tflite file, inputs and outputs, in base64; arrays little-endian, [windows, ...].
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from operator_cases import MAKERS, random_inputs
from tflite_builder import Spec, constant, single

from edgekd.program.interpreters import TfliteMicro
from edgekd.program.reader import read_tflite
from edgekd.program.requantize import quantize_multiplier

ROOT = Path(__file__).resolve().parent.parent
ARENA = 1 << 20
WINDOWS = 6
ROWS = 60
FACTORS = (2.0**-31, 1.7e-6, 0.000123, 0.003, 0.5, 0.75, 1 - 2.0**-31)
WIDE_FACTORS = (2.0**-28, 1.7e-6, 0.000123, 0.003, 0.5, 0.75, 0.99999)
OPERATORS_PER_KIND = 2


def requantized(dtype: str, factor: float, rng: np.random.Generator) -> list[list[int]]:
    """Rows of accumulators near the halves and over their range, through the bias of a FULLY_CONNECTED of nothing."""
    bias, limit = ("int32", 127) if dtype == "int8" else ("int64", 32767)
    reach = min(limit / factor, 2**31 - 1 if dtype == "int8" else 2**46)
    sums = np.concatenate(
        [
            np.round((rng.integers(-limit, limit, ROWS // 2) + 0.5) / factor).clip(-reach, reach)
            + rng.integers(-2, 3, ROWS // 2),
            rng.uniform(-reach, reach, ROWS // 2),
        ]
    ).clip(-(2**31), 2**31 - 1 if dtype == "int8" else 2**46)
    sums = sums.astype(np.int64)
    x, y = Spec(shape=(1, 1), dtype=dtype, scale=1.0), Spec(shape=(1, ROWS), dtype=dtype, scale=1.0)
    scales = np.full(ROWS, factor, np.float32)
    content = single(
        "FULLY_CONNECTED", [x, constant(np.ones((ROWS, 1)), "int8", scales), constant(sums, bias, scales)], [y]
    )
    got = TfliteMicro(content, ARENA).run([np.zeros((1, 1), dtype)])[0][0]
    multiplier, shift = quantize_multiplier(float(np.float32(factor)))
    rows = zip(sums.tolist(), got.tolist(), strict=True)
    return [[one, multiplier, shift, out] for one, out in rows if abs(out) < limit]  # not where the output saturates


def operator(kind: str, dtype: str, seed: int) -> dict[str, Any]:
    """A random graph of one operator, with what TFLite-Micro makes of random inputs."""
    rng = np.random.default_rng(seed)
    content = MAKERS[kind, dtype](rng, dtype)
    inputs = random_inputs(read_tflite(content), WINDOWS, rng)
    outputs = TfliteMicro(content, ARENA).run(inputs)
    arrays = {"inputs": inputs, "outputs": outputs}
    return {
        "operator": kind,
        "type": dtype,
        "tflite": base64.b64encode(content).decode(),
        **{name: [_packed(one) for one in group] for name, group in arrays.items()},
    }


def _packed(array: np.ndarray) -> dict[str, Any]:
    data = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def write(name: str, values: Any) -> None:
    """One row per line."""
    path = ROOT / "tests" / "vectors" / name
    path.write_text(values)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    tables = {
        "requantize": [row for factor in FACTORS for row in requantized("int8", factor, rng)],
        "requantize_wide": [row for factor in WIDE_FACTORS for row in requantized("int16", factor, rng)],
    }
    parts = [f'"{name}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for name, rows in tables.items()]
    write("requantize.json", "{\n" + ",\n".join(parts) + "\n}\n")
    cases = [operator(kind, dtype, seed) for kind, dtype in MAKERS for seed in range(OPERATORS_PER_KIND)]
    write("operators.json", "[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
