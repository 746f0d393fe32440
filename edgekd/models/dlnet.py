"""DLNet (arXiv 2601.06227): encoder, Euler steps of a liquid layer, decoder. Float only, for comparison.

h0 = tanh(LN(W2 relu(LN(W1 x)))), h <- h + dt * (-alpha * h + beta * tanh(W h + mean(x))), y = decoder(h + r * h0).
The teacher takes nine steps of 1/9 with a full W; the student one step of 0.05 with W = diag(w) + U V^T / rank.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.population import Params, Population, Shape, linear, uniform

ENCODER = 256
DECODER = (256, 128)
RANK = 4


class Dlnet(Population):
    """Members of equal width; x is the whole window and its level."""

    kind = "dlnet"
    recurrent = False
    unit_axes: dict[str, tuple[int, ...]] = {}

    def __init__(self, widths: Sequence[int], seeds: Sequence[int], shape: Shape, *, student: bool) -> None:
        self.student = student
        super().__init__(widths, seeds, shape)

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        sizes = {"in": (self.features, ENCODER), "code": (ENCODER, width), "dec0": (width, DECODER[0])}
        sizes |= {"dec1": DECODER, "dec2": (DECODER[1], self.shape.outputs)}
        params = {}
        for name, (inputs, outputs) in sizes.items():
            params[f"{name}_weight"] = uniform((outputs, inputs), inputs, generator)
            params[f"{name}_bias"] = torch.zeros(outputs)
            if name != "dec2":
                params |= {f"{name}_gain": torch.ones(outputs), f"{name}_shift": torch.zeros(outputs)}
        params |= {"alpha": torch.ones(width), "beta": torch.ones(width), "skip": torch.full((1,), 0.1)}
        if self.student:
            factors = {"u": uniform((width, RANK), RANK, generator), "v": uniform((width, RANK), width, generator)}
            return params | factors | {"w": torch.zeros(width)}
        return params | {"liquid_weight": uniform((width, width), width, generator)}

    def _seeded(self, width: int, seed: int, rank: int) -> dict[str, Tensor]:
        return self.member(width, torch.Generator().manual_seed(seed))

    def forward(self, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> tuple[Tensor, list[Tensor]]:
        """Rel [B, N, F], level [B, F] -> forecasts [P, B, O] and h after each step."""
        params = dict(self.named_parameters())
        x = torch.cat([relative.flatten(1), level], dim=1).expand(self.size, -1, -1)
        h0 = torch.tanh(_normed(params, "code", torch.relu(_normed(params, "in", x))))
        states = self._euler(params, h0, x.mean(2, keepdim=True))
        y = states[-1] + params["skip"].unsqueeze(1) * h0
        for name in ("dec0", "dec1"):
            y = torch.relu(_normed(params, name, y))
        return linear(y, params["dec2_weight"], params["dec2_bias"]), states

    def _euler(self, params: Params, h: Tensor, mean: Tensor) -> list[Tensor]:
        count, dt = (1, 0.05) if self.student else (9, 1 / 9)
        alpha, beta = params["alpha"].unsqueeze(1), params["beta"].unsqueeze(1)
        states = []
        for _ in range(count):
            h = h + dt * (beta * torch.tanh(self._mixed(params, h) + mean) - alpha * h)
            states.append(h)
        return states

    def _mixed(self, params: Params, h: Tensor) -> Tensor:
        if not self.student:
            return h @ params["liquid_weight"].transpose(1, 2)
        return params["w"].unsqueeze(1) * h + (h @ params["v"]) @ params["u"].transpose(1, 2) / RANK


def _normed(params: Params, name: str, x: Tensor) -> Tensor:
    y = linear(x, params[f"{name}_weight"], params[f"{name}_bias"])
    y = layer_norm(y, y.shape[-1:])
    return y * params[f"{name}_gain"].unsqueeze(1) + params[f"{name}_shift"].unsqueeze(1)
