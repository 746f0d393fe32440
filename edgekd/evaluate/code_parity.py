"""Parity of generated code: TFLite-Micro, the C on this computer and on the emulated board equal the reference."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.codegen.c_graph import TensorLocation
from edgekd.contracts.engines import Engine
from edgekd.contracts.errors import ConfigError, Disagreement, EdgekdError
from edgekd.contracts.results import Difference, PairParity, Parity, Verification
from edgekd.emulate.compiler import Image
from edgekd.emulate.graph_harness import BoardGraph, HostGraph
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.evaluate.code_folder import Generated, load_code
from edgekd.program import interpreters, reference
from edgekd.program.graph_inputs import Arrays, load_windows, random_inputs


def verify(
    folder: Path, windows: Path | None, random: int, board: str | None = None, *, compiler: str | None = None
) -> Verification:
    """Compare TFLite-Micro, the C on this computer and on the emulated board with the twin, to the last bit.

    windows: a file of windows, or None for so many random ones. The first difference is that of the first pair that
    differs, with the first layer that does on the board.
    """
    generated = load_code(folder, board)
    if windows is None and random == 0:
        raise ConfigError("no windows to compare on", hint="--windows FILE.npy, or --random 1000")
    inputs = load_windows(windows, generated.program) if windows else random_inputs(generated.program, random)
    expected = reference.run(generated.program, inputs)
    pairs: Parity = {}
    difference: Difference | None = None
    with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
        build = Path(name)
        image = generated.image(build, compiler=compiler) if generated.board.emulated else None
        for engine, run in _engines(generated, build, image).items():
            computed = run(inputs)
            same = np.all([_same(a, b) for a, b in zip(expected, computed, strict=True)], axis=0)
            pair = PairParity(
                engines=(Engine.TWIN, engine),
                windows=len(same),
                equal=int(same.sum()),
                max_abs=_furthest(expected, computed),
                tolerance=0.0,
            )
            pairs[pair.name] = pair
            if difference is None and not same.all():
                difference = _difference(generated, pair.name, int(np.argmin(same)), expected, computed)
                if engine != Engine.TFLM and image and not generated.program.variables:
                    layer = first_layer(generated, image, [x[difference.window][None] for x in inputs])
                    difference = difference.model_copy(update={"layer": layer})
    return Verification(windows=len(expected[0]), pairs=pairs, first_difference=difference)


def require_equal(verification: Verification) -> None:
    """Raise Disagreement, with where it is, unless all pairs of `verify` are equal."""
    first = verification.first_difference
    if first:
        layer = f", first in layer '{first.layer}'" if first.layer else ""
        engines = " and ".join(verification.pairs[first.pair].engines)
        raise Disagreement(
            f"{engines} differ: window {first.window}, output '{first.output}', element {first.element}: "
            f"{first.twin} and {first.found}{layer}",
            hint="was the code changed by hand? run edgekd codegen again",
        )


def first_layer(generated: Generated, image: Image, window: Arrays) -> str | None:
    """Name of the first layer whose result on the emulated board differs from the twin's; None when none does."""
    machine, code = Machine(image, counting=False), generated.code
    done: list[bool] = []

    def check() -> None:
        """Entering a layer, look at the results of the one before it."""
        if len(done) < len(code.layers):
            done.append(all(_holds(generated, machine, place, window) for place in code.layers[len(done)].writes))

    entered = 0

    def enter() -> None:
        nonlocal entered
        if entered:
            check()
        entered += 1

    for function in dict.fromkeys(layer.function for layer in code.layers):
        machine.watch(function, enter)
    BoardGraph(machine, code.entry, code.variables, code.inputs, code.outputs, code.init)(window)
    check()
    return next((layer.name for layer, right in zip(code.layers, done, strict=False) if not right), None)


def _engines(generated: Generated, build: Path, image: Image | None) -> dict[Engine, Callable[[Arrays], Arrays]]:
    """What is compared with the twin."""
    code = generated.code
    library = HostLibrary(generated.sources, [generated.folder], build)
    engines: dict[Engine, Callable[[Arrays], Arrays]] = {
        Engine.TFLM: interpreters.TfliteMicro(generated.content).run,
        Engine.HOST: HostGraph(
            library, code.entry, code.workspace_bytes, code.inputs, code.outputs, code.init, code.state_bytes
        ),
    }
    if image:
        machine = Machine(image, counting=False)
        engines[Engine.BOARD] = BoardGraph(machine, code.entry, code.variables, code.inputs, code.outputs, code.init)
    return engines


def _same(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Which windows are equal."""
    return np.asarray((a == b).reshape(len(a), -1).all(axis=1))


def _furthest(expected: Sequence[NDArray[Any]], computed: Sequence[NDArray[Any]]) -> float:
    """Largest distance of two values that are numbers."""
    pairs = zip(expected, computed, strict=True)
    return float(max(np.nan_to_num(np.abs(a.astype(np.float64) - b)).max() for a, b in pairs))


def _difference(
    generated: Generated, pair: str, window: int, expected: Sequence[Any], computed: Sequence[Any]
) -> Difference:
    for tensor, a, b in zip(generated.code.outputs, expected, computed, strict=True):
        away = np.flatnonzero(a[window].reshape(-1) != b[window].reshape(-1))
        if len(away):
            at = int(away[0])
            return Difference(
                pair=pair,
                window=window,
                output=tensor.name,
                element=at,
                twin=a[window].reshape(-1)[at].item(),
                found=b[window].reshape(-1)[at].item(),
            )
    raise EdgekdError("windows differ in no output")


def _holds(generated: Generated, machine: Machine, place: TensorLocation, window: Arrays) -> bool:
    """Whether the memory of the board holds what the twin computes of a tensor."""
    tensor = place.tensor
    if tensor.data is not None:
        wanted = tensor.data
    else:
        index = next((i for i, other in enumerate(generated.program.tensors) if other is tensor), None)
        if index is None:  # it stands for a tensor of the file that is computed in another way
            return True
        wanted = reference.run(replace(generated.program, outputs=(index,)), window)[0]
    raw = machine.read(place.variable)[place.offset :][: int(np.prod(tensor.shape)) * np.dtype(tensor.dtype).itemsize]
    return bool(np.array_equal(np.frombuffer(raw, tensor.dtype), wanted.reshape(-1)))
