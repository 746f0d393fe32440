"""Multi-layer perceptron over all patches of the window: one hidden layer of rectified units."""

import onnx
import torch
from torch import Tensor

from edgekd.contracts.declarations import ModelKind
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.onnx_graph import OnnxGraphBuilder, readout
from edgekd.models.population import Params, Population, linear, uniform

KIND = ModelKind(
    name="mlp",
    label="MLP",
    marker="triangle",
    color="#10805b",
    dark_color="#4fc79a",
    recurrent=False,
)


class Mlp(Population):
    """The network of the module's description."""

    kind = KIND.name
    recurrent = KIND.recurrent
    unit_axes = {"hidden_weight": (0,), "hidden_bias": (0,)}

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "hidden_weight": uniform((width, self.features), self.features, generator),
            "hidden_bias": uniform((width,), self.features, generator),
        }

    def states(self, params: Params, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> list[Tensor]:
        x = torch.cat([relative.flatten(1), level], dim=1)
        x = quantizer("input", x.expand(self.size, -1, -1))
        hidden = torch.relu(linear(x, quantizer.weight(params["hidden_weight"]), params["hidden_bias"]))
        return [quantizer("state", hidden)]

    def head_graph(self, params: Params) -> onnx.ModelProto:
        """Input [1, I] -> y [1, O]: the hidden layer and the head in one graph."""
        graph = OnnxGraphBuilder("head")
        graph.dense("input", params["hidden_weight"], params["hidden_bias"], "hidden")
        state = graph.add("Relu", ["hidden"], "state")
        y = readout(graph, state, params)
        return graph.model({"input": self.features}, {y: len(params["out_bias"])})
