"""edgekd in Python: the functions of the command line, quiet by default, with results as objects.

    from edgekd import codegen, compress, emulate, load, verify

    report = compress("battery.yaml")                  # runs/battery/: models, firmware, report
    codegen("detector.tflite", "detector")             # plain C in detector/
    print(emulate("detector").cycles)
    verify("detector", random=1000)

Packages that take long to load are loaded by the function that needs them.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekd.codegen.c_graph import Code
    from edgekd.contracts.config import Config
    from edgekd.contracts.results import Measurement, Report, Verification
    from edgekd.run import Progress

MOST_CANDIDATES = 10_000


def compress(
    config: "Config | Path | str",
    out: Path | str | None = None,
    *,
    candidates: int | None = None,
    seconds: float | None = None,
    workers: int = 1,
    progress: "Progress | None" = None,
) -> "Report":
    """Distil, prune, quantize, export, verify and report, into the folder `out` (default runs/<name>).

    What the folder holds already is not done again. candidates: instead of `search.candidates`; seconds: search so
    that all is done by then. workers: processes; more than one needs the guard `if __name__ == "__main__"` in a script.
    Raises ConfigError, DataError, DoesNotFit when nothing meets the budget, Disagreement when firmware and model
    differ.
    """
    from edgekd.pipeline import stages
    from edgekd.progress import Quiet

    limited = limit_search(config, candidates, seconds)
    folder = Path(out) if out is not None else Path("runs") / limited.name
    limit = math.inf if seconds is None else seconds
    return stages.compress(limited, folder, progress or Quiet(), seconds=limit, workers=workers)


def load(run: Path | str) -> "Report":
    """Read the report of a finished run. DataError when there is none, or one of another version."""
    from edgekd.contracts.results import read_report

    return read_report(Path(run).expanduser())


def codegen(model: Path | str, out: Path | str, *, name: str | None = None, board: str = "nano33ble") -> "Code":
    """Write the C of an integer .tflite file into the folder `out`, with an example and a sketch that check themselves.

    name: prefix of its functions, by default that of the file. Raises ModelError for a file that cannot be read or an
    operator that has no kernel, ConfigError for the board.
    """
    from edgekd.evaluate.code_folder import write_code

    return write_code(Path(model).expanduser(), name, board, Path(out).expanduser())


def emulate(
    folder: Path | str, *, board: str | None = None, arduino: bool = False, compiler: str | None = None
) -> "Measurement":
    """Run the code in a folder, or that of a run, on the emulated board: flash, RAM, stack, cycles, time, energy.

    arduino: with the flags of Arduino's core. compiler: gcc or zig, by default gcc where it is installed.
    Raises ToolMissing without a compiler, DoesNotFit when the image is larger than the board.
    """
    from edgekd.pipeline.emulation import emulate as measure

    profile = "arduino" if arduino else "speed"
    return measure(Path(folder).expanduser(), board, profile=profile, compiler=compiler)  # type: ignore[arg-type]


def verify(
    folder: Path | str,
    windows: Path | str | None = None,
    *,
    random: int = 0,
    board: str | None = None,
    compiler: str | None = None,
) -> "Verification":
    """Compare TFLite-Micro, the C on this computer and on the emulated board with the reference, to the last bit.

    windows: .npy or .npz file of windows [N, ...]; or `random` of them are drawn.
    Raises Disagreement where they differ.
    """
    from edgekd.evaluate.code_parity import require_equal
    from edgekd.evaluate.code_parity import verify as compare_engines

    file = Path(windows).expanduser() if windows is not None else None
    result = compare_engines(Path(folder).expanduser(), file, random, board, compiler=compiler)
    require_equal(result)
    return result


def limit_search(config: "Config | Path | str", candidates: int | None, seconds: float | None) -> "Config":
    """Read a configuration, with as many candidates as are wanted: any number when only the time is limited."""
    from edgekd.contracts.config import Config, load_config

    loaded = config if isinstance(config, Config) else load_config(Path(config).expanduser())
    count = candidates or (loaded.search.candidates if seconds is None else MOST_CANDIDATES)
    return loaded.model_copy(update={"search": loaded.search.model_copy(update={"candidates": count})})
