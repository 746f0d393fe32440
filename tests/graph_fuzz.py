"""Random small graphs: many operators, any names and scales, several outputs, compiled and compared.

python tests/graph_fuzz.py 2000 --seed 1        # so many graphs, from this seed on; a failure prints its own

python tests/graph_fuzz.py 2000 --seed 1     # so many graphs, from this seed on; one that fails prints its own
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tflite_builder import Node, Spec, build, constant

from edgekd.codegen.c_graph import generate
from edgekd.emulate.graph_harness import HostGraph
from edgekd.emulate.host import HostLibrary
from edgekd.program import reference
from edgekd.program.interpreters import TfliteMicro
from edgekd.program.reader import read_tflite
from edgekd.run import write_files

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
NAMES = (
    "x",
    "std",
    "case",
    "5_1_pool",
    "NULL",
    "i",
    "workspace",
    "*/",
    "äö",
    "a/b:0",
    "int8_t",
    "??/",
    "",
    "x_2",
    "run",
    "t_x",
)
ARENA = 1 << 20
WINDOWS = 6
BATCH = 25


class Graph:
    """A graph that grows: values that exist, by index."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.dtype = str(rng.choice(["int8", "int8", "int16"]))
        self.tensors: list[Spec] = []
        self.nodes: list[Node] = []
        self.values: list[int] = []

    def add(self, spec: Spec) -> int:
        self.tensors.append(spec)
        return len(self.tensors) - 1

    def quant(self) -> dict[str, Any]:
        zero = 0 if self.dtype == "int16" else int(self.rng.integers(-128, 128))
        return {"scale": float(np.float32(2 ** self.rng.uniform(-8, -2))), "zero_point": zero}

    def value(self, shape: tuple[int, ...], **quant: Any) -> int:
        name = str(self.rng.choice(NAMES))
        return self.add(Spec(shape=shape, dtype=self.dtype, name=name, **(quant or self.quant())))

    def node(self, kind: str, inputs: list[int], results: list[int], **options: Any) -> None:
        self.nodes.append(Node(kind=kind, inputs=inputs, outputs=results, options=options))
        self.values += results

    def pick(self) -> int:
        """A value, a late one more often."""
        count = len(self.values)
        return self.values[max(int(self.rng.integers(0, count)), int(self.rng.integers(0, count)))]

    def of(self, index: int) -> Spec:
        return self.tensors[index]

    def same(self, index: int) -> dict[str, Any]:
        return {"scale": self.of(index).scale, "zero_point": self.of(index).zero_point}

    def numbers(self, values: Any) -> int:
        return self.add(constant(np.asarray(values, np.int32)))


def binary(g: Graph) -> None:
    x = g.pick()
    shape = g.of(x).shape
    others = [index for index in g.values if g.of(index).shape == shape]
    kind = str(g.rng.choice(["ADD", "SUB", "MUL", "MAXIMUM", "SQUARED_DIFFERENCE"]))
    quant = g.same(x) if kind == "MAXIMUM" else g.quant()
    if g.rng.random() < 0.4 or (kind == "MAXIMUM"):
        limits = np.iinfo(g.dtype)
        size = shape if g.rng.random() < 0.5 else shape[-1:]
        values = g.rng.integers(limits.min, limits.max + 1, size)
        own = quant if kind == "MAXIMUM" else g.quant()
        y = g.add(constant(values, g.dtype, own["scale"], zero_point=own["zero_point"]))
    else:
        y = int(g.rng.choice(others))
    options = {} if kind in ("MAXIMUM", "SQUARED_DIFFERENCE") else {"activation": str(g.rng.choice(ACTIVATIONS))}
    g.node(kind, [x, y], [g.value(shape, **quant)], **options)


def unary(g: Graph) -> None:
    x = g.pick()
    kinds = ["RELU", "ABS", "LEAKY_RELU", "QUANTIZE", "LOGISTIC", "TANH"]
    kind = str(g.rng.choice(kinds + (["HARD_SWISH", "ELU"] if g.dtype == "int8" else [])))
    fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
    quant = g.quant()
    if kind in fixed:
        scale, zero = fixed[kind] if g.dtype == "int8" else (1 / 32768, 0)
        quant = {"scale": scale, "zero_point": zero}
    options = {"alpha": float(g.rng.choice([0.1, 0.3]))} if kind == "LEAKY_RELU" else {}
    g.node(kind, [x], [g.value(g.of(x).shape, **quant)], **options)


