"""Softmax in float32 with operations that firmware repeats bit for bit: no libm, each operation rounded once.

exp(x) for x <= 0 is 2^k * p(r) with k = trunc(x / ln 2 - 1/2), r = x - k ln 2 in two parts (Cody and Waite 1980), and p
the Taylor polynomial of degree 6 by Horner's rule: |r| <= 0.35, relative error below 2e-7. Below -87 it is 0.
"""

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
LEAST = np.float32(-87.0)
INVERSE_LN2 = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
TAYLOR = tuple(np.float32(1 / value) for value in (720, 120, 24, 6, 2, 1, 1))


def exponential(x: F32) -> F32:
    """exp(x) for x <= 0, elementwise."""
    x = np.asarray(x, dtype=np.float32)
    k = np.trunc(np.maximum(x, LEAST) * INVERSE_LN2 - np.float32(0.5))
    r = (np.maximum(x, LEAST) - k * LN2_HIGH) - k * LN2_LOW
    p = np.full_like(r, TAYLOR[0])
    for coefficient in TAYLOR[1:]:
        p = p * r + coefficient
    scale = ((k.astype(np.int32) + 127) << 23).view(np.float32)
    return np.where(x < LEAST, np.float32(0), p * scale)


def softmax(y: F32) -> F32:
    """Probabilities of logits [B, O], summed from the first to the last: float32 [B, O]."""
    powers = exponential(y - y.max(axis=1, keepdims=True))
    total = powers[:, 0].copy()
    for at in range(1, powers.shape[1]):
        total = total + powers[:, at]
    return powers / total[:, None]
