"""Constants of a deployed model as the templates of both sketches and of the native code see them."""

from collections.abc import Mapping

import numpy as np

from edgekd.codegen.write import TemplateValues
from edgekd.contracts.errors import DataError, ModelError
from edgekd.program.package import Deployed
from edgekd.program.program import Program, Tensor
from edgekd.tasks import task_from_json

TYPES = {"int8": "int8_t", "int16": "int16_t"}


def network_values(programs: Mapping[str, Program]) -> TemplateValues:
    """Types, lengths and grids of what goes in and comes out."""
    first, head = next(iter(programs.values())), programs["head"]
    x, state, y = first.tensors[first.inputs[0]], head.tensors[head.inputs[0]], head.tensors[head.outputs[0]]
    return {
        "input_type": c_type(x),
        "state_type": c_type(state),
        "output_type": c_type(y),
        "state": state.shape[-1],
        "state_zero": grid_values(state)["zero_point"],
        "outputs": y.shape[-1],
        "grids": [
            grid_values(x) | {"name": "input", "comment": "Features to integers."},
            grid_values(y) | {"name": "output", "comment": "Integers to the network's output."},
        ],
    }


def grid_values(tensor: Tensor) -> TemplateValues:
    """Scale, its inverse, zero point and limits of a tensor that has one grid. ModelError otherwise."""
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


def c_type(tensor: Tensor) -> str:
    """The C type of an element. ModelError unless it is int8 or int16."""
    if tensor.dtype not in TYPES:
        raise ModelError(f"tensor '{tensor.name}' is {tensor.dtype}; the sketch takes {' or '.join(TYPES)}")
    return TYPES[tensor.dtype]


def preprocess_values(model: Deployed) -> TemplateValues:
    """Constants of the preprocessing, by column where they are."""
    p = model.preprocess
    names = ("scale", "clean_limit", "gain", "level_mean", "level_gain")
    try:
        task = task_from_json(p["task"])
        return {
            "columns": [
                {"title": title, "constants": [p[name][f] for name in names]} for f, title in enumerate(p["columns"])
            ],
            "window": p["window"],
            "steps": model.steps,
            "patch": p["patch"],
            "level": p["level"],
            "patch_scale": np.float32(1.0 / p["patch"]),
            "target_column": p["target_column"],
            "target_mean": p["target_mean"],
            "target_gain": p["target_gain"],
            "says": task.says(),
            "answer": task.answer,
            "classes": task.class_names,
            "unit": p["target_unit"],
            "center": [] if p["relative"] else p["center"],
        }
    except (KeyError, IndexError, DataError) as error:
        raise ModelError(f"model.json: preprocess lacks {error}") from None
