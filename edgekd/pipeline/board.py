"""A finished run meets a board, real or virtual: flash, validate, stream."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.board import Board, load_board
from edgekd.codegen.sketch import sha256
from edgekd.config import Config
from edgekd.data.preprocess import Preprocess
from edgekd.data.table import Series, read_table
from edgekd.deploy import flash as deploy_flash
from edgekd.deploy.device import Device
from edgekd.deploy.link import open_link
from edgekd.deploy.ports import list_ports
from edgekd.deploy.validate import require_model, validate
from edgekd.emulate.compiler import Profile, find_compiler
from edgekd.emulate.sketch import Sketch, compile_sketch
from edgekd.emulate.virtual import VirtualBoard
from edgekd.errors import ConfigError, DataError
from edgekd.pipeline.engines import integer_forecaster
from edgekd.pipeline.predict import inputs_only
from edgekd.pipeline.prepare import load_prepared
from edgekd.program.forecaster import load_model
from edgekd.run import Progress, read_json, write_json

VIRTUAL = "virtual"
PREDICTED_WINDOWS = 3


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One model of a run, and the board it was made for."""

    run: Path
    candidate: str
    board: Board
    config: Config

    @property
    def model(self) -> Path:
        return self.run / "models" / self.candidate

    def sketch(self, kind: str) -> Path:
        """Folder of the native or tflm sketch. ConfigError when the run has none."""
        firmware = self.run / "firmware" / self.candidate
        found = sorted(firmware.glob(f"*_{kind}/*_{kind}.ino"))
        if not found:
            known = ", ".join(sorted(path.name.rpartition("_")[2] for path in firmware.glob("*_*"))) or "none"
            raise ConfigError(f"{firmware} has no {kind} sketch", hint=f"sketches there: {known}")
        return found[0].parent


def choose(run: Path, board: str | None = None) -> Chosen:
    """The model that a finished run has chosen. board: another one than the run's."""
    report = read_json(run / "report" / "report.json")
    config = Config.model_validate(report["config"])
    target = load_board(board if board and board != VIRTUAL else config.board)
    return Chosen(run=run, candidate=report["chosen"]["name"], board=target, config=config)


def flash(chosen: Chosen, kind: str, port: str | None, progress: Progress, said: Callable[[str], None]) -> str:
    """Compile and upload with arduino-cli; returns the port."""
    folder = chosen.run / "boards" / chosen.board.name
    sketch = chosen.sketch(kind)
    return deploy_flash.flash(sketch, chosen.board, folder, port=port, progress=progress, said=said).port.device


def flash_plan(chosen: Chosen, kind: str, port: str | None) -> list[str]:
    """What `flash` would do, as text."""
    return deploy_flash.plan(chosen.sketch(kind), chosen.board, chosen.run / "boards" / chosen.board.name, port)


@contextmanager
def virtual_board(
    chosen: Chosen, *, noise: float = 0.0, resets: Sequence[int] = (), seed: int = 0
) -> Iterator[VirtualBoard]:
    """The native sketch in the emulator behind a pseudo-terminal; `serve` runs it."""
    with _sketch(chosen) as sketch, VirtualBoard(sketch, noise=noise, resets=resets, seed=seed) as board:
        yield board


def validate_run(chosen: Chosen, port: str | None, windows: int, progress: Progress) -> dict[str, Any]:
    """Replay test windows on a board and compare all that comes out; kept in boards/<serial>.json."""
    prepared = load_prepared(chosen.run / "data")
    test = prepared.windows["test"].raw
    raw = test[np.linspace(0, len(test) - 1, min(windows, len(test))).astype(int)]
    preprocess = Preprocess.from_json(load_model(chosen.model).preprocess)
    rel, lvl, base = preprocess.transform(raw)
    forecaster = integer_forecaster(chosen.model, "twin")
    integers = forecaster.integers(rel, lvl)
    forecast = preprocess.inverse(forecaster.real(integers), base)
    with _device(chosen, port) as (device, serial):
        found = validate(device, raw, integers, forecast, progress)
        about = device.about
    predicted = _predicted_cycles(chosen, raw) if found["cycles_measured"] else None
    found |= {
        "board": about.board,
        "serial": serial,
        "candidate": chosen.candidate,
        "cycles_predicted": predicted,
        "ratio": round(found["cycles_measured"] / predicted, 4) if predicted else None,
    }
    folder = chosen.run / "boards"
    folder.mkdir(exist_ok=True)
    write_json(folder / f"{serial}.json", found)
    return found


def stream(chosen: Chosen, table: Path, group: str, port: str | None, every: int) -> Iterator[tuple[int, list[float]]]:
    """Feed a recorded group sample by sample; yields (order of the last sample, forecast) for every so many samples."""
    series = _series(chosen, table, group)
    window = chosen.config.data.window
    with _device(chosen, port) as (device, _):
        device.reset()
        for n, (order, sample) in enumerate(zip(series.order, series.inputs.astype(np.float32), strict=True), start=1):
            device.push(sample[None])
            if n >= window and (n - window) % every == 0:
                yield int(order), [float(value) for value in device.read().forecast]


def _series(chosen: Chosen, table: Path, group: str) -> Series:
    data = inputs_only(chosen.config.data, table)
    found = read_table(data, Path()).series
    ours = [one for one in found if str(one.group) == group]
    if not ours:
        known = ", ".join(sorted({str(one.group) for one in found})[:8])
        raise DataError(f"{table} has no group '{group}'", hint=f"it has {known}")
    return max(ours, key=lambda one: len(one.order))


@contextmanager
def _device(chosen: Chosen, port: str | None) -> Iterator[tuple[Device, str]]:
    """The board on a port, which runs the chosen model; and its serial number or a name in place of it."""
    from edgekd.board import board_names
    from edgekd.deploy.ports import find_port

    found = find_port(chosen.board, list_ports(), [load_board(name) for name in board_names()], port)
    link = open_link(found.device)
    try:
        device = Device(link)
        require_model(device, sha256(load_model(chosen.model)), chosen.candidate)
        yield device, found.serial or (VIRTUAL if "/pts/" in found.device else Path(found.device).name)
    finally:
        link.close()


@contextmanager
def _sketch(chosen: Chosen) -> Iterator[Sketch]:
    """The native sketch in the emulator, compiled as Arduino does where GCC is there."""
    if not chosen.board.emulated:
        raise ConfigError(f"board '{chosen.board.name}' is not emulated", hint="edgekd boards lists those that are")
    compiler = find_compiler(chosen.board)
    profile: Profile = "arduino" if compiler.kind == "gcc" else "speed"
    with tempfile.TemporaryDirectory(prefix="edgekd-") as folder:
        out = Path(folder) / "sketch.elf"
        image = compile_sketch(chosen.sketch("native"), chosen.board, out, profile=profile, compiler=compiler)
        yield Sketch(image, counting=True)


def _predicted_cycles(chosen: Chosen, raw: Any) -> float:
    """Mean cycles of a prediction on the emulated board, the same code as on the real one."""
    found = []
    with _sketch(chosen) as sketch:
        sketch.setup()
        for window in raw[:PREDICTED_WINDOWS]:
            sketch.send("reset\n")
            for sample in window:
                sketch.send("sample " + ",".join(f"{value:.9g}" for value in sample) + "\n")
            said = sketch.send("predict\n")
            found.append(int(said.partition(" cycles=")[2].split(" ")[0]))
    return round(float(np.mean(found)), 1)