def fully_connected(g: Graph) -> None:
    x = g.pick()
    inputs, outputs = g.of(x).shape[-1], int(g.rng.integers(1, 9))
    scales = np.float32(2 ** g.rng.uniform(-8, -5, outputs if g.rng.random() < 0.5 else 1))
    w = g.add(constant(g.rng.integers(-127, 128, (outputs, inputs)), "int8", scales))
    bias = -1
    if g.rng.random() < 0.7:
        wide = "int32" if g.dtype == "int8" else "int64"
        grid = np.float32(g.of(x).scale) * scales
        bias = g.add(constant(g.rng.integers(-3000, 3000, outputs), wide, grid))
    y = g.value((*g.of(x).shape[:-1], outputs))
    options = {"activation": str(g.rng.choice(ACTIVATIONS)), "keepNumDims": True}
    g.node("FULLY_CONNECTED", [x, w, bias], [y], **options)


def convolution(g: Graph) -> None:
    images = [index for index in g.values if len(g.of(index).shape) == 4 and g.of(index).shape[0] == 1]
    if not images:
        return
    x = int(g.rng.choice(images))
    _, h, w, c = g.of(x).shape
    kernel = [int(g.rng.integers(1, min(3, n) + 1)) for n in (h, w)]
    stride = [int(g.rng.integers(1, 3)) for _ in range(2)]
    same = bool(g.rng.random() < 0.5)
    out = [-(-n // s) if same else (n - k) // s + 1 for n, s, k in zip((h, w), stride, kernel, strict=True)]
    options = {"padding": "SAME" if same else "VALID", "stride_h": stride[0], "stride_w": stride[1]}
    if g.rng.random() < 0.3:
        kind = str(g.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        options |= {"filter_h": kernel[0], "filter_w": kernel[1], "activation": "NONE"}
        g.node(kind, [x], [g.value((1, *out, c), **g.same(x))], **options)
        return
    depthwise = bool(g.rng.random() < 0.5)
    channels = c if depthwise else int(g.rng.integers(1, 6))
    size = (1, *kernel, c) if depthwise else (channels, *kernel, c)
    scales = np.float32(2 ** g.rng.uniform(-8, -5, channels))
    weights = g.add(constant(g.rng.integers(-127, 128, size), "int8", scales, axis=3 if depthwise else 0))
    options |= {"activation": str(g.rng.choice(ACTIVATIONS)), "dilation_h": 1, "dilation_w": 1}
    if depthwise:
        options["depth_multiplier"] = 1
    y = g.value((1, *out, channels))
    g.node("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, weights], [y], **options)


def reshape(g: Graph) -> None:
    x = g.pick()
    count = int(np.prod(g.of(x).shape))
    shape = (1, count) if g.rng.random() < 0.5 else (1, 1, count, 1)
    g.node("RESHAPE", [x, g.numbers(shape)], [g.value(shape, **g.same(x))])


def transpose(g: Graph) -> None:
    x = g.pick()
    order = [int(axis) for axis in g.rng.permutation(len(g.of(x).shape))]
    shape = tuple(g.of(x).shape[axis] for axis in order)
    g.node("TRANSPOSE", [x, g.numbers(order)], [g.value(shape, **g.same(x))])


def pad(g: Graph) -> None:
    x = g.pick()
    widths = [[0, 0], *([int(n) for n in g.rng.integers(0, 3, 2)] for _ in g.of(x).shape[1:])]
    shape = tuple(n + sum(width) for n, width in zip(g.of(x).shape, widths, strict=True))
    if np.prod(shape) < 400:
        g.node("PAD", [x, g.numbers(widths)], [g.value(shape, **g.same(x))])


def parts(g: Graph) -> None:
    x = g.pick()
    shape = g.of(x).shape
    axis = int(g.rng.integers(0, len(shape)))
    if shape[axis] % 2:
        return
    half = (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])
    results = [g.value(half, **g.same(x)) for _ in range(2)]
    g.node("SPLIT", [g.numbers(axis), x], results, count=2)


def concatenation(g: Graph) -> None:
    x = g.pick()
    shape = g.of(x).shape
    alike = [i for i in g.values if g.of(i).shape == shape and g.same(i) == g.same(x)]
    axis = int(g.rng.integers(0, len(shape)))
    operands = [x, *(int(i) for i in g.rng.choice(alike, 2))]
    whole = (*shape[:axis], 3 * shape[axis], *shape[axis + 1 :])
    if np.prod(whole) < 400:
        g.node("CONCATENATION", operands, [g.value(whole, **g.same(x))], axis=axis, activation="NONE")


def reduction(g: Graph) -> None:
    x = g.pick()
    shape = g.of(x).shape
    axes = sorted({int(a) for a in g.rng.integers(0, len(shape), 2)})
    kinds = ["MEAN", "SUM"] + (["REDUCE_MAX"] if g.dtype == "int8" else [])
    kind = str(g.rng.choice(kinds))
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    quant = g.same(x) if kind == "REDUCE_MAX" else g.quant()
    g.node(kind, [x, g.numbers(axes)], [g.value(kept, **quant)], keep_dims=True)


MAKERS: tuple[Callable[[Graph], None], ...] = (
    binary, binary, binary, unary, unary, unary, fully_connected, convolution, reshape, transpose, pad, parts,
    concatenation, reduction,
)  # fmt: skip


def random_graph(seed: int) -> bytes:
    """The bytes of a random file."""
    g = Graph(np.random.default_rng(seed))
    for _ in range(int(g.rng.integers(1, 3))):
        shape = [(1, 6), (1, 4, 4), (1, 5, 4, 2), (1, 1, 8, 3), (1, 3, 1)][int(g.rng.integers(0, 5))]
        g.values.append(g.value(shape))
    inputs = list(g.values)
    for _ in range(int(g.rng.integers(1, 9))):
        MAKERS[int(g.rng.integers(0, len(MAKERS)))](g)
    outputs = [g.values[-1], *(int(i) for i in g.rng.choice(g.values, g.rng.integers(0, 3)))]
    return build(g.tensors, g.nodes, inputs, outputs)


def check(seeds: list[int], folder: Path) -> None:
    """AssertionError names the first seed whose results differ."""
    files: dict[str, str | bytes] = {}
    graphs = []
    for seed in seeds:
        content = random_graph(seed)
        program = read_tflite(content)
        rng = np.random.default_rng(seed)
        batch = []
        for index in program.inputs:
            limits, window = np.iinfo(program.tensors[index].dtype), program.tensors[index].window
            values = rng.integers(limits.min, limits.max + 1, (WINDOWS, *window))
            batch.append(values.astype(program.tensors[index].dtype))
        wanted = reference.run(program, batch)
        for expected, computed in zip(wanted, TfliteMicro(content, ARENA).run(batch), strict=True):
            assert np.array_equal(expected, computed), f"seed {seed}: reference and TFLite-Micro"
        code = generate(program, f"graph{seed}")
        files |= code.files
        graphs.append((seed, code, batch, wanted))
    write_files(folder, files)
    library = HostLibrary([folder / name for name in files if name.endswith(".c")], [folder], folder / "build")
    for seed, code, batch, wanted in graphs:
        run = HostGraph(library, code.entry, code.workspace_bytes, code.inputs, code.outputs)
        for expected, computed in zip(wanted, run(batch), strict=True):
            assert np.array_equal(expected, computed), f"seed {seed}: reference and C"


def main() -> None:
    """Check so many graphs, a library for each batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed = 0
    for first in range(arguments.seed, arguments.seed + arguments.count, BATCH):
        seeds = list(range(first, min(first + BATCH, arguments.seed + arguments.count)))
        try:
            with tempfile.TemporaryDirectory() as folder:
                check(seeds, Path(folder))
        except Exception:  # one of them is found by itself, below
            for seed in seeds:
                try:
                    with tempfile.TemporaryDirectory() as folder:
                        check([seed], Path(folder))
                except Exception as error:
                    failed += 1
                    print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    print(f"{arguments.count} graphs, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
