"""Any int8 .tflite as native code: generated into a folder, measured on the emulated board, and proved equal."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd import __version__
from edgekd.codegen.c_graph import Code, LayerInfo, TensorLocation, examples, generate
from edgekd.codegen.c_names import model_name
from edgekd.contracts.board import Board, load_board
from edgekd.contracts.engines import Engine
from edgekd.contracts.errors import ConfigError, DataError, Disagreement, EdgekdError, ModelError, ToolMissing
from edgekd.contracts.results import Difference, Measurement, PairParity, Parity, Verification, read_report
from edgekd.emulate.compiler import Image, Profile, check_syntax, compile_image, find_compiler
from edgekd.emulate.graph_harness import BoardGraph, HostGraph, run_calls
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.emulate.measure import Layer, measure
from edgekd.evaluate.firmware import MEASURED_WINDOWS, measure_firmware, temporary_firmware
from edgekd.program import interpreters, reference
from edgekd.program.model_file import read_model_file
from edgekd.program.package import quantize
from edgekd.program.program import Program, Tensor
from edgekd.program.reader import read_tflite
from edgekd.run import MANIFEST, read_json, write_files

Batch = list[NDArray[Any]]
ABOUT = "edgekd.json"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A folder that `write_code` made: what is compiled are the files in it, whoever changed them since."""

    folder: Path
    program: Program
    content: bytes
    code: Code
    board: Board

    @property
    def sources(self) -> list[Path]:
        return [self.folder / name for name in self.code.sources]

    def image(self, folder: Path, *, profile: Profile = "speed", compiler: str | None = None) -> Image:
        """Link it with the memory of its caller. compiler: gcc or zig, the first that is installed when None."""
        memory = folder / "memory.c"
        memory.write_text(self.code.memory, encoding="utf-8")
        return compile_image(
            [*self.sources, memory],
            [self.folder],
            self.board,
            folder / "graph.elf",
            entries=[self.code.entry, *self.code.variables],
            profile=profile,
            compiler=find_compiler(self.board, compiler) if compiler else None,  # type: ignore[arg-type]
        )


def write_code(model: Path, name: str | None, board: str, out: Path) -> Code:
    """Generate the C of a .tflite file into the folder `out`, with a C program and a sketch that check themselves.

    Raises ModelError for a file that cannot be read or an operator that has no kernel, ConfigError for the board.
    """
    target = load_board(board)
    content = read_model_file(model)
    program = read_tflite(content)
    prefix = model_name(name or model.stem)
    code = generate(program, prefix)
    window = random_inputs(program, 1)
    files = dict(code.files) | {
        **examples(code, [value[0] for value in window], [value[0] for value in reference.run(program, window)]),
        f"{prefix}.tflite": content,
        ABOUT: f'{{"edgekd": "{__version__}", "name": "{prefix}", "board": "{board}"}}\n',
    }
    _require_c(code, target)
    write_files(out, files)
    return code


def _require_c(code: Code, board: Board) -> None:
    """EdgekdError unless a compiler takes the generated source; what cannot be compiled for is not checked."""
    if not board.emulated:
        return
    with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
        folder = Path(name)
        write_files(folder, code.files)
        try:
            check_syntax(folder / f"{code.name}.c", [folder], board)
        except ToolMissing:
            return
        except EdgekdError as error:
            raise EdgekdError(
                f"the C generated for '{code.name}' cannot be compiled, nothing was written: {error}",
                hint="this is a bug: please report it with the .tflite file",
            ) from None


def load_code(folder: Path, board: str | None = None) -> Generated:
    """Read a folder made by `write_code`. DataError when it is none."""
    about = read_json(folder / ABOUT)
    try:
        name, own = str(about["name"]), str(about["board"])
    except (KeyError, TypeError):
        raise DataError(f"{folder / ABOUT} is damaged", hint="run edgekd codegen again") from None
    content = read_model_file(folder / f"{name}.tflite")
    program = read_tflite(content)
    return Generated(
        folder=folder, program=program, content=content, code=generate(program, name), board=load_board(board or own)
    )


def emulate(
    folder: Path, board: str | None = None, *, profile: Profile = "speed", compiler: str | None = None
) -> Measurement:
    """Run the code in a folder on the emulated board: the most expensive of MEASURED_WINDOWS windows counts.

    The folder of a run stands for the native firmware of its chosen candidate, measured on validation windows.
    """
    with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
        build = Path(name)
        if (folder / MANIFEST).exists():
            return _emulate_run(folder, board, build, profile=profile, compiler=compiler)
        generated = load_code(folder, board)
        layers = [_known(each, each.name) for each in generated.code.layers]
        image = generated.image(build, profile=profile, compiler=compiler)
        batch = random_inputs(generated.program, MEASURED_WINDOWS)
        calls = run_calls(generated.code.entry, generated.code.variables, batch, generated.code.inputs)
        return measure(image, generated.code.entry, calls, layers=layers)


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
                if engine != Engine.TFLM and image:
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


