"""What all Arduino sketches share: the files they carry, stored windows for the self-test, and the native sketch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd import __version__
from edgekd.codegen.c_names import model_name
from edgekd.codegen.write import TemplateValues, render
from edgekd.contracts.board import resource
from edgekd.contracts.errors import EdgekdError
from edgekd.program.package import Deployed

CONSOLE = tuple(
    f"sketch/edgekd_{name}" for name in (
        "crc32.h", "crc32.c", "text.h", "text.c", "session.h", "session.c", "protocol.h", "protocol.c", "boards.h",
        "console.h", "console.cpp",
    )
)  # fmt: skip
"""Files of firmware/ that every sketch carries unchanged."""
BLE = ("sketch/edgekd_ble.h", "sketch/edgekd_ble.cpp")
"""And those that Bluetooth takes."""
INA219 = tuple(f"ina219/{name}" for name in (
    "edgekd_capacity.h", "edgekd_capacity.c", "edgekd_log.h", "edgekd_log.c", "sensor.cpp",
))  # fmt: skip
"""And an example of a sensor, in a folder of its own below the sketch's, where Arduino does not look."""


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Windows with what the reference made of them: raw float32 [K, T, F] in the table's units, the network's output as
    integers [K, O], forecast float32 [K, O].
    """

    raw: NDArray[np.float32]
    forecast: NDArray[np.float32]
    output: NDArray[np.integer[Any]]


def carried(files: tuple[str, ...]) -> dict[str, str | bytes]:
    """Files of firmware/ by the name they have in a sketch."""
    return {Path(file).name: (resource("firmware") / file).read_bytes() for file in files}


def common_values(model: Deployed, vectors: Vectors) -> TemplateValues:
    """What the templates of every sketch ask for. EdgekdError when the vectors do not fit the model."""
    preprocess = model.preprocess
    values = {
        "version": __version__,
        "name": model_name(model.name),
        "candidate": model.candidate,
        "sha256": model.sha256,
        "columns": [{"title": title} for title in preprocess["columns"]],
        "window": preprocess["window"],
        "outputs": vectors.output.shape[-1],
        "unit": preprocess["target_unit"],
        "output_type": f"{vectors.output.dtype}_t",
        "tests": len(vectors.raw),
        "raw": vectors.raw.tolist(),
        "integers": vectors.output,
        "forecasts": vectors.forecast,
    }
    check(vectors, values)
    return values


def check(vectors: Vectors, values: Mapping[str, Any]) -> None:
    """EdgekdError unless the vectors have the shapes that `window`, `columns` and `outputs` say."""
    count = len(vectors.raw)
    wanted = {
        "raw": (count, values["window"], len(values["columns"])),
        "output": (count, values["outputs"]),
        "forecast": (count, values["outputs"]),
    }
    for name, shape in wanted.items():
        if count == 0 or getattr(vectors, name).shape != shape:
            raise EdgekdError(f"self-test {name} is {list(getattr(vectors, name).shape)}, expected {list(shape)}")


def native_sketch(model: Deployed, vectors: Vectors) -> dict[str, str | bytes]:
    """The sketch around generated C, without the model's own files: they define <name>_state, <name>_init,
    <name>_push, <name>_predict and <name>_predict_integers in <name>.h.
    """
    values = common_values(model, vectors)
    return carried(CONSOLE) | {
        f"{values['name']}_native.ino": render("native_sketch.ino.j2", **values),
        "self_test.h": render("self_test.h.j2", **values),
    }


def stream_sketch(model: Deployed, vectors: Vectors) -> dict[str, str | bytes]:
    """The sketch around generated C that takes its samples from a function of the user's, read_sample().

    For a model of one column, with an example: the capacity of a cell by counting coulombs.
    """
    return _sensor_sketch("stream", CONSOLE, model, vectors)


def ble_sketch(model: Deployed, vectors: Vectors) -> dict[str, str | bytes]:
    """The same with a GATT service on ArduinoBLE: samples in, history, forecast and health out."""
    return _sensor_sketch("ble", CONSOLE + BLE, model, vectors)


def _sensor_sketch(kind: str, files: tuple[str, ...], model: Deployed, vectors: Vectors) -> dict[str, str | bytes]:
    values = common_values(model, vectors)
    example = {f"ina219/{name}": content for name, content in carried(INA219).items()}
    return (
        carried(files)
        | (example if len(values["columns"]) == 1 else {})
        | {
            f"{values['name']}_{kind}.ino": render(f"{kind}_sketch.ino.j2", **values),
            "self_test.h": render("self_test.h.j2", **values),
            "sensor.h": render("sensor.h.j2", **values),
            "sensor.cpp": render("sensor.cpp.j2", **values),
        }
    )
