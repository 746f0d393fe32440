"""Liquid cell in explicit Euler form: time constants and targets depend on input and state; bounded in [-1, 1].

dx/dt = limit * rate * (target - x),  rate = sigmoid(Wr z),  target = tanh(Wt z),  z = [input, x], with a bias in each;
one step: x' = x + rate * (limit * (target - x)). As in a liquid time-constant network (Hasani et al. 2021, arXiv
2006.04439) a gate sets how fast a unit moves; unlike there, what it moves to is not a constant, and there is no leak
beside it, which costs accuracy at this size. limit lies in (0, 1), so x' is a mean of x and target and a state between
-1 and 1 stays there: a fixed-point range is provable. There may be several steps per patch, each with the limit divided
by their number. Both products are one in the graph.

Units begin with time constants 1 / limit spread evenly in their logarithm from one patch to the window.
"""

import onnx
import torch
from torch import Tensor

from edgekd.contracts.declarations import ModelKind
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.gates import gate_constants, gate_graph, gate_inputs, spread_time_constants
from edgekd.models.onnx_graph import STEP, OnnxGraphBuilder
from edgekd.models.population import Params, Population, uniform

KIND = ModelKind(
    name="liquid",
    label="liquid",
    marker="circle",
    color="#0b63b0",
    dark_color="#62aef2",
    recurrent=True,
    euler_steps=True,
)
GATES = ("rate", "target")


class Liquid(Population):
    """The cell of the module's description, one or more steps per patch."""

    kind = KIND.name
    recurrent = KIND.recurrent
    graph_ranges = {f"cell.{gate}_pre": "cell.pre" for gate in GATES} | {
        "cell.rate": "logistic",
        "cell.target": "tanh",
    }
    unit_axes: dict[str, tuple[int, ...]] = {
        **{f"{gate}_weight": (0, 1) for gate in GATES},
        **{f"{gate}_bias": (0,) for gate in GATES},
        "limit": (0,),
    }

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        inputs = self.features + width
        params = {f"{gate}_weight": uniform((width, inputs), inputs, generator) for gate in GATES}
        params |= {"rate_bias": torch.ones(width), "target_bias": torch.zeros(width)}
        return params | {"limit": torch.logit(1 / spread_time_constants(width, self.shape.patches, generator))}

    def states(self, params: Params, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> list[Tensor]:
        outer, inner = gate_inputs(self, GATES, params, relative, level, quantizer)
        limit = quantizer.constant(step_limit(params, self.shape.euler_steps)).unsqueeze(1)
        units = self.unit_mask.shape[1]
        h = torch.zeros_like(outer[:, 0, :, :units])
        states = []
        for patch in outer.unbind(1):
            for _ in range(self.shape.euler_steps):
                pre = quantizer("cell.pre", torch.baddbmm(patch, h, inner))
                rate = quantizer("logistic", torch.sigmoid(pre[..., :units]))
                target = quantizer("tanh", torch.tanh(pre[..., units:]))
                pull = quantizer("cell.limited", limit * quantizer("cell.apart", target - h))
                h = quantizer("state", h + quantizer("cell.pushed", rate * pull))
            states.append(h)
        return states

    def cell_graph(self, params: Params) -> onnx.ModelProto:
        """X [1, I], h [1, H] -> next [1, H]. Euler steps after the first have their number at the end of their names;
        the weights are shared.
        """
        graph, units, last = OnnxGraphBuilder("cell"), len(params["limit"]), self.shape.euler_steps - 1
        operands = gate_constants(graph, GATES, params)
        limit = graph.constant("limit", step_limit(params, self.shape.euler_steps)[None])
        h = "h"
        for turn in range(self.shape.euler_steps):
            number = f"{STEP}{turn}" if turn else ""
            rate_pre, target_pre = gate_graph(graph, h, GATES, operands, units, number)
            rate = graph.add("Sigmoid", [rate_pre], f"cell.rate{number}")
            target = graph.add("Tanh", [target_pre], f"cell.target{number}")
            apart = graph.add("Sub", [target, h], f"cell.apart{number}")
            limited = graph.add("Mul", [apart, limit], f"cell.limited{number}")
            pushed = graph.add("Mul", [rate, limited], f"cell.pushed{number}")
            h = graph.add("Add", [h, pushed], "next" if turn == last else f"next{STEP}{turn}")
        return graph.model({"x": self.features, "h": units}, {"next": units})


def step_limit(params: Params, euler_steps: int) -> Tensor:
    """The largest share [..., H] of the way to the target that one step goes."""
    return torch.sigmoid(params["limit"]) / euler_steps
