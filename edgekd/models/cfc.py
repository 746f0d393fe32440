"""Liquid cell in closed form (CfC, Hasani et al. 2022, arXiv 2106.13898): bounded in [-1, 1].

h' = fast + t * (slow - fast),  fast = tanh(Wf z),  slow = tanh(Ws z),  t = sigmoid(Wt z),  z = [input, h], with a bias
in each. The solution of the liquid equation over one patch is a mix of two targets, so there are no Euler steps, and a
state between -1 and 1 stays there. Two differences: the time between patches is constant and folded into Wt, and there
is no layer before the three products. They are one matrix product in the graph.

Units begin as leaky integrators: slow starts near the identity of h, and the bias of t is log(tau - 1) with time
constants tau spread evenly in their logarithm from one patch to the window (chrono initialization, Tallec and Ollivier
2018, arXiv 1804.11188).
"""

import onnx
import torch
from torch import Tensor

from edgekd.contracts.declarations import ModelKind
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.gates import gate_constants, gate_graph, gate_inputs, spread_time_constants
from edgekd.models.onnx_graph import OnnxGraphBuilder
from edgekd.models.population import Params, Population, uniform

KIND = ModelKind(
    name="cfc",
    label="CfC",
    marker="pentagon",
    color="#7a5c00",
    dark_color="#d9b44a",
    recurrent=True,
)
GATES = ("fast", "slow", "time")
BLEND = 0.3
"""Share of the usual random start that `slow` keeps beside the identity."""


class Cfc(Population):
    """The cell of the module's description."""

    kind = KIND.name
    recurrent = KIND.recurrent
    graph_ranges = {f"cell.{gate}_pre": "cell.pre" for gate in GATES} | {
        "cell.fast": "tanh",
        "cell.slow": "tanh",
        "cell.time": "logistic",
    }
    unit_axes = {f"{gate}_weight": (0, 1) for gate in GATES} | {f"{gate}_bias": (0,) for gate in GATES}

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        inputs = self.features + width
        params = {f"{gate}_weight": uniform((width, inputs), inputs, generator) for gate in GATES}
        params |= {f"{gate}_bias": torch.zeros(width) for gate in GATES}
        identity = torch.cat([torch.zeros(width, self.features), torch.eye(width)], 1)
        params["slow_weight"] = BLEND * params["slow_weight"] + identity
        params["time_bias"] = torch.log(spread_time_constants(width, self.shape.patches, generator) - 1)
        return params

    def states(self, params: Params, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> list[Tensor]:
        outer, inner = gate_inputs(self, GATES, params, relative, level, quantizer)
        units = self.unit_mask.shape[1]
        h = torch.zeros_like(outer[:, 0, :, :units])
        states = []
        for patch in outer.unbind(1):
            pre = quantizer("cell.pre", torch.baddbmm(patch, h, inner))
            fast, slow = quantizer("tanh", torch.tanh(pre[..., : 2 * units])).split(units, -1)
            time = quantizer("logistic", torch.sigmoid(pre[..., 2 * units :]))
            h = quantizer("state", fast + quantizer("cell.mixed", time * quantizer("cell.apart", slow - fast)))
            states.append(h)
        return states

    def cell_graph(self, params: Params) -> onnx.ModelProto:
        graph, units = OnnxGraphBuilder("cell"), len(params["time_bias"])
        operands = gate_constants(graph, GATES, params)
        fast, slow, time = gate_graph(graph, "h", GATES, operands, units, "")
        graph.add("Tanh", [fast], "cell.fast")
        graph.add("Tanh", [slow], "cell.slow")
        graph.add("Sigmoid", [time], "cell.time")
        graph.add("Sub", ["cell.slow", "cell.fast"], "cell.apart")
        graph.add("Mul", ["cell.time", "cell.apart"], "cell.mixed")
        graph.add("Add", ["cell.fast", "cell.mixed"], "next")
        return graph.model({"x": self.features, "h": units}, {"next": units})
