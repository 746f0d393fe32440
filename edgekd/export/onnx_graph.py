"""One member of a population as ONNX graphs: an optional recurrent `cell` and a `head`.

The graphs are written node by node, so that every value keeps the name under which training recorded its range.
Scalars that can be folded are folded: the liquid cell multiplies by `keep` and `rate` and never by 1 - leak.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

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

    def add(self, op: str, inputs: list[str], output: str, **attributes: int) -> str:
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


def liquid_cell(params: Params, features: int) -> onnx.ModelProto:
    """X [1, I], h [1, H] -> next [1, H]; params: those of `Liquid` and its folded keep, rate and drive, each [H]."""
    graph, units = Graph("cell"), len(params["keep"])
    z = graph.add("Concat", ["x", "h"], "cell.joined", axis=1)
    graph.dense(z, params["gate_weight"], params["gate_bias"], "cell.pre")
    graph.add("Sigmoid", ["cell.pre"], "cell.gate")
    keep, rate, drive = (graph.constant(name, params[name][None]) for name in ("keep", "rate", "drive"))
    graph.add("Mul", ["h", rate], "cell.scaled")
    graph.add("Sub", [drive, "cell.scaled"], "cell.pull")
    graph.add("Mul", ["cell.gate", "cell.pull"], "cell.pushed")
    graph.add("Mul", ["h", keep], "cell.kept")
    graph.add("Add", ["cell.kept", "cell.pushed"], "next")
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


CELLS = {"liquid": liquid_cell, "gru": gru_cell}

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
}


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


def _readout(graph: Graph, h: str, params: Params) -> str:
    if "down_weight" in params:
        h = graph.dense(h, params["down_weight"], None, "head.code")
    return graph.dense(h, params["out_weight"], params["out_bias"], "y")