def _engines(generated: Generated, build: Path, image: Image | None) -> dict[Engine, Callable[[Batch], Batch]]:
    """What is compared with the twin."""
    code = generated.code
    library = HostLibrary(generated.sources, [generated.folder], build)
    engines: dict[Engine, Callable[[Batch], Batch]] = {
        Engine.TFLM: interpreters.TfliteMicro(generated.content).run,
        Engine.HOST: HostGraph(library, code.entry, code.workspace_bytes, code.inputs, code.outputs),
    }
    if image:
        machine = Machine(image, counting=False)
        engines[Engine.BOARD] = BoardGraph(machine, code.entry, code.variables, code.inputs, code.outputs)
    return engines


def _emulate_run(
    folder: Path, board: str | None, build: Path, *, profile: Profile, compiler: str | None
) -> Measurement:
    report = read_report(folder)
    target = load_board(board or report.board)
    with temporary_firmware(folder / "models" / report.chosen.name) as (native, temporary):
        chosen = find_compiler(target, compiler) if compiler else None  # type: ignore[arg-type]
        image = native.image(target, build, profile=profile, compiler=chosen)
        raw = np.load(folder / "data" / "val.npz")["raw"]
        return measure_firmware(native, image, native.library(temporary), raw)


def first_layer(generated: Generated, image: Image, window: Batch) -> str | None:
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
    BoardGraph(machine, code.entry, code.variables, code.inputs, code.outputs)(window)
    check()
    return next((layer.name for layer, right in zip(code.layers, done, strict=False) if not right), None)


def load_windows(path: Path, program: Program) -> Batch:
    """Windows of a .npy file, or of a .npz file with an array per input: integers, or real numbers to be quantised.

    DataError unless shapes [N, ...] and types fit the graph's inputs.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as .npy or .npz: {error}") from None
    arrays = [loaded] if isinstance(loaded, np.ndarray) else [loaded[name] for name in loaded.files]
    tensors = [program.tensors[index] for index in program.inputs]
    if len(arrays) != len(tensors):
        raise DataError(
            f"{path} holds {len(arrays)} arrays, the graph has {len(tensors)} inputs",
            hint=f"save them in this order: {', '.join(tensor.name for tensor in tensors)}",
        )
    return [_window_array(path, array, tensor) for array, tensor in zip(arrays, tensors, strict=True)]


def random_inputs(program: Program, count: int, seed: int = 0) -> Batch:
    """Integers over the whole range of every input; for an operand of RSQRT none below zero, where TFLite stops.

    Real numbers over the range of the quantization that they are brought to, and a little beyond.
    """
    rng = np.random.default_rng(seed)
    rooted = {op.inputs[0] for op in program.ops if op.kind == "RSQRT"}
    batch = []
    for index in program.inputs:
        tensor = program.tensors[index]
        if tensor.dtype == "float32":
            low, high = _real_range(program, index)
            batch.append(rng.uniform(low, high, (count, *tensor.window)).astype(np.float32))
            continue
        if tensor.dtype not in ("int8", "int16", "uint8"):
            raise ModelError(f"input '{tensor.name}' is {tensor.dtype}", hint="quantize the model's inputs, too")
        limits = np.iinfo(tensor.dtype)
        least = limits.min
        if index in rooted and tensor.quantization is not None:
            least = int(tensor.quantization.zero_point[0])
        batch.append(rng.integers(least, limits.max + 1, (count, *tensor.window)).astype(tensor.dtype))
    return batch


def _real_range(program: Program, index: int) -> tuple[float, float]:
    """What the first QUANTIZE that follows an input takes, and a tenth more."""
    reached = {index}
    for op in program.ops:
        if reached.isdisjoint(op.inputs):
            continue
        tensor = program.tensors[op.outputs[0]]
        if op.kind == "QUANTIZE" and tensor.quantization is not None:
            limits, scale = np.iinfo(tensor.dtype), float(tensor.quantization.scale[0])
            zero_point = int(tensor.quantization.zero_point[0])
            return 1.1 * scale * (limits.min - zero_point), 1.1 * scale * (limits.max - zero_point)
        reached.update(op.outputs)
    return -1.0, 1.0


def _window_array(path: Path, array: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    if tensor.dtype == "float32" and array.dtype.kind in "fiu":
        array = array.astype(np.float32)
    elif array.dtype.kind == "f" and np.isfinite(array).all():
        array = quantize(array.astype(np.float32), tensor)
    wanted = ", ".join(["N", *map(str, tensor.window)])
    if array.dtype != tensor.dtype or array.shape[1:] != tensor.window or len(array) == 0:
        raise DataError(
            f"{path}: input '{tensor.name}' is {tensor.dtype} [{wanted}], or finite real numbers; "
            f"got {array.dtype} {list(array.shape)}"
        )
    return array


def _known(layer: LayerInfo, name: str) -> Layer:
    return Layer(name=name, function=layer.function, macs=layer.macs, bytes=layer.bytes)


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


def _holds(generated: Generated, machine: Machine, place: TensorLocation, window: Batch) -> bool:
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
