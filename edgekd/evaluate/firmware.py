"""Native code in use: written, compiled for this computer and for the emulated board, run there, compared, measured."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.codegen import tflm
from edgekd.codegen.c_model import ModelCode, generate_model
from edgekd.codegen.sketches import Vectors, ble_sketch, model_libraries, native_sketch, stream_sketch
from edgekd.contracts.board import Board
from edgekd.contracts.engines import Engine
from edgekd.contracts.errors import Disagreement
from edgekd.contracts.results import Measurement
from edgekd.data.windows import evenly_spaced
from edgekd.emulate.compiler import Compiler, Image, Profile, compile_image
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.emulate.measure import ProfiledCall, ProfiledLayer, measure
from edgekd.evaluate.runtimes import Forecasts, forecast_model
from edgekd.program.arena import arena_bytes
from edgekd.program.package import TFLM, Deployed, load_model
from edgekd.run import write_files

F32 = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]
STATE, FORECAST = "edgekd_state", "edgekd_forecast"
MEASURED_WINDOWS = 20
BOARD_INTEGERS = 100
SELF_TEST_WINDOWS = 5


class Firmware:
    """The native code of a deployed model in a folder, ready to be compiled."""

    def __init__(self, model: Deployed, folder: Path) -> None:
        """Write the code to `folder`. ModelError for an operator that has no kernel."""
        self.model, self.folder = model, folder
        self.code: ModelCode = generate_model(model)
        write_files(folder, self.code.files)
        self._window = int(model.preprocess["window"])
        self._columns = len(model.preprocess["columns"])
        output = self.code.graphs["head"].outputs[0]
        self._output = np.zeros(output.shape[-1], output.dtype)

    @property
    def sources(self) -> list[Path]:
        """The C files to compile."""
        return [self.folder / name for name in self.code.sources]

    def entry(self, function: str) -> str:
        """Name of init, push, predict or predict_integers."""
        return f"{self.code.name}_{function}"

    def image(
        self, board: Board, folder: Path, *, profile: Profile = "speed", compiler: Compiler | None = None
    ) -> Image:
        """Link the model with the memory of its caller."""
        memory = folder / "memory.c"
        memory.write_text(self.code.memory, encoding="utf-8")
        entries = [*map(self.entry, ("init", "push", "predict", "predict_integers")), STATE, FORECAST]
        return compile_image(
            [*self.sources, memory],
            [self.folder],
            board,
            folder / "model.elf",
            entries=entries,
            profile=profile,
            compiler=compiler,
        )

    def library(self, folder: Path) -> HostLibrary:
        """Compile the same sources for this computer."""
        memory = folder / "memory.c"
        memory.write_text(self.code.memory, encoding="utf-8")
        return HostLibrary([*self.sources, memory], [self.folder], folder)

    def on_host(self, library: HostLibrary, raw: F32) -> tuple[Forecasts, list[bytes]]:
        """Run raw windows [B, T, F] through push and predict; also the bytes of the state before each forecast."""
        size = self._state_bytes()
        state = np.zeros(size // 4, np.uint32)
        real, integers = self._real(len(raw)), self._integers(len(raw))
        states = []
        for row, window in enumerate(np.ascontiguousarray(raw, dtype=np.float32)):
            library.call(self.entry("init"), state)
            for sample in window:
                library.call(self.entry("push"), state, sample)
            states.append(state.tobytes())
            library.call(self.entry("predict_integers"), state, integers[row])
            library.call(self.entry("predict"), state, real[row])
        return Forecasts(real=real, integers=integers), states

    def on_board(self, machine: Machine, states: Sequence[bytes]) -> Forecasts:
        """Forecast on the emulated board from states as `on_host` left them: the structure is the same there.

        Integers for the first BOARD_INTEGERS only: each is a forecast more, and forecasts follow from them one to one.
        """
        real, integers = self._real(len(states)), self._integers(min(BOARD_INTEGERS, len(states)))
        for row, state in enumerate(states):
            machine.write(STATE, state)
            if row < len(integers):
                machine.call(self.entry("predict_integers"), STATE, integers[row])
            machine.call(self.entry("predict"), STATE, real[row])
        return Forecasts(real=real, integers=integers)

    def pushed_on_board(self, machine: Machine, window: F32) -> bytes:
        """The state after pushing one raw window [T, F] on the emulated board."""
        machine.call(self.entry("init"), STATE)
        for sample in np.ascontiguousarray(window, dtype=np.float32):
            machine.call(self.entry("push"), STATE, sample)
        return machine.read(STATE)

    def _state_bytes(self) -> int:
        """Of <name>_state: where the ring stands, then the ring."""
        return 4 * (2 + self._window * self._columns)

    def _real(self, windows: int) -> F32:
        return np.zeros((windows, len(self._output)), np.float32)

    def _integers(self, windows: int) -> Integers:
        return np.zeros((windows, len(self._output)), self._output.dtype)


@contextmanager
def temporary_firmware(model_folder: Path) -> Iterator[tuple[Firmware, Path]]:
    """The native code of models/<candidate>/ in a temporary folder, and that folder."""
    with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
        folder = Path(name)
        yield Firmware(load_model(model_folder), folder / "native"), folder


def measure_candidate(model_folder: Path, raw: F32, board: Board) -> Measurement:
    """Flash, RAM, cycles, time and energy of the generated code of a model on windows spread over `raw` [B, T, F].

    The figures are those of the most expensive of MEASURED_WINDOWS forecasts.

    ModelError for an operator that has no kernel, DoesNotFit where flash or RAM of the board overflow.
    """
    with temporary_firmware(model_folder) as (native, folder):
        image, library = native.image(board, folder), native.library(folder)
        return measure_firmware(native, image, library, raw)


def run_native(model_folder: Path, raw: F32, board: Board) -> dict[Engine, Forecasts]:
    """What the native code of a model makes of raw windows [B, T, F], on this computer and on the board.

    Samples are pushed on this computer; the board forecasts from the states that were left, and pushes the last window
    itself. Disagreement when that leaves another state. A board that is not emulated is left out.
    """
    with temporary_firmware(model_folder) as (native, folder):
        host, states = native.on_host(native.library(folder), raw)
        if not board.emulated:
            return {Engine.HOST: host}
        machine = Machine(native.image(board, folder), counting=False)
        if native.pushed_on_board(machine, raw[-1]) != states[-1]:
            raise Disagreement(
                f"{native.model.candidate}: a pushed window leaves another state on {board.name} than on this computer",
                hint="please report this with the folder of the model",
            )
        return {Engine.HOST: host, Engine.BOARD: native.on_board(machine, states)}


def measure_firmware(native: Firmware, image: Image, library: HostLibrary, raw: F32) -> Measurement:
    """Measure init, push and predict on windows spread over `raw` [B, T, F]; the first is pushed on the board."""
    picks = evenly_spaced(raw, MEASURED_WINDOWS)
    _, states = native.on_host(library, picks)
    calls = [ProfiledCall(native.entry("init"), STATE)]
    calls += [
        ProfiledCall(native.entry("push"), STATE, sample) for sample in np.ascontiguousarray(picks[0], dtype=np.float32)
    ]
    predict = native.entry("predict")
    layers = [
        ProfiledLayer(name=f"{graph}: {layer.name}", function=layer.function, macs=layer.macs, bytes=layer.bytes)
        for graph, code in native.code.graphs.items()
        for layer in code.layers
    ]
    calls += [ProfiledCall(predict, STATE, FORECAST, memory={STATE: state}) for state in states]
    inside = [code.entry for code in native.code.graphs.values()]
    measured = measure(image, predict, calls, inside=inside, layers=layers)
    push = measured.functions[native.entry("push")]
    return measured.model_copy(update={"push_cycles": push.cycles, "push_ms": push.ms})


def sources_sha256(model_folder: Path) -> str:
    """Digest of the generated code of a model, its kernels included: what parity is proved for."""
    files = generate_model(load_model(model_folder)).files
    return hashlib.sha256(json.dumps({name: str(files[name]) for name in sorted(files)}).encode()).hexdigest()


def write_sketches(model_folder: Path, raw: F32, folder: Path) -> None:
    """Write the Arduino sketches of one model, and the libraries they share, as a sketchbook.

    They test themselves on windows spread over `raw` [B, T, F].
    """
    windows = evenly_spaced(raw, SELF_TEST_WINDOWS)
    micro = model_folder / TFLM
    fault = tflm.library_fault(micro)
    if fault:
        tflm.write_refusal(folder, micro, fault)
    else:
        arena = sum(map(arena_bytes, load_model(micro).graphs().values()))
        tflm.write_sketch(folder, micro, arena_bytes=arena, vectors=self_test_vectors(micro, windows))
    model, vectors = load_model(model_folder), self_test_vectors(model_folder, windows)
    code = generate_model(model)
    files = model_libraries(code.name, code.files)
    for sketch in (native_sketch, stream_sketch, ble_sketch):
        files |= sketch(model, vectors)
    write_files(folder, files)


def self_test_vectors(model_folder: Path, windows: F32) -> Vectors:
    """Raw windows [B, T, F] with what the twin makes of them."""
    forecasts = forecast_model(model_folder, Engine.TWIN, windows)
    assert forecasts.integers is not None
    return Vectors(raw=windows, forecast=forecasts.real, output=forecasts.integers)
