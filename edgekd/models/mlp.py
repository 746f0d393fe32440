"""Multi-layer perceptron over all patches of the window: one hidden layer of rectified units."""

import torch
from torch import Tensor

from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.population import Params, Population, linear, uniform


class Mlp(Population):
    """The network of the module's description."""

    kind = "mlp"
    recurrent = False
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
