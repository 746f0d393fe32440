"""Which model of a finished run goes on which board, and what is known of boards that have run it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edgekd.contracts.board import Board, load_board
from edgekd.contracts.config import Config
from edgekd.contracts.errors import BoardUnreachable, ConfigError
from edgekd.contracts.results import BoardValidation, read_report, report_path
from edgekd.deploy.device import Device
from edgekd.program.package import TFLM, load_model

VIRTUAL = "virtual"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One model of a run, and the board it was made for."""

    run: Path
    candidate: str
    board: Board
    config: Config
    micro: bool = False
    """Whether it is the model as the TFLite-Micro sketch carries it."""

    @property
    def model(self) -> Path:
        """Folder of the model."""
        folder = self.run / "models" / self.candidate
        return folder / TFLM if self.micro else folder

    def sketch(self, kind: str) -> Path:
        """Folder of the native, stream, ble or tflm sketch. ConfigError when there is none."""
        firmware = self.run / "firmware" / self.candidate
        sketches = sorted(firmware.glob(f"*_{kind}/*_{kind}.ino"))
        if not sketches and not firmware.is_dir():
            raise ConfigError(
                f"the run has no firmware of '{self.candidate}'",
                hint=f"edgekd front {self.run} --export {self.candidate}",
            )
        if not sketches:
            known = ", ".join(sorted(path.stem.rpartition("_")[2] for path in firmware.glob("*/*.ino"))) or "none"
            reasons = [path.read_text(encoding="utf-8") for path in firmware.glob(f"*_{kind}/README.txt")]
            reason = f": {' '.join(reasons[0].split())}" if reasons else ""
            raise ConfigError(f"{firmware} has no {kind} sketch{reason}", hint=f"sketches there: {known}")
        return sketches[0].parent


def choose(run: Path, board: str | None = None, model: str | None = None) -> Chosen:
    """The model that a finished run has chosen, or `model`. board: another one than the run's.

    ConfigError when there is no such model.
    """
    report = read_report(run)
    config = report.resolved_config()
    target = load_board(board if board and board != VIRTUAL else config.board)
    if model is not None and report.candidate(model) is None:
        known = [candidate.name for candidate in report.candidates]
        raise ConfigError(f"the run has no candidate '{model}'", hint=f"it has {', '.join(known)}")
    return Chosen(run=run, candidate=model or report.chosen.name, board=target, config=config)


def chosen_on(device: Device, runs: Iterable[Path]) -> Chosen:
    """The model that a board carries, of one of these runs. BoardUnreachable when it is of none of them."""
    about = device.about
    known = list(runs)
    for run in known:
        folder = run / "models" / about.candidate
        if not report_path(run).is_file():
            continue
        for package in (folder, folder / TFLM):
            if package.is_dir() and load_model(package).sha256 == about.sha256:
                return replace(choose(run, model=about.candidate), micro=package != folder)
    others = ", ".join(map(str, known)) or "no run here"
    raise BoardUnreachable(
        f"the board at {device.link.device} runs {about.name} {about.candidate} ({about.sha256[:12]}), "
        f"which is not of {others}",
        hint="edgekd flash the run first, or name the run that it carries",
    )


@dataclass(frozen=True, kw_only=True)
class BoardCalibration:
    """A board that `validate` has met: measured cycles over those that the emulator predicted for the same code."""

    serial: str
    board: str
    ratio: float


def board_calibrations(run: Path, board: str) -> list[BoardCalibration]:
    """Boards of this name whose cycles were measured with a model of the run, by serial number."""
    known = [BoardValidation.read(path) for path in sorted((run / "boards").glob("*.json"))]
    return [
        BoardCalibration(serial=seen.serial, board=seen.board, ratio=seen.ratio)
        for seen in known
        if seen.ratio and seen.board == board
    ]


def ms_on(run: Path, board: str, ms: float) -> dict[str, float]:
    """Estimates of what an emulated time comes to on boards that were measured, by serial number: times their ratio."""
    return {one.serial: float(f"{ms * one.ratio:.4g}") for one in board_calibrations(run, board)}
