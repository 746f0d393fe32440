"""A fully connected layer, a share of whose 1 x 4 blocks of weights are zero."""

import numpy as np
from tflite_builder import Spec, constant, single

TYPES = [("int8", "int8"), ("int16", "int8"), ("int8", "int4")]
"""Of activations and weights."""


ACTIVATIONS = ("NONE", "RELU", "RELU6")


def layer(
    rng: np.random.Generator, types: tuple[str, str], outputs: int, inputs: int, share: float, *, most: bool = False
) -> bytes:
    """A FULLY_CONNECTED, `share` of whose 1 x 4 blocks are zero. most: weights at the limits of their type."""
    x_type, w_type = types
    limit = 7 if w_type == "int4" else 127
    w = rng.choice([-limit, limit], (outputs, inputs)) if most else rng.integers(-limit, limit + 1, (outputs, inputs))
    zeros = rng.permutation(-(-inputs // 4) * outputs) < share * -(-inputs // 4) * outputs
    w[np.repeat(zeros.reshape(outputs, -1), 4, axis=1)[:, :inputs]] = 0
    scales = np.float32(rng.uniform(0.001, 0.01, outputs if w_type == "int8" else 1))
    zero = int(rng.integers(-128, 128)) if x_type == "int8" else 0
    x = Spec(shape=(1, inputs), dtype=x_type, scale=0.05, zero_point=zero)
    bias = rng.integers(-1000, 1000, outputs)
    b = constant(bias, "int32" if x_type == "int8" else "int64", scales * np.float32(0.05))
    y = Spec(shape=(1, outputs), dtype=x_type, scale=0.3, zero_point=-zero if zero > -128 else 0)
    weights = constant(w, w_type, scales)
    return single("FULLY_CONNECTED", [x, weights, b], [y], activation=str(rng.choice(ACTIVATIONS)))
