"""Gates that see the same input and state, as one matrix product: what the liquid cells share."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.onnx_graph import OnnxGraphBuilder
from edgekd.models.population import Params, Population, steps

SHORTEST = 1.05
"""Shortest time constant in patches: the logarithm of tau - 1 must be finite."""


def gate_inputs(
    population: Population,
    gates: Sequence[str],
    params: Params,
    relative: Tensor,
    level: Tensor,
    quantizer: FakeQuantizer,
) -> tuple[Tensor, Tensor]:
    """What the gates get from the inputs of all steps, [P, N, B, G H], and their matrix over states [P, H, G H].

    The matrices of the G gates are rounded together, as the exported graph has one.
    """
    x = steps(population, relative, level, quantizer)
    weight = quantizer.weight(torch.cat([params[f"{gate}_weight"] for gate in gates], 1)).transpose(1, 2)
    bias = torch.cat([params[f"{gate}_bias"] for gate in gates], 1)[:, None, None]
    features = population.features
    return torch.matmul(x, weight[:, :features].unsqueeze(1)) + bias, weight[:, features:]


def gate_graph(
    graph: OnnxGraphBuilder, state: str, gates: Sequence[str], operands: tuple[str, str], units: int, number: str
) -> list[str]:
    """Add the product of all gates with [x, state] to a graph, as views of one value: their names."""
    joined = graph.add("Concat", ["x", state], f"cell.joined{number}", axis=1)
    graph.add("Gemm", [joined, *operands], f"cell.pre{number}", transB=1)
    return [
        graph.slice(f"cell.pre{number}", place * units, (place + 1) * units, f"cell.{gate}_pre{number}")
        for place, gate in enumerate(gates)
    ]


def gate_constants(graph: OnnxGraphBuilder, gates: Sequence[str], params: Params) -> tuple[str, str]:
    """Add the weights and biases of all gates to a graph: their names."""
    weight = graph.constant("cell.pre.weight", torch.cat([params[f"{gate}_weight"] for gate in gates]))
    bias = graph.constant("cell.pre.bias", torch.cat([params[f"{gate}_bias"] for gate in gates]))
    return weight, bias


def spread_time_constants(width: int, patches: int, generator: torch.Generator) -> Tensor:
    """Time constants [H] in patches, drawn evenly in their logarithm from one patch to the whole window."""
    tau = torch.exp(torch.rand(width, generator=generator) * math.log(max(patches, 2)))
    return tau.clamp(min=SHORTEST)
