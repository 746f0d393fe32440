"""One member of a population as ONNX graphs: an optional recurrent `cell` and a `head`.

The graphs are written node by node, so that every value keeps the name under which training recorded its range.
Scalars that can be folded are folded: the liquid cell multiplies by `keep` and `rate` and never by 1 - leak.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgekd.models.tcn import STRIDE, layers

Array = NDArray[np.float32]
Params = Mapping[str, Array]

OPSET = 17


class Graph:
    """Nodes and constants in order; `add` names the one output of a node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    def integers(self, name: str, values: list[int]) -> str:
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, **attributes: int | list[int]) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def dense(self, x: str, weight: Array, bias: Array | None, output: str) -> str:
        """X [1, I], weight [O, I], bias [O] or none -> [1, O]."""
        operands = [x, self.constant(output + ".weight", weight)]
        if bias is not None:
            operands.append(self.constant(output + ".bias", bias))
        return self.add("Gemm", operands, output, transB=1)

    def model(self, inputs: dict[str, int], outputs: dict[str, int]) -> onnx.ModelProto:
        """Checked model; inputs and outputs give the length of each [1, length] value."""

        def infos(values: dict[str, int]) -> list[onnx.ValueInfoProto]:
            return [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, size]) for n, size in values.items()]

        graph = helper.make_graph(self.nodes, self.name, infos(inputs), infos(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        model.producer_name = "edgekd"
        onnx.checker.check_model(model, full_check=True)
        return model


def liquid_cell(params: Params, features: int, euler_steps: int) -> onnx.ModelProto:
    """X [1, I], h [1, H] -> next [1, H]; params: those of `Liquid` and its folded keep, rate and drive, each [H].

    Euler steps after the first have their number at the end of their names; the weights are shared.
    """
    graph, units = Graph("cell"), len(params["keep"])
    weight, bias = (
        graph.constant("cell.pre.weight", params["gate_weight"]),
        graph.constant("cell.pre.bias", params["gate_bias"]),
    )
    keep, rate, drive = (graph.constant(name, params[name][None]) for name in ("keep", "rate", "drive"))
    h = "h"
    for turn in range(euler_steps):
        number, last = f"{SUBSTEP}{turn}" if turn else "", turn == euler_steps - 1
        z = graph.add("Concat", ["x", h], f"cell.joined{number}", axis=1)
        pre = graph.add("Gemm", [z, weight, bias], f"cell.pre{number}", transB=1)
        gate = graph.add("Sigmoid", [pre], f"cell.gate{number}")
        scaled = graph.add("Mul", [h, rate], f"cell.scaled{number}")
        pull = graph.add("Sub", [drive, scaled], f"cell.pull{number}")
        pushed = graph.add("Mul", [gate, pull], f"cell.pushed{number}")
        kept = graph.add("Mul", [h, keep], f"cell.kept{number}")
        h = graph.add("Add", [kept, pushed], "next" if last else f"next{SUBSTEP}{turn}")
    return graph.model({"x": features, "h": units}, {"next": units})


def gru_cell(params: Params, features: int) -> onnx.ModelProto:
    """X [1, I], h [1, H] -> next [1, H]; params are those of `Gru`."""
    graph, units = Graph("cell"), len(params["new_bias"])
    z = graph.add("Concat", ["x", "h"], "cell.joined", axis=1)
    graph.dense(z, params["update_weight"], params["update_bias"], "cell.update")
    graph.add("Sigmoid", ["cell.update"], "cell.update_gate")
    graph.dense(z, params["reset_weight"], params["reset_bias"], "cell.reset")
    graph.add("Sigmoid", ["cell.reset"], "cell.reset_gate")
    graph.add("Mul", ["cell.reset_gate", "h"], "cell.recalled")
    z = graph.add("Concat", ["x", "cell.recalled"], "cell.joined_new", axis=1)
    graph.dense(z, params["new_weight"], params["new_bias"], "cell.new")
    graph.add("Tanh", ["cell.new"], "cell.new_state")
    graph.add("Sub", ["h", "cell.new_state"], "cell.apart")
    graph.add("Mul", ["cell.update_gate", "cell.apart"], "cell.mixed")
    graph.add("Add", ["cell.new_state", "cell.mixed"], "next")
    return graph.model({"x": features, "h": units}, {"next": units})


SUBSTEP = ".step"

# Values of a graph -> the name of the range they were trained under, where the two differ.
RANGES = {
    "x": "state",
    "h": "state",
    "next": "state",
    "cell.joined": "state",
    "cell.joined_new": "state",
    "cell.recalled": "state",
    "cell.gate": "logistic",
    "cell.update_gate": "logistic",
    "cell.reset_gate": "logistic",
    "cell.new_state": "tanh",
    "y": "head.y",
    "window": "input",
    "patches": "input",
    "places": "input",
    "recent": "input",
    "last": "conv.last",
}


def trained_name(value: str) -> str:
    """The name of the range under which a value of a graph was trained."""
    value = value.split(SUBSTEP)[0]
    return RANGES.get(value, value)


def head(params: Params, units: int) -> onnx.ModelProto:
    """H [1, H] -> y [1, O], through R values when the head is low-rank."""
    graph = Graph("head")
    y = _readout(graph, "h", params)
    return graph.model({"h": units}, {y: len(params["out_bias"])})


def mlp_head(params: Params, features: int) -> onnx.ModelProto:
    """Input [1, I] -> y [1, O]: the hidden layer and the head of `Mlp` in one graph."""
    graph = Graph("head")
    graph.dense("input", params["hidden_weight"], params["hidden_bias"], "hidden")
    state = graph.add("Relu", ["hidden"], "state")
    y = _readout(graph, state, params)
    return graph.model({"input": features}, {y: len(params["out_bias"])})


def tcn_head(params: Params, patches: int, columns: int) -> onnx.ModelProto:
    """Input [1, N * F + F] -> y [1, O]: the convolutions and the head of `Tcn` in one graph."""
    graph, units = Graph("head"), len(params["conv0_bias"])
    length = patches * columns
    starts = [
        graph.integers(name, [at]) for name, at in (("zero", 0), ("level.start", length), ("end", length + columns))
    ]
    axis = graph.integers("axis", [1])
    graph.add("Slice", ["input", starts[0], starts[1], axis], "window")
    graph.add("Reshape", ["window", graph.integers("patches.shape", [1, patches, columns])], "patches")
    x = graph.add("Transpose", ["patches"], "places", perm=[0, 2, 1])
    stack = layers(patches)
    for layer in stack:
        kernel = params[f"{layer.name}_weight"].transpose(0, 2, 1)  # ONNX has [O, C, kernel]
        weight = graph.constant(f"{layer.name}.weight", kernel)
        bias = graph.constant(f"{layer.name}.bias", params[f"{layer.name}_bias"])
        last = layer is stack[-1]
        name = "conv.last" if last else f"{layer.name}.sum"
        x = graph.add("Conv", [x, weight, bias], name, strides=[STRIDE], kernel_shape=[layer.kernel])
        x = x if last else graph.add("Relu", [x], layer.name)
    graph.add("Reshape", [x, graph.integers("last.shape", [1, units])], "last")
    graph.add("Slice", ["input", starts[1], starts[2], axis], "recent")
    graph.dense("recent", params["level_weight"], None, "level")
    graph.add("Add", ["last", "level"], "state.sum")
    state = graph.add("Relu", ["state.sum"], "state")
    y = _readout(graph, state, params)
    return graph.model({"input": length + columns}, {y: len(params["out_bias"])})


def _readout(graph: Graph, h: str, params: Params) -> str:
    if "down_weight" in params:
        h = graph.dense(h, params["down_weight"], None, "head.code")
    return graph.dense(h, params["out_weight"], params["out_bias"], "y")
