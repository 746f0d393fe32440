"""A model that anyone can compute, with the C interface of generated ones, and its native sketch."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.codegen.sketches import Vectors, ble_sketch, model_libraries, native_sketch, stream_sketch
from edgekd.program.package import Deployed
from edgekd.run import write_files

INPUTS, WINDOW, OUTPUTS = 2, 20, 10
STEP = 0.125

HEADER = f"""\
#ifndef BATTERY_H
#define BATTERY_H
#include <stdint.h>
#define BATTERY_INPUTS {INPUTS}
#define BATTERY_OUTPUTS {OUTPUTS}
#define BATTERY_WINDOW {WINDOW}
#ifdef __cplusplus
extern "C" {{
#endif
typedef enum {{ EDGEKD_OK = 0, EDGEKD_NOT_READY = 1 }} edgekd_status;
typedef struct {{
    int32_t ring[BATTERY_WINDOW][BATTERY_INPUTS];
    uint32_t filled;
}} battery_state;
void battery_init(battery_state *s);
void battery_push(battery_state *s, const float sample[BATTERY_INPUTS]);
edgekd_status battery_predict(const battery_state *s, float out[BATTERY_OUTPUTS]);
edgekd_status battery_predict_integers(const battery_state *s, INTEGER out[BATTERY_OUTPUTS]);
#ifdef __cplusplus
}}
#endif
#endif
"""

SOURCE = """\
#include "battery.h"
void battery_init(battery_state *s) { s->filled = 0; }
void battery_push(battery_state *s, const float sample[BATTERY_INPUTS]) {
    for (uint32_t f = 0; f < BATTERY_INPUTS; f++) {
        s->ring[s->filled % BATTERY_WINDOW][f] = sample[f] == sample[f] ? (int32_t)(sample[f] * 1024.0f) : 0;
    }
    s->filled++;
}
edgekd_status battery_predict_integers(const battery_state *s, INTEGER out[BATTERY_OUTPUTS]) {
    if (s->filled < BATTERY_WINDOW) {
        return EDGEKD_NOT_READY;
    }
    for (uint32_t o = 0; o < BATTERY_OUTPUTS; o++) {
        uint32_t sum = 0;
        for (uint32_t t = 0; t < BATTERY_WINDOW; t++) {
            for (uint32_t f = 0; f < BATTERY_INPUTS; f++) {
                sum += (uint32_t)s->ring[(s->filled + t) % BATTERY_WINDOW][f] * (t + 3u * f + o + 1u);
            }
        }
        out[o] = (INTEGER)(sum >> 4);
    }
    return EDGEKD_OK;
}
edgekd_status battery_predict(const battery_state *s, float out[BATTERY_OUTPUTS]) {
    INTEGER integers[BATTERY_OUTPUTS];
    const edgekd_status status = battery_predict_integers(s, integers);
    for (uint32_t o = 0; o < BATTERY_OUTPUTS && status == EDGEKD_OK; o++) {
        out[o] = (float)integers[o] * 0.125f;
    }
    return status;
}
"""


def windows(count: int, seed: int) -> NDArray[np.float32]:
    """Raw samples [count, T, F]."""
    rng = np.random.default_rng(seed)
    return rng.uniform([0.5, 20], [1.2, 40], size=(count, WINDOW, INPUTS)).astype(np.float32)


def vectors(raw: NDArray[np.float32], bits: int) -> Vectors:
    """What the model makes of raw windows."""
    values = np.where(np.isnan(raw), 0, raw * np.float32(1024)).astype(np.int64)
    t, f, o = np.ogrid[:WINDOW, :INPUTS, :OUTPUTS]
    sums = (values[..., None] * (t + 3 * f + o + 1)).sum(axis=(1, 2)) & 0xFFFFFFFF
    integers: NDArray[np.integer[Any]] = (sums >> 4).astype(f"int{bits}")
    return Vectors(raw=raw, output=integers, forecast=integers.astype(np.float32) * np.float32(STEP))


def deployed() -> Deployed:
    """The model as the code generator sees it."""
    preprocess = {
        "columns": ["capacity_Ah", "temperature_C"],
        "window": WINDOW,
        "task": {"column": "capacity_Ah"},
        "target_unit": "Ah",
    }
    return Deployed(
        name="battery", candidate="stand_in", kind="mlp", steps=1, preprocess=preprocess, cell=None, head=b"stand-in"
    )


def write_native_sketch(out: Path, bits: int, tests: Vectors | None = None) -> Path:
    """The sketch in a folder below `out`, which is returned; with a self-test of two windows."""
    return write_sketch(out, "native", bits, native_sketch(deployed(), tests or vectors(windows(2, seed=1), bits)))


def write_stream_sketch(out: Path, bits: int) -> Path:
    """The sketch that is fed by a sensor."""
    return write_sketch(out, "stream", bits, stream_sketch(deployed(), vectors(windows(2, seed=1), bits)))


def write_ble_sketch(out: Path, bits: int, tests: Vectors | None = None) -> Path:
    """The sketch that is fed over Bluetooth."""
    return write_sketch(out, "ble", bits, ble_sketch(deployed(), tests or vectors(windows(2, seed=1), bits)))


def write_sketch(out: Path, kind: str, bits: int, sketch: dict[str, str | bytes]) -> Path:
    """A sketch with the model's library."""
    integer = f"int{bits}_t"
    files: dict[str, str | bytes] = {
        "battery.h": HEADER.replace("INTEGER", integer),
        "battery.c": SOURCE.replace("INTEGER", integer),
    }
    write_files(out, model_libraries("battery", files) | sketch)
    return out / f"battery_{kind}"
