"""Liquid (LTC) cell in explicit Euler form, bounded by construction (Hasani et al. 2021, eq. 1).

dx/dt = -leak * x + f * (A - x),  f = sigmoid(W [input, x] + b), one step: x' = keep * x + f * (drive - rate * x)
with keep = 1 - leak and drive = rate * A. leak and rate lie in (0, 1/2), so leak + rate * f < 1 and every unit stays
between min(0, A) and max(0, A): a fixed-point range is provable. There may be several steps per patch, each with leak
and rate divided by their number.
"""

import onnx
import torch
from torch import Tensor

from edgekd.contracts.declarations import ModelKind
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.onnx_graph import STEP, GraphBuilder
from edgekd.models.population import Params, Population, steps, uniform

KIND = ModelKind(
    name="liquid",
    label="liquid",
    marker="circle",
    color="#0b63b0",
    dark_color="#62aef2",
    recurrent=True,
    euler_steps=True,
)


class Liquid(Population):
    """The cell of the module's description, one or more steps per patch."""

    kind = KIND.name
    recurrent = KIND.recurrent
    graph_ranges = {"cell.gate": "logistic"}
    unit_axes = {"gate_weight": (0, 1), "gate_bias": (0,), "leak": (0,), "rate": (0,), "target": (0,)}

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        inputs = self.features + width
        return {
            "gate_weight": uniform((width, inputs), inputs, generator),
            "gate_bias": torch.zeros(width),
            "leak": 2 * torch.randn(width, generator=generator) - 2,
            "rate": 2 * torch.randn(width, generator=generator),
            "target": 3 * torch.randn(width, generator=generator),
        }

    def states(self, params: Params, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> list[Tensor]:
        x = steps(self, relative, level, quantizer)
        weight = quantizer.weight(params["gate_weight"])
        inner = weight[:, :, self.features :].transpose(1, 2)
        outer = torch.matmul(x, weight[:, :, : self.features].transpose(1, 2).unsqueeze(1))
        outer = outer + params["gate_bias"][:, None, None]
        keep, rate, drive = (quantizer.constant(c).unsqueeze(1) for c in constants(params, self.shape.euler_steps))
        h = torch.zeros_like(outer[:, 0])
        states = []
        for patch in outer.unbind(1):
            for _ in range(self.shape.euler_steps):
                f = quantizer("logistic", torch.sigmoid(quantizer("cell.pre", torch.baddbmm(patch, h, inner))))
                pull = quantizer("cell.pull", drive - quantizer("cell.scaled", rate * h))
                h = quantizer("state", quantizer("cell.kept", keep * h) + quantizer("cell.pushed", f * pull))
            states.append(h)
        return states

    def cell_graph(self, params: Params) -> onnx.ModelProto:
        """X [1, I], h [1, H] -> next [1, H]. Euler steps after the first have their number at the end of their names;
        the weights are shared. Scalars are folded: the cell multiplies by `keep` and `rate` and never by 1 - leak.
        """
        graph, units, last = GraphBuilder("cell"), len(params["leak"]), self.shape.euler_steps - 1
        weight = graph.constant("cell.pre.weight", params["gate_weight"])
        bias = graph.constant("cell.pre.bias", params["gate_bias"])
        folded = zip(("keep", "rate", "drive"), constants(params, self.shape.euler_steps), strict=True)
        keep, rate, drive = (graph.constant(name, value[None]) for name, value in folded)
        h = "h"
        for turn in range(self.shape.euler_steps):
            number = f"{STEP}{turn}" if turn else ""
            z = graph.add("Concat", ["x", h], f"cell.joined{number}", axis=1)
            pre = graph.add("Gemm", [z, weight, bias], f"cell.pre{number}", transB=1)
            gate = graph.add("Sigmoid", [pre], f"cell.gate{number}")
            scaled = graph.add("Mul", [h, rate], f"cell.scaled{number}")
            pull = graph.add("Sub", [drive, scaled], f"cell.pull{number}")
            pushed = graph.add("Mul", [gate, pull], f"cell.pushed{number}")
            kept = graph.add("Mul", [h, keep], f"cell.kept{number}")
            h = graph.add("Add", [kept, pushed], "next" if turn == last else f"next{STEP}{turn}")
        return graph.model({"x": self.features, "h": units}, {"next": units})


def constants(params: Params, euler_steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """keep, rate and drive, each [..., H]: what each step of the exported cell multiplies by and adds."""
    rate = 0.5 * torch.sigmoid(params["rate"]) / euler_steps
    return 1 - 0.5 * torch.sigmoid(params["leak"]) / euler_steps, rate, rate * params["target"]
