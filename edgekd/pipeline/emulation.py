"""Costs of generated code on the emulated board: of a folder made by codegen, or of a finished run."""

import tempfile
from pathlib import Path

import numpy as np

from edgekd.contracts.board import load_board
from edgekd.contracts.results import Measurement, read_report
from edgekd.emulate.compiler import Profile, find_compiler
from edgekd.evaluate.code_folder import load_code
from edgekd.evaluate.firmware import measure_firmware, temporary_firmware
from edgekd.run import MANIFEST


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
        return load_code(folder, board).measure(build, profile=profile, compiler=compiler)


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
