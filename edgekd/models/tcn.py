"""Causal convolution network: strided convolutions over the patches until one place is left, the newest.

Each layer halves the number of places; its kernel, 3 or 4 patches (fewer at the end), is the one whose last place ends
at the newest patch, so nothing recent is cut off and nothing is padded. The level joins the last layer. A forecast
reads the whole window, as WaveNet does (van den Oord et al. 2016), in log2(N) layers.
"""

from dataclasses import dataclass

import onnx
import torch
from torch import Tensor

from edgekd.contracts.declarations import ModelKind
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.onnx_graph import OnnxGraphBuilder, readout
from edgekd.models.population import Params, Population, linear, uniform

KIND = ModelKind(
    name="tcn",
    label="TCN",
    marker="diamond",
    color="#b3266a",
    dark_color="#f080b4",
    recurrent=False,
)

STRIDE = 2
DEEPEST = 12
"""Layers of the longest window, of 4096 patches, and one."""


@dataclass(frozen=True)
class Convolution:
    """A convolution: `kernel` places wide, from `inputs` places to `outputs`."""

    name: str
    kernel: int
    inputs: int
    outputs: int


def layers(patches: int) -> list[Convolution]:
    """The convolutions that lead from N patches to one place."""
    stack: list[Convolution] = []
    places = patches
    while places > 1 or not stack:
        kernel = min(places, 4 if places % 2 == 0 else 3)
        after = (places - kernel) // STRIDE + 1
        stack.append(Convolution(f"conv{len(stack)}", kernel, places, after))
        places = after
    return stack


class Tcn(Population):
    """The network of the module's description; all layers have the same live units as channels."""

    kind = KIND.name
    recurrent = KIND.recurrent
    graph_ranges = {"window": "input", "patches": "input", "places": "input", "recent": "input", "last": "conv.last"}
    unit_axes: dict[str, tuple[int, ...]] = {
        "level_weight": (0,),
        **{f"conv{depth}_weight": (0, 2) if depth else (0,) for depth in range(DEEPEST)},
        **{f"conv{depth}_bias": (0,) for depth in range(DEEPEST)},
    }

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        params = {}
        for layer in layers(self.shape.patches):
            channels = self.shape.columns if layer.name == "conv0" else width
            fan_in = layer.kernel * channels
            params[f"{layer.name}_weight"] = uniform((width, layer.kernel, channels), fan_in, generator)
            params[f"{layer.name}_bias"] = uniform((width,), fan_in, generator)
        columns = self.shape.columns
        return params | {"level_weight": uniform((width, columns), columns, generator)}

    def states(self, params: Params, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> list[Tensor]:
        quantizer(
            "input", torch.cat([relative.flatten(1), level], dim=1).expand(self.size, -1, -1)
        )  # one tensor when deployed
        x = quantizer("input", relative.expand(self.size, -1, -1, -1))
        stack = layers(self.shape.patches)
        for layer in stack:
            weight = quantizer.weight(params[f"{layer.name}_weight"].flatten(2))
            x = _convolve(x, weight, params[f"{layer.name}_bias"], layer)
            last = layer is stack[-1]
            x = quantizer("conv.last" if last else layer.name, x if last else torch.relu(x))
        recent = quantizer("input", level.expand(self.size, -1, -1))
        recent = quantizer("level", torch.matmul(recent, quantizer.weight(params["level_weight"]).transpose(1, 2)))
        return [quantizer("state", torch.relu(x[:, :, 0] + recent))]

    def head_graph(self, params: Params) -> onnx.ModelProto:
        """Input [1, N * F + F] -> y [1, O]: the convolutions and the head in one graph."""
        graph, units = OnnxGraphBuilder("head"), len(params["conv0_bias"])
        patches, columns = self.shape.patches, self.shape.columns
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
            kernel = params[f"{layer.name}_weight"].transpose(1, 2)  # ONNX has [O, C, kernel]
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
        y = readout(graph, state, params)
        return graph.model({"input": length + columns}, {y: len(params["out_bias"])})

    def weight_uses(self, name: str) -> int:
        places = {f"{layer.name}_weight": layer.outputs for layer in layers(self.shape.patches)}
        return places.get(name, 1)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor, layer: Convolution) -> Tensor:
    """X [P, B, places, C], weight [P, O, kernel * C], bias [P, O] -> [P, B, places', O]."""
    reach = STRIDE * (layer.outputs - 1) + 1
    seen = torch.cat([x[:, :, place : place + reach : STRIDE] for place in range(layer.kernel)], dim=3)
    members, windows = seen.shape[:2]
    y = linear(seen.reshape(members, windows * layer.outputs, -1), weight, bias)
    return y.view(members, windows, layer.outputs, -1)
