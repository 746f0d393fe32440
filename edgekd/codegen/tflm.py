"""An Arduino sketch that runs a model on TFLite-Micro: raw samples in, forecasts out, proved by a self-test."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgekd import __version__
from edgekd.codegen.c_names import model_name
from edgekd.codegen.constants import c_type, network_values, preprocess_values
from edgekd.codegen.exports import Files
from edgekd.codegen.sketches import CONSOLE, Vectors, below, carried, check, runtime_library
from edgekd.codegen.write import TemplateValues, render
from edgekd.program.ops import OPERATORS
from edgekd.program.package import Deployed, load_model
from edgekd.program.program import Program
from edgekd.program.reader import read_tflite
from edgekd.run import write_files
from edgekd.tasks import task_from_json

ARENA_MARGIN = 0.25
"""On top of the measured arena: the library on the board may have other kernels, which ask for other buffers."""
ARENA_ALIGNMENT = 16

FIRMWARE = (
    "include/edgekd_float.h",
    "include/edgekd_quantize.h",
    "include/edgekd_window.h",
    "kernels/edgekd_quantize.c",
    "kernels/edgekd_window.c",
    *CONSOLE,
)
"""Files of firmware/ that the sketch needs."""
PROBABILITIES = ("include/edgekd_probabilities.h", "kernels/edgekd_probabilities.c")
"""And those that a model of classes needs."""

LIBRARY = "Chirale_TensorFLowLite 2.0.0"
WRONG_IN_LIBRARY = {
    ("MUL", "int16"): "sets every product of 16-bit integers to 0 (TFLite-Micro: mended in February 2023)"
}
"""Operator and type -> what the library, whose kernels are of January 2023, makes of it."""


def library_fault(model_folder: Path) -> str | None:
    """Why the library cannot run the model in `model_folder`, None where it can."""
    for content in load_model(model_folder).graphs().values():
        program = read_tflite(content)
        for op in program.ops:
            fault = WRONG_IN_LIBRARY.get((op.kind, program.tensors[op.outputs[0]].dtype))
            if fault:
                return f"{LIBRARY} {fault}"
    return None


def write_refusal(out: Path, model_folder: Path, reason: str) -> None:
    """Write the folder <name>_tflm/ without a sketch, with a README.txt that says why."""
    model = load_model(model_folder)
    name = model_name(model.name)
    text = (
        f"{name}: {model.candidate} has no sketch for TFLite-Micro.\n\n{reason}.\nThe native sketch runs this model.\n"
    )
    write_files(out / f"{name}_tflm", {"README.txt": text})


def write_sketch(out: Path, model_folder: Path, *, arena_bytes: int, vectors: Vectors) -> None:
    """Write the sketch <name>_tflm/ and its library below `out`, for the model in `model_folder`, tested on `vectors`.

    arena_bytes: the arena measured for all graphs of the model together; the sketch adds ARENA_MARGIN.
    Raises ModelError for an operator or type that TFLite-Micro does not have, EdgekdError when shapes do not fit.
    """
    model = load_model(model_folder)
    name = model_name(model.name)
    about_classes = task_from_json(model.preprocess["task"]).answer == "probabilities"
    library = runtime_library(carried(FIRMWARE + (PROBABILITIES if about_classes else ())))
    write_files(out, library | below(f"{name}_tflm", _generated(model, name, arena_bytes, vectors)))


def _generated(model: Deployed, name: str, arena_bytes: int, vectors: Vectors) -> Files:
    programs = {graph: read_tflite(content) for graph, content in model.graphs().items()}
    values = {
        "version": __version__,
        "name": name,
        "candidate": model.candidate,
        "sha256": model.sha256,
        "recurrent": model.cell is not None,
        "graphs": [_graph(graph, content, programs[graph]) for graph, content in model.graphs().items()],
        "operators": _operators(programs),
        "arena_bytes": arena_bytes,
        "arena_bytes_with_margin": _with_margin(arena_bytes),
        "margin_percent": round(100 * ARENA_MARGIN),
        "tests": len(vectors.raw),
        "raw": vectors.raw.tolist(),
        "integers": vectors.output,
        "forecasts": vectors.forecast,
    }
    values |= network_values(programs) | preprocess_values(model)
    check(vectors, values)
    templates = {
        f"{name}_tflm.ino": "tflm_sketch.ino.j2",
        f"{name}_window.h": "window.h.j2",
        "model_data.h": "model_data.h.j2",
        "self_test.h": "self_test.h.j2",
        "README.txt": "tflm_readme.txt.j2",
    }
    return {file: render(template, **values) for file, template in templates.items()}


def _with_margin(arena_bytes: int) -> int:
    return -(-int(arena_bytes * (1 + ARENA_MARGIN)) // ARENA_ALIGNMENT) * ARENA_ALIGNMENT


def _graph(graph: str, content: bytes, program: Program) -> TemplateValues:
    """What the templates say about one TFLite file. `tensors`: how the sketch reaches its inputs and outputs."""
    calls = []
    for kind, indices in (("input", program.inputs), ("output", program.outputs)):
        for i, index in enumerate(indices):
            calls.append(f"typed_{kind}_tensor<{c_type(program.tensors[index])}>({i})")
    return {
        "name": graph,
        "bytes": len(content),
        "sha256": program.sha256,
        "content": np.frombuffer(content, dtype=np.uint8),
        "tensors": calls,
    }


def _operators(programs: Mapping[str, Program]) -> list[str]:
    """Methods of the resolver for the operators that are used, sorted."""
    used = {op.kind for program in programs.values() for op in program.ops}
    return [OPERATORS[kind].resolver for kind in sorted(used)]
