"""An Arduino sketch that runs a model on TFLite-Micro: raw samples in, forecasts out, proved by a self-test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekd import __version__
from edgekd.codegen.sketch import CONSOLE, carried, check, sha256
from edgekd.codegen.sketch import Vectors as Vectors
from edgekd.codegen.write import identifier, render, write
from edgekd.errors import ModelError
from edgekd.program.forecaster import Deployed, load_model
from edgekd.program.program import Program, Tensor
from edgekd.program.reader import read_tflite

ARENA_MARGIN = 0.25
"""On top of the measured arena: the library on the board may have other kernels, which ask for other buffers."""
ARENA_ALIGNMENT = 16

FIRMWARE = (
    "include/edgekd_window.h",
    "kernels/edgekd_window.c",
    *CONSOLE,
)
"""Files of firmware/ that the sketch carries unchanged."""

OPERATORS = {
    "ADD": "AddAdd",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "FULLY_CONNECTED": "AddFullyConnected",
    "LOGISTIC": "AddLogistic",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MUL": "AddMul",
    "PACK": "AddPack",
    "QUANTIZE": "AddQuantize",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "RSQRT": "AddRsqrt",
    "SLICE": "AddSlice",
    "SOFTMAX": "AddSoftmax",
    "SPLIT": "AddSplit",
    "SQUARED_DIFFERENCE": "AddSquaredDifference",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
    "SUM": "AddSum",
    "TANH": "AddTanh",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
    "UNPACK": "AddUnpack",
}
"""How MicroMutableOpResolver registers them."""

TYPES = {"int8": "int8_t", "int16": "int16_t"}


def write_sketch(out: Path, model_folder: Path, *, arena_bytes: int, vectors: Vectors) -> None:
    """Write the sketch <name>_tflm/ below `out`, for the model in `model_folder`, tested on `vectors`.

    arena_bytes: the arena measured for all graphs of the model together; the sketch adds ARENA_MARGIN.
    Raises ModelError for an operator or type that TFLite-Micro does not have, EdgekdError when shapes do not fit.
    """
    model = load_model(model_folder)
    name = identifier(model.name)
    write(out / f"{name}_tflm", carried(FIRMWARE) | _generated(model, name, arena_bytes, vectors))


def _generated(model: Deployed, name: str, arena_bytes: int, vectors: Vectors) -> dict[str, str]:
    programs = {graph: read_tflite(content) for graph, content in model.graphs().items()}
    values = {
        "version": __version__,
        "name": name,
        "candidate": model.candidate,
        "sha256": sha256(model),
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
    values |= _network(programs) | _preprocess(model)
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


def _graph(graph: str, content: bytes, program: Program) -> dict[str, Any]:
    """What the templates say about one TFLite file. `tensors`: how the sketch reaches its inputs and outputs."""
    calls = []
    for kind, indices in (("input", program.inputs), ("output", program.outputs)):
        for i, index in enumerate(indices):
            calls.append(f"typed_{kind}_tensor<{_c_type(program.tensors[index])}>({i})")
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
    unknown = sorted(used - OPERATORS.keys())
    if unknown:
        raise ModelError(f"TFLite-Micro has no operator {unknown[0]}", hint="the native sketch may run this model")
    return [OPERATORS[kind] for kind in sorted(used)]


def _network(programs: Mapping[str, Program]) -> dict[str, Any]:
    """Types, lengths and grids of what goes in and comes out."""
    first, head = next(iter(programs.values())), programs["head"]
    x, state, y = first.tensors[first.inputs[0]], head.tensors[head.inputs[0]], head.tensors[head.outputs[0]]
    return {
        "input_type": _c_type(x),
        "state_type": _c_type(state),
        "output_type": _c_type(y),
        "state": state.shape[-1],
        "state_zero": _grid(state)["zero_point"],
        "outputs": y.shape[-1],
        "grids": [
            _grid(x) | {"name": "input", "comment": "Features to integers."},
            _grid(y) | {"name": "output", "comment": "Integers to the network's output."},
        ],
    }


def _grid(tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) != 1:
        raise ModelError(f"tensor '{tensor.name}' needs one scale and one zero point")
    scale = np.float32(quantization.scale[0])
    limits = np.iinfo(tensor.dtype)
    return {
        "scale": scale,
        "inverse": np.float32(1) / scale,
        "zero_point": int(quantization.zero_point[0]),
        "low": limits.min,
        "high": limits.max,
    }


def _c_type(tensor: Tensor) -> str:
    if tensor.dtype not in TYPES:
        raise ModelError(f"tensor '{tensor.name}' is {tensor.dtype}; the sketch takes {' or '.join(TYPES)}")
    return TYPES[tensor.dtype]


def _preprocess(model: Deployed) -> dict[str, Any]:
    """Constants of the preprocessing, by column where they are."""
    p = model.preprocess
    names = ("scale", "clean_limit", "gain", "level_mean", "level_gain")
    try:
        return {
            "columns": [
                {"title": title, "constants": [p[name][f] for name in names]} for f, title in enumerate(p["columns"])
            ],
            "window": p["window"],
            "steps": model.steps,
            "patch": p["patch"],
            "level": p["level"],
            "patch_scale": np.float32(1.0 / p["patch"]),
            "anchor": p["anchor"],
            "target_mean": p["target_mean"],
            "target_gain": p["target_gain"],
            "unit": p["target_unit"],
        }
    except (KeyError, IndexError) as error:
        raise ModelError(f"model.json: preprocess lacks {error}") from None
