"""ONNX graphs of one member, written node by node, so that every value keeps the name under which training recorded its
range. A recurrent kind has a `cell` and a `head`, another a `head` alone.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

OPSET = 17
Values = Tensor | NDArray[np.float32]


class OnnxGraphBuilder:
    """Nodes and constants in order; `add` names the one output of a node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Values) -> str:
        """Add float32 values; returns their name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    def integers(self, name: str, values: list[int]) -> str:
        """Add int64 values; returns their name."""
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, **attributes: int | list[int]) -> str:
        """Add a node; returns the name of its output."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def dense(self, x: str, weight: Values, bias: Values | None, output: str) -> str:
        """X [1, I], weight [O, I], bias [O] or none -> [1, O]."""
        operands = [x, self.constant(output + ".weight", weight)]
        if bias is not None:
            operands.append(self.constant(output + ".bias", bias))
        return self.add("Gemm", operands, output, transB=1)

    def slice(self, x: str, start: int, stop: int, output: str) -> str:
        """X [1, I] -> [1, stop - start]."""
        bounds = [self.integers(f"{output}.{name}", [place]) for name, place in (("start", start), ("stop", stop))]
        return self.add("Slice", [x, *bounds, self.integers(f"{output}.axis", [1])], output)

    def model(self, inputs: dict[str, int], outputs: dict[str, int]) -> onnx.ModelProto:
        """Checked model; inputs and outputs give the length of each [1, length] value."""

        def infos(values: dict[str, int]) -> list[onnx.ValueInfoProto]:
            return [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, size]) for n, size in values.items()]

        graph = helper.make_graph(self.nodes, self.name, infos(inputs), infos(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        model.producer_name = "edgekd"
        onnx.checker.check_model(model, full_check=True)
        return model


STEP = ".step"
"""What separates a value's name from the number of the Euler step that computes it."""

RANGES = {
    "x": "state",
    "h": "state",
    "next": "state",
    "cell.joined": "state",
    "y": "head.y",
}
"""Values of all graphs -> the name of the range they were trained under, where the two differ."""


def trained_name(value: str, ranges: Mapping[str, str]) -> str:
    """The name of the range under which a value was trained; `ranges` are those of its kind, beside RANGES."""
    value = value.split(STEP)[0]
    return (RANGES | dict(ranges)).get(value, value)


def state_head(params: Mapping[str, Tensor], units: int) -> onnx.ModelProto:
    """H [1, H] -> y [1, O], through R values when the head is low-rank."""
    graph = OnnxGraphBuilder("head")
    y = readout(graph, "h", params)
    return graph.model({"h": units}, {y: len(params["out_bias"])})


def readout(graph: OnnxGraphBuilder, h: str, params: Mapping[str, Tensor]) -> str:
    """Add the head of every kind to a graph: the name of the state [1, H] -> that of the output."""
    if "down_weight" in params:
        h = graph.dense(h, params["down_weight"], None, "head.code")
    return graph.dense(h, params["out_weight"], params["out_bias"], "y")
