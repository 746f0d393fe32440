"""One member of a trained population as a folder: ONNX, float and integer TFLite, weights, and what firmware needs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from edgekd import __version__
from edgekd.contracts.candidate import Candidate
from edgekd.export.tflite import float_tflite, quantized_tflite
from edgekd.models.fake_quant import FIXED_OUTPUT_RANGES, FakeQuantizer
from edgekd.models.kinds import build
from edgekd.models.onnx_graph import trained_name
from edgekd.models.population import Population, Shape
from edgekd.program.package import TFLM

Ranges = dict[str, tuple[float, float]]
Runner = Any  # Callable[[Sequence[NDArray]], list[NDArray]], as edgekd.program.package calls it


def write_model(
    folder: Path,
    population: Population,
    member: int,
    candidate: Candidate,
    ranges: Ranges,
    *,
    name: str,
    preprocess: Mapping[str, Any],
) -> None:
    """Export one member into `folder`, which exists and is empty. `ranges` are those of `member_ranges`.

    Writes model.json, weights.safetensors and, for `head` and for the `cell` of a recurrent kind, <graph>.onnx,
    <graph>_float.tflite and <graph>.tflite. The folder `tflm` in it is the model as the TFLite-Micro sketch carries it:
    model.json and graphs whose FULLY_CONNECTED matrices have one scale each.
    """
    save_file(population.extract(member), folder / "weights.safetensors")
    micro = folder / TFLM
    micro.mkdir()
    for graph, model in population.graphs(member).items():
        (folder / f"{graph}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        content = float_tflite(model)
        (folder / f"{graph}_float.tflite").write_bytes(content)
        bits = (candidate.weight_bits, candidate.activation_bits)
        by_value = _by_value(model, population, ranges)
        (folder / f"{graph}.tflite").write_bytes(quantized_tflite(content, model, by_value, bits))
        (micro / f"{graph}.tflite").write_bytes(quantized_tflite(content, model, by_value, bits, matrix_scales=True))
    info = {
        "edgekd": __version__,
        "name": name,
        "candidate": candidate.name,
        "kind": population.kind,
        "units": len(population.unit_mask[member].nonzero()),
        "steps": population.shape.patches,
        "euler_steps": population.shape.euler_steps,
        "recurrent": population.recurrent,
        "preprocess": dict(preprocess),
    }
    for package in (folder, micro):
        (package / "model.json").write_text(json.dumps(info, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_member(folder: Path, weights: str = "weights.safetensors", units: int | None = None) -> Population:
    """The float network of an exported folder, or one of so many units from another file, as a population of one."""
    info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    params = load_file(folder / weights)
    shape = Shape(
        patches=info["steps"],
        columns=len(info["preprocess"]["columns"]),
        outputs=len(params["out_bias"]),
        rank=len(params["down_weight"]) if "down_weight" in params else 0,
        euler_steps=info["euler_steps"],
    )
    population = build(info["kind"], [units or info["units"]], [0], shape)
    population.load_state_dict(
        {name: value[None] for name, value in params.items()} | {"unit_mask": population.unit_mask}
    )
    return population


def member_ranges(quantizer: FakeQuantizer, member: int) -> Ranges:
    """The observed range of every named tensor of one member, in real units."""
    return {name: (float(low[member]), float(high[member])) for name, (low, high) in sorted(quantizer.ranges.items())}


def onnx_runner(path: Path) -> Runner:
    """Run an ONNX graph of batch 1 over a batch with onnxruntime: inputs [B, ...] -> outputs [B, ...]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [operand.name for operand in session.get_inputs()]

    def run(inputs: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        rows = [
            session.run(None, {name: value[i : i + 1] for name, value in zip(names, inputs, strict=True)})
            for i in range(len(inputs[0]))
        ]
        return [np.concatenate(column) for column in zip(*rows, strict=True)]

    return run


def _by_value(model: onnx.ModelProto, population: Population, ranges: Ranges) -> Ranges:
    """Ranges by the values of a graph: those trained under another name, and TFLite's fixed ones, filled in."""
    known = ranges | FIXED_OUTPUT_RANGES
    values = [operand.name for operand in model.graph.input] + [node.output[0] for node in model.graph.node]
    named = {value: trained_name(value, population.graph_ranges) for value in values}
    return {value: known[name] for value, name in named.items() if name in known}
