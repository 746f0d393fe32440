"""A finished run meets a board, real or virtual: validate, stream, monitor."""

import math
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.board import Board, board_names, load_board
from edgekd.contracts.engines import Engine
from edgekd.contracts.errors import ConfigError
from edgekd.contracts.results import BoardValidation, Replay
from edgekd.data.prepared import load_prepared
from edgekd.data.unseen import own_unit, read_group
from edgekd.data.windows import evenly_spaced
from edgekd.deploy.device import Device
from edgekd.deploy.link import open_link
from edgekd.deploy.ports import find_port, list_ports
from edgekd.deploy.replay import validate
from edgekd.deploy.run_model import VIRTUAL, Chosen, choose, chosen_on
from edgekd.emulate.compiler import Profile, find_compiler
from edgekd.emulate.sketch import Sketch, compile_sketch
from edgekd.emulate.virtual import VirtualBoard
from edgekd.evaluate.runtimes import forecast_model
from edgekd.run import Progress, write_atomic

F32 = NDArray[np.float32]
PREDICTED_WINDOWS = 3


@contextmanager
def virtual_board(
    chosen: Chosen, kind: str = "native", *, noise: float = 0.0, reset_every_s: float = math.inf
) -> Iterator[VirtualBoard]:
    """A sketch of plain C in the emulator behind a pseudo-terminal; `serve` runs it."""
    with _sketch(chosen, kind) as sketch, VirtualBoard(sketch, noise=noise, reset_every_s=reset_every_s) as board:
        yield board


@contextmanager
def served_virtual_board(chosen: Chosen) -> Iterator[str]:
    """The native sketch on a virtual board that runs in a thread of its own until the context exits; its port."""
    stopped = threading.Event()
    with virtual_board(chosen) as board:
        thread = threading.Thread(target=board.serve, args=(stopped.is_set,), daemon=True)
        thread.start()
        try:
            yield board.port
        finally:
            stopped.set()
            thread.join()


def validate_run(
    run: Path, port: str | None, windows: int, progress: Progress, *, board: str | None = None
) -> BoardValidation:
    """Replay test windows on a board and compare all that comes out; kept in boards/<serial>.json.

    board: `virtual` starts a virtual board for this, and ends it. ConfigError for another one, or beside a port.
    """
    if board is not None:
        if board != VIRTUAL or port is not None:
            raise ConfigError(
                f"validate takes --board {VIRTUAL} or a port, got --board {board}" + (f" and {port}" if port else ""),
                hint="a real board is known by its port",
            )
        with served_virtual_board(choose(run)) as own:
            return _validate(run, own, windows, progress)
    return _validate(run, port, windows, progress)


def _validate(run: Path, port: str | None, windows: int, progress: Progress) -> BoardValidation:
    with _device([run], port) as (device, serial, chosen):
        raw, integers, forecast = _expected(chosen, windows)
        replay = validate(device, raw, integers, forecast, progress)
        board = device.about.board
    cycles = replay.cycles_measured
    predicted = _predicted_cycles(chosen, raw) if cycles and not chosen.micro else None
    validation = BoardValidation(
        **dict(replay),
        board=board,
        serial=serial,
        candidate=chosen.candidate,
        cycles_predicted=predicted,
        ms_measured=_ms(replay, chosen.board),
        ratio=round(cycles / predicted, 4) if cycles and predicted else None,
    )
    folder = run / "boards"
    folder.mkdir(exist_ok=True)
    write_atomic(folder / f"{serial}.json", validation.to_json())
    return validation


def _ms(replay: Replay, board: Board) -> float | None:
    """Of one forecast: its cycles at the board's clock, or what the board's own clock says."""
    if replay.cycles_measured:
        return float(f"{1e3 * replay.cycles_measured / board.clock_hz:.4g}")
    return replay.us_measured / 1e3 if replay.us_measured else None


def _expected(chosen: Chosen, windows: int) -> tuple[F32, NDArray[np.integer[Any]], F32]:
    """Raw test windows [N, T, F], and what the twin makes of them: integers and forecasts [N, O]."""
    prepared = load_prepared(chosen.run / "data")
    test = prepared.windows["test"].raw
    raw = evenly_spaced(test, windows)
    forecasts = forecast_model(chosen.model, Engine.TWIN, raw)
    assert forecasts.integers is not None
    return raw, forecasts.integers, forecasts.real


def stream(
    runs: Sequence[Path], table: Path, group: str, port: str | None, every: int
) -> Iterator[tuple[int, list[float]]]:
    """Feed a recorded group sample by sample; yields the order of the last sample and the forecast, in the target's own
    unit, for every so many samples.

    runs: those of which the board may carry a model.
    """
    with _device(runs, port) as (device, _, chosen):
        series = read_group(chosen.config.data, table, group)
        window = chosen.config.data.window
        device.reset()
        for n, (order, sample) in enumerate(zip(series.order, series.inputs.astype(np.float32), strict=True), start=1):
            device.push(sample[None])
            if n >= window and (n - window) % every == 0:
                yield int(order), own_unit(device.read().forecast, chosen.config.data.divide_by).tolist()


@contextmanager
def _device(runs: Sequence[Path], port: str | None) -> Iterator[tuple[Device, str, Chosen]]:
    """The board on a port, its serial number or a name in place of it, and which model of these runs it carries."""
    known = [load_board(name) for name in board_names()]
    boards = [choose(run).board for run in runs]
    if not boards:
        raise ConfigError("there is no finished run below runs/", hint="name one, as in --run runs/battery")
    serial_port = find_port(boards[0], list_ports(), known, port)
    link = open_link(serial_port.device)
    try:
        device = Device(link)
        serial = serial_port.serial or (VIRTUAL if "/pts/" in serial_port.device else Path(serial_port.device).name)
        yield device, serial, chosen_on(device, runs)
    finally:
        link.close()


@contextmanager
def _sketch(chosen: Chosen, kind: str = "native") -> Iterator[Sketch]:
    """A sketch in the emulator, compiled as Arduino does where GCC is there."""
    if not chosen.board.emulated:
        raise ConfigError(f"board '{chosen.board.name}' is not emulated", hint="edgekd boards lists those that are")
    if kind in ("ble", "tflm"):
        raise ConfigError(f"the virtual board has no library for the {kind} sketch", hint="native or stream run there")
    compiler = find_compiler(chosen.board)
    profile: Profile = "arduino" if compiler.kind == "gcc" else "speed"
    with tempfile.TemporaryDirectory(prefix="edgekd-") as folder:
        out = Path(folder) / "sketch.elf"
        image = compile_sketch(chosen.sketch(kind), chosen.board, out, profile=profile, compiler=compiler)
        yield Sketch(image, counting=True)


def _predicted_cycles(chosen: Chosen, raw: Any) -> float:
    """Mean cycles of a prediction on the emulated board, the same code as on the real one."""
    cycles: list[int] = []
    with _sketch(chosen) as sketch:
        sketch.setup()
        for window in raw[:PREDICTED_WINDOWS]:
            sketch.send("reset\n")
            for sample in window:
                sketch.send("sample " + ",".join(f"{value:.9g}" for value in sample) + "\n")
            answer = sketch.send("predict\n")
            cycles.append(int(answer.partition(" cycles=")[2].split(" ")[0]))
    return round(float(np.mean(cycles)), 1)
