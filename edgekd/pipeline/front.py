"""The Pareto front of a finished run: its figures, and the firmware of any of its points."""

from functools import partial
from pathlib import Path
from typing import Any

from edgekd.contracts.board import load_board
from edgekd.contracts.config import Config
from edgekd.contracts.errors import ConfigError, DataError
from edgekd.data import prepared as prepare
from edgekd.deploy.run_model import ms_on
from edgekd.evaluate import parity
from edgekd.run import Progress, Run, read_json

MEASURED = ("flash_bytes", "ram_bytes", "cycles", "ms", "energy_uj")


def front(folder: Path) -> list[dict[str, Any]]:
    """Name, errors on validation and test, and measured costs of each point, the most accurate on validation first.

    Costs are None on a board that is not emulated. `ms_on`: estimates for boards that `validate` has met, perhaps none.
    DataError when the run is not finished, or of an older edgekd.
    """
    report = read_json(folder / "report" / "report.json")
    points = [one for one in report["candidates"] if one["on_front"]]
    board = report["config"]["board"]
    if any("test" not in one for one in points):
        raise DataError(f"{folder}: its report has no errors on test for the front", hint="run edgekd compress again")
    return [
        {"name": one["name"], "val_mae": one["val"]["mae"], "test_mae": one["test"]["mae"]}
        | {name: one.get("native", {}).get(name) for name in MEASURED}
        | {"ms_on": ms_on(folder, board, one["native"]["ms"]) if "native" in one else {}}
        for one in sorted(points, key=lambda one: (one["val"]["mae"], one["name"]))
    ]


def export(folder: Path, name: str, progress: Progress) -> Path:
    """Write the firmware of a candidate of the run, as that of the chosen one, when all engines agree on it.

    ConfigError when there is none, Disagreement when engines do not agree.
    """
    report = read_json(folder / "report" / "report.json")
    known = [one["name"] for one in report["candidates"]]
    if name not in known:
        raise ConfigError(f"the run has no candidate '{name}'", hint=f"it has {', '.join(known)}")
    if not (folder / "models" / name).is_dir():
        raise ConfigError(f"the model of {name} is on the machine that made it", hint="export it from the run there")
    config = Config.model_validate(report["config"])
    with Run(folder, progress) as run:
        prepared = prepare.load_prepared(folder / "data")
        if name not in report["parity_by_candidate"]:
            parity.require_parity(
                parity.check_parity(folder / "models" / name, prepared, load_board(config.board)), name
            )
        return write_firmware(run, config, name, prepared)


def write_firmware(run: Run, config: Config, name: str, prepared: prepare.Prepared) -> Path:
    """The sketches of a candidate, as a piece of the run."""
    model = f"models/{name}"
    build = partial(parity.write_firmware, run.folder / model, prepared)
    key = [config.board, parity.sources_sha256(run.folder / model)]
    return run.piece(f"firmware/{name}", key, build, needs=(model, "data"))
