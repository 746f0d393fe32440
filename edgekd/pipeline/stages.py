"""The stages in order: `compress` takes a configuration and a table all the way to firmware and a report."""

import math
import time
from pathlib import Path

from edgekd import report
from edgekd.contracts.config import Config
from edgekd.contracts.errors import DataError
from edgekd.contracts.results import CandidateResult, Report
from edgekd.evaluate import parity, report_data
from edgekd.evaluate.selection import built, choose
from edgekd.pipeline.front import write_firmware
from edgekd.pipeline.search import DATABASE, LOCAL, Search, Shared
from edgekd.pipeline.workers import helping
from edgekd.run import MANIFEST, Pieces, Progress, Run
from edgekd.search.trials import answering

REPAIR = "edgekd compress, with the same configuration and --out, makes again what was changed"


def compress(
    config: Config,
    folder: Path,
    progress: Progress,
    *,
    seconds: float = math.inf,
    workers: int = 1,
    shared: Shared = LOCAL,
) -> Report:
    """Search, choose, verify and report. What `folder` holds already is not done again.

    The search ends with as many candidates as the configuration wants, or so that all is done `seconds` from now;
    `workers` processes share it, and those on other machines that meet in the same storage.
    """
    until = time.monotonic() + seconds
    with Run(folder, progress) as run, answering(shared.storage or DATABASE):
        search = Search(run, config, shared, until)
        search.begin()
        with helping(config, folder, shared, until, workers - 1):
            search.explore()
            chosen = choose(config, search.scores())
            search.finish()
        for name, pairs in search.parities().items():
            parity.check(pairs, name)
        search.model(chosen.name)
        write_firmware(run, config, chosen.name, search.prepared)
        found = report_data.assemble(search, chosen)
        needs = (f"models/{chosen.name}", f"firmware/{chosen.name}")
        key = {name: value for name, value in found.to_dict().items() if name != "seconds"}
        run.piece("report", key, lambda place: report.write(found, place), needs=needs)
        return found


def explore(
    config: Config, folder: Path, progress: Progress, *, seconds: float, workers: int, shared: Shared
) -> dict[str, CandidateResult]:
    """The search alone: the front, on validation, of what is known when it ends."""
    until = time.monotonic() + seconds
    with Run(folder, progress) as run, answering(shared.storage or DATABASE):
        search = Search(run, config, shared, until, finish=False)
        search.begin()
        with helping(config, folder, shared, until, workers - 1, finish=False):
            search.explore()
        candidates = built(search.scores())
        return {name: candidates[name] for name in search.front()}


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
