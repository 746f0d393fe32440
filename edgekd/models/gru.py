"""Gated recurrent unit with the reset gate before the matrix product (Cho et al. 2014): bounded in [-1, 1].

z = sigmoid(Wz [x, h]), r = sigmoid(Wr [x, h]), n = tanh(Wn [x, r * h]), h' = n + z * (h - n).
"""

import onnx
import torch
from torch import Tensor

from edgekd.contracts.declarations import ModelKind
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.onnx_graph import OnnxGraphBuilder
from edgekd.models.population import Params, Population, steps, uniform

KIND = ModelKind(
    name="gru",
    label="GRU",
    marker="square",
    color="#c2500a",
    dark_color="#f59a5b",
    recurrent=True,
)

GATES = ("update", "reset", "new")


class Gru(Population):
    """The cell of the module's description; gates and new state each see the inputs and a state."""

    kind = KIND.name
    recurrent = KIND.recurrent
    graph_ranges = {
        "cell.joined_new": "state",
        "cell.recalled": "state",
        "cell.update_gate": "logistic",
        "cell.reset_gate": "logistic",
        "cell.new_state": "tanh",
    }
    unit_axes = {f"{gate}_weight": (0, 1) for gate in GATES} | {f"{gate}_bias": (0,) for gate in GATES}

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        inputs = self.features + width
        params = {f"{gate}_weight": uniform((width, inputs), inputs, generator) for gate in GATES}
        params |= {f"{gate}_bias": torch.zeros(width) for gate in GATES}
        params["update_bias"] += 1.0  # start by remembering (Jozefowicz et al. 2015)
        return params

    def states(self, params: Params, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> list[Tensor]:
        x = steps(self, relative, level, quantizer)
        weights = [quantizer.weight(params[f"{gate}_weight"]) for gate in GATES]
        outer = torch.matmul(x, torch.cat(weights, 1)[:, :, : self.features].transpose(1, 2).unsqueeze(1))
        outer = outer + torch.cat([params[f"{gate}_bias"] for gate in GATES], 1)[:, None, None]
        units = self.unit_mask.shape[1]
        to_gates = torch.cat(weights[:2], 1)[:, :, self.features :].transpose(1, 2)
        to_new = weights[2][:, :, self.features :].transpose(1, 2)
        h = torch.zeros_like(outer[:, 0, :, :units])
        states = []
        for patch in outer.unbind(1):
            pre = torch.baddbmm(patch[..., : 2 * units], h, to_gates)
            z, r = quantizer("logistic", torch.sigmoid(quantizer.halves("cell.update", "cell.reset", pre))).split(
                units, -1
            )
            pre = torch.baddbmm(patch[..., 2 * units :], quantizer("state", r * h), to_new)
            n = quantizer("tanh", torch.tanh(quantizer("cell.new", pre)))
            h = quantizer("state", n + quantizer("cell.mixed", z * quantizer("cell.apart", h - n)))
            states.append(h)
        return states

    def cell_graph(self, params: Params) -> onnx.ModelProto:
        """X [1, I], h [1, H] -> next [1, H]."""
        graph, units = OnnxGraphBuilder("cell"), len(params["new_bias"])
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
        return graph.model({"x": self.features, "h": units}, {"next": units})
