"""A graph of DLNet's shape: encoder, one Euler step, decoder, with LayerNorm spelt out in int8 operators."""

from typing import Any

import numpy as np
from tflite_builder import Node, Spec, build, constant

BATCH = 1


class Graph:
    """Tensors and nodes being added; every method returns the position of its result."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[Spec] = []
        self.nodes: list[Node] = []

    def tensor(self, width: int, scale: float, zero: int = 0) -> int:
        self.tensors.append(Spec(shape=(BATCH, width), scale=scale, zero_point=zero, name=f"t{len(self.tensors)}"))
        return len(self.tensors) - 1

    def constant(self, values: Any, dtype: str, scale: Any, **more: Any) -> int:
        self.tensors.append(constant(values, dtype, scale, **more))
        return len(self.tensors) - 1

    def op(self, kind: str, inputs: list[int], width: int, scale: float, zero: int = 0, **options: Any) -> int:
        out = self.tensor(width, scale, zero)
        self.nodes.append(Node(kind=kind, inputs=inputs, outputs=[out], options=options))
        return out

    def axes(self) -> int:
        self.tensors.append(constant([1], "int32"))
        return len(self.tensors) - 1

    def dense(self, x: int, inputs: int, outputs: int, scale: float, activation: str = "NONE") -> int:
        weights = self.rng.integers(-127, 128, (outputs, inputs))
        per_channel = (self.rng.uniform(0.5, 1.0, outputs) * 2.5 / (127 * np.sqrt(inputs))).astype(np.float32)
        step = self.tensors[x].scale * per_channel
        bias = self.rng.integers(-4000, 4000, outputs)
        w = self.constant(weights, "int8", per_channel)
        b = self.constant(bias, "int32", step.astype(np.float32))
        zero = -128 if activation == "RELU" else 0
        return self.op("FULLY_CONNECTED", [x, w, b], outputs, scale, zero, activation=activation)

    def layer_norm(self, x: int, width: int) -> int:
        mean = self.reshape(self.op("MEAN", [x, self.axes()], 1, 0.02, keep_dims=True), 1)
        square = self.op("SQUARED_DIFFERENCE", [x, mean], width, 0.08, -128)
        variance = self.op("MEAN", [square, self.axes()], 1, 0.03, -128, keep_dims=True)
        eps = self.constant(np.full((1, 1), 1), "int8", 0.01, zero_point=0)
        raised = self.op("ADD", [variance, eps], 1, 0.03, -128, activation="NONE")
        inverse = self.reshape(self.op("RSQRT", [raised], 1, 0.02, -128), 1)
        apart = self.op("SUB", [x, mean], width, 0.05, activation="NONE")
        normal = self.op("MUL", [apart, inverse], width, 0.03, activation="NONE")
        gain = self.constant(self.rng.integers(60, 128, (1, width)), "int8", 1 / 100, zero_point=0)
        shift = self.constant(self.rng.integers(-30, 30, (1, width)), "int8", 1 / 100, zero_point=0)
        scaled = self.op("MUL", [normal, gain], width, 0.03, activation="NONE")
        return self.reshape(self.op("ADD", [scaled, shift], width, 0.03, activation="NONE"), width)

    def reshape(self, x: int, width: int) -> int:
        spec = self.tensors[x]
        self.tensors.append(constant([BATCH, width], "int32"))
        shape = len(self.tensors) - 1
        return self.op("RESHAPE", [x, shape], width, spec.scale, spec.zero_point)


def dlnet(window: int = 100, hidden: int = 4) -> bytes:
    """x [1, window] -> y [1, window]: 256 and 128 units on both sides of the liquid state."""
    g = Graph()
    x = g.tensor(window, 0.02)
    wide = g.dense(g.layer_norm(g.reshape(x, window), window), window, 256, 0.03, "RELU")
    h = g.op("TANH", [g.layer_norm(g.dense(wide, 256, hidden, 0.03), hidden)], hidden, 1 / 128)
    drive = g.op("MEAN", [x, g.axes()], 1, 0.01, keep_dims=True)
    total = g.op("SUM", [h, g.axes()], 1, 0.03, keep_dims=True)
    inner = g.op("ADD", [g.dense(h, hidden, hidden, 0.02), drive], hidden, 0.03, activation="NONE")
    pull = g.op("TANH", [g.op("ADD", [inner, total], hidden, 0.04, activation="NONE")], hidden, 1 / 128)
    leak = g.constant(g.rng.integers(20, 127, (1, hidden)), "int8", 1 / 127, zero_point=0)
    change = g.op(
        "SUB", [pull, g.op("MUL", [h, leak], hidden, 1 / 128, activation="NONE")], hidden, 0.016, activation="NONE"
    )
    state = g.op("ADD", [h, change], hidden, 0.02, activation="NONE")
    y = state
    for inputs, outputs in ((hidden, 128), (128, 256), (256, 128)):
        y = g.layer_norm(g.dense(y, inputs, outputs, 0.03, "RELU"), outputs)
    y = g.dense(y, 128, window, 0.03)
    return build(g.tensors, g.nodes, [x], [y])
