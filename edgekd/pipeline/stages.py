"""The stages in order: `compress` takes a configuration and a table all the way to firmware and a report."""

import math
import time
from pathlib import Path

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.errors import DataError
from edgekd.contracts.results import CandidateResult, Report
from edgekd.evaluate.selection import built, choose
from edgekd.pipeline.search import Search
from edgekd.run import MANIFEST, Pieces, Progress, Run

REPAIR = "edgekd compress, with the same configuration and --out, makes again what was changed"


def compress(
    config: Config, folder: Path, progress: Progress, *, seconds: float = math.inf, workers: int = 1
) -> Report:
    """Search, choose, verify and report. What `folder` holds already is not done again.

    The search ends with as many candidates as the configuration wants, or so that all is done `seconds` from now;
    `workers` processes share the work.
    """
    until = time.monotonic() + seconds
    with Run(folder, progress) as run, Search(run, config, workers, until) as search:
        search.explore()
        chosen = choose(config, search.scores())
        search.verify()
        return _finish(search, chosen)


def explore(
    config: Config, folder: Path, progress: Progress, *, seconds: float, workers: int
) -> dict[str, CandidateResult]:
    """The search alone: the front, on validation, of what is known when it ends."""
    until = time.monotonic() + seconds
    with Run(folder, progress) as run, Search(run, config, workers, until) as search:
        search.explore(compare=False)
        candidates = built(search.scores())
        return {name: candidates[name] for name in search.front()}


def _finish(search: Search, chosen: Candidate) -> Report:
    """The firmware of the chosen candidate, and the report."""
    from edgekd import report
    from edgekd.evaluate import parity, report_data
    from edgekd.pipeline.front import write_firmware

    for name, pairs in search.parities().items():
        parity.check(pairs, name)
    write_firmware(search.run, search.config, chosen.name, search.prepared)
    result = report_data.assemble(search, chosen)
    needs = (f"models/{chosen.name}", f"firmware/{chosen.name}")
    key = {name: value for name, value in result.to_dict().items() if name != "seconds"}
    search.run.piece("report", key, lambda place: report.write(result, place), needs=needs)
    return result


def check_run(folder: Path) -> int:
    """Compare every file of a finished run with what was recorded when it was made; returns how many pieces there are.

    DataError names all that was changed, and what stands for something that is not there any more.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder} has no {MANIFEST}", hint="is this the folder of a run?")
    pieces = Pieces(folder)
    changes = pieces.check()
    if changes:
        count = f"{len(changes)} changes" if len(changes) > 1 else "1 change"
        raise DataError("\n".join([f"{folder}: {count} since it was made", *changes]), hint=REPAIR)
    return len(pieces.manifest())
