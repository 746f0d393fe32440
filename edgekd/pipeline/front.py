"""The Pareto front of a finished run: its figures, and the firmware of any of its points."""

from functools import partial
from pathlib import Path

from edgekd.contracts.board import load_board
from edgekd.contracts.config import Config
from edgekd.contracts.errors import ConfigError
from edgekd.contracts.results import FrontPoint, read_report
from edgekd.data import prepared as prepare
from edgekd.deploy.run_model import ms_on
from edgekd.evaluate import parity
from edgekd.evaluate.firmware import sources_sha256, write_sketches
from edgekd.run import Progress, Run


def front(folder: Path) -> list[FrontPoint]:
    """The points of the front, the most accurate on validation first.

    `ms_on` holds estimates for boards that `validate` has met. DataError when the run is not finished, or of another
    edgekd.
    """
    report = read_report(folder)
    points = [candidate for candidate in report.candidates if candidate.on_front]
    return [
        FrontPoint(
            name=point.name,
            val=point.val,
            test=point.test,
            measured=point.measured,
            ms_on=ms_on(folder, report.board, point.measured.ms) if point.measured else {},
        )
        for point in sorted(points, key=lambda point: (point.val.error, point.name))
    ]


def export(folder: Path, name: str, progress: Progress) -> Path:
    """Write the firmware of a candidate of the run, as that of the chosen one, when all engines agree on it.

    ConfigError when there is none, Disagreement when engines do not agree.
    """
    report = read_report(folder)
    if report.candidate(name) is None:
        known = [candidate.name for candidate in report.candidates]
        raise ConfigError(f"the run has no candidate '{name}'", hint=f"it has {', '.join(known)}")
    if not (folder / "models" / name).is_dir():
        raise ConfigError(f"the model of {name} is on the machine that made it", hint="export it from the run there")
    config = report.resolved_config()
    with Run(folder, progress) as run:
        prepared = prepare.load_prepared(folder / "data")
        if name not in report.parity_by_candidate:
            parity.check(parity.compare(folder / "models" / name, prepared, load_board(config.board)), name)
        return write_firmware(run, config, name, prepared)


def write_firmware(run: Run, config: Config, name: str, prepared: prepare.Prepared) -> Path:
    """The sketches of a candidate, as a piece of the run."""
    model = f"models/{name}"
    build = partial(write_sketches, run.folder / model, prepared.windows["val"].raw)
    key = [config.board, sources_sha256(run.folder / model)]
    return run.piece(f"firmware/{name}", key, build, needs=(model, "data"))
